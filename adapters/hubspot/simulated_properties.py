"""The property definitions behind the stand-in, and what HubSpot makes of values by their type.

Kept to what HubSpot's pages say: values travel as texts, an unknown property is refused, a date is a
day, a blank text clears.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.simulation import RefusedError

GROUPS = {"contacts": "contactinformation", "meetings": "meeting"}
FIELD_TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("text", "textarea", "phonenumber", "html", "file"),
    "number": ("number",),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "bool": ("booleancheckbox",),
    "phone_number": ("phonenumber",),
}
TEXT_LIMIT = 65_536
MOST_UNIQUE = 10

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_REQUIRED = ("name", "label", "type", "fieldType", "groupName")
_OUTCOMES = ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")

_DEFAULTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "contacts": {
        "email": ("string", "text"),
        "firstname": ("string", "text"),
        "lastname": ("string", "text"),
        "phone": ("string", "phonenumber"),
        "hs_additional_emails": ("enumeration", "checkbox"),
    },
    "meetings": {
        "hs_timestamp": ("datetime", "date"),
        "hs_meeting_title": ("string", "text"),
        "hs_meeting_body": ("string", "html"),
        "hs_meeting_location": ("string", "text"),
        "hs_meeting_external_url": ("string", "text"),
        "hs_meeting_start_time": ("datetime", "date"),
        "hs_meeting_end_time": ("datetime", "date"),
        "hs_meeting_outcome": ("enumeration", "select"),
        "hubspot_owner_id": ("enumeration", "select"),
    },
}
_READ_ONLY = {"hs_object_id": "number", "createdate": "datetime", "lastmodifieddate": "datetime"}


class InvalidValuesError(RefusedError):
    """Worded as HubSpot does: a list inside the message and, in newer answers, one beside it."""

    def __init__(self, problems: Sequence[tuple[str, str, str]]) -> None:
        listed = [
            {"isValid": False, "message": text, "error": code, "name": name, "localizedErrorMessage": text}
            for name, code, text in problems
        ]
        super().__init__(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps(listed)}")
        self.errors = [
            {"message": text, "code": code, "context": {"propertyName": [name]}}
            for name, code, text in problems
        ]


class Properties:
    """The definitions of one kind of object, HubSpot's own to begin with."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._known = {
            name: _definition(name, type, field, GROUPS[kind], hubspot=True)
            for name, (type, field) in _DEFAULTS[kind].items()
        }
        for name, type in _READ_ONLY.items():
            own = _definition(name, type, "text", GROUPS[kind], hubspot=True)
            self._known[name] = own | {"modificationMetadata": _metadata(read_only=True)}

    def every(self) -> list[dict[str, Any]]:
        return list(self._known.values())

    def restore(self, every: Sequence[dict[str, Any]]) -> None:
        """Have these definitions, and no others."""
        self._known = {known["name"]: known for known in every}

    def get(self, name: str) -> dict[str, Any]:
        if name not in self._known:
            raise RefusedError(404, "OBJECT_NOT_FOUND", f"Property '{name}' does not exist")
        return self._known[name]

    def define(self, body: Mapping[str, Any]) -> dict[str, Any]:
        missing = [member for member in _REQUIRED if not body.get(member)]
        if missing:
            raise RefusedError(400, "VALIDATION_ERROR", f"Some required fields were not set: {missing}")
        name, type, field = str(body["name"]), body["type"], body["fieldType"]
        if not _NAME.fullmatch(name) or field not in FIELD_TYPES.get(type, ()):
            raise RefusedError(400, "VALIDATION_ERROR", f"The property {name} is not valid")
        if body["groupName"] != GROUPS[self.kind]:
            raise RefusedError(400, "VALIDATION_ERROR", f"The group {body['groupName']} does not exist")
        if name in self._known:
            raise RefusedError(409, "CONFLICT", f"A property named '{name}' already exists.")
        if body.get("hasUniqueValue") and len(self.unique()) >= MOST_UNIQUE:
            raise RefusedError(400, "VALIDATION_ERROR", "Too many properties with unique values")
        made = _definition(name, type, field, body["groupName"], unique=bool(body.get("hasUniqueValue")))
        told = {member: body[member] for member in ("label", "description") if member in body}
        self._known[name] = made | told
        return self._known[name]

    def remove(self, name: str) -> None:
        """What a person does in HubSpot's settings."""
        self._known.pop(name, None)

    def unique(self) -> tuple[str, ...]:
        """The custom properties that address an object."""
        return tuple(name for name, known in self._known.items() if known["hasUniqueValue"])

    def checked(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The values as they are stored; RefusedError naming every one that is not valid."""
        stored: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        for name, value in values.items():
            try:
                stored[name] = self._checked(name, value)
            except _InvalidError as error:
                problems.append((name, error.code, str(error)))
        if problems:
            raise InvalidValuesError(problems)
        return stored

    def _checked(self, name: str, value: object) -> str:
        known = self._known.get(name)
        if known is None:
            raise _InvalidError("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if known["modificationMetadata"]["readOnlyValue"]:
            raise _InvalidError(
                "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set'
            )
        text = "" if value is None else str(value)
        if known["type"] not in ("string", "phone_number") and text != text.strip():
            raise _InvalidError("INVALID_VALUE", f'"{text}" has spaces around it')
        if not text:
            return text
        if name == "email":
            return _mail(text)
        if name == "hs_meeting_outcome" and text not in _OUTCOMES:
            raise _InvalidError("INVALID_OPTION", f"{text} was not one of the allowed options")
        return _typed(known["type"], text)


class _InvalidError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _definition(
    name: str, type: str, field: str, group: str, *, unique: bool = False, hubspot: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "description": "",
        "type": type,
        "fieldType": field,
        "groupName": group,
        "options": [],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": unique,
        "hidden": False,
        "hubspotDefined": hubspot,
        "formField": False,
        "archived": False,
        "modificationMetadata": _metadata(read_only=False),
    }


def _metadata(*, read_only: bool) -> dict[str, bool]:
    return {"archivable": not read_only, "readOnlyDefinition": read_only, "readOnlyValue": read_only}


def _mail(text: str) -> str:
    if not _MAIL.fullmatch(text):
        raise _InvalidError("INVALID_EMAIL", f"Email address {text} is invalid")
    return text.lower()


def _typed(type: str, text: str) -> str:
    try:
        if type == "number":
            return f"{Decimal(text):f}"
        if type == "date":
            return _day(text)
        if type == "datetime":
            return _moment(text)
    except (ValueError, InvalidOperation, OverflowError):
        raise _InvalidError(f"INVALID_{type.upper()}", f"{text} was not a valid {type}.") from None
    if len(text) > TEXT_LIMIT:
        raise _InvalidError("PROPERTY_VALUE_TOO_LONG", f"longer than {TEXT_LIMIT} characters")
    return text


def _day(text: str) -> str:
    if not text.isdigit():
        return date.fromisoformat(text).isoformat()
    moment = datetime.fromtimestamp(int(text) / 1000, UTC)
    if moment.time().isoformat() != "00:00:00":
        raise _InvalidError("INVALID_DATE", f"{text} is at {moment.time()} UTC, not midnight!")
    return moment.date().isoformat()


def _moment(text: str) -> str:
    moment = datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdigit() else datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return (
        moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
    )
