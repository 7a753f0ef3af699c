"""Between a contact of the hub and the properties of a HubSpot contact: pure, both ways."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from adapters.hubspot.config import ContactSettings
from adapters.template_fields import FIELDS
from adapters.templates import Template, contact_fields, cut
from events.contact import Contact

TEXT_LIMIT = 65_536
"""The longest text a property takes."""

BLANK = ""
"""Clears a property; what is blank comes back as null."""

Kind = Literal["number", "date", "datetime", "string"]

_DAY, _MOMENT = "%Y-%m-%d", "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Definition:
    """A property as it is created: `unique` lets it address the object it is on."""

    name: str
    kind: Kind
    meaning: str
    unique: bool = False

    def body(self, group: str) -> dict[str, Any]:
        """What is sent to create it."""
        field = {"number": "number", "date": "date", "datetime": "date", "string": "text"}
        body: dict[str, Any] = {
            "name": self.name,
            "label": self.name.replace("_", " ").strip().capitalize(),
            "description": self.meaning,
            "groupName": group,
            "type": self.kind,
            "fieldType": field[self.kind],
        }
        return body | ({"hasUniqueValue": True} if self.unique else {})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an object is to show: `values` of the company's own properties, `stamp` the state they are of."""

    identity: tuple[str, str]
    position: str
    stamp: str
    values: Mapping[str, str]
    kinds: Mapping[str, Kind]

    @property
    def fingerprint(self) -> str:
        """Equal for equal contents, whatever their position."""
        text = json.dumps(dict(self.values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def properties(self) -> dict[str, str]:
        """All of it, always together."""
        name, value = self.identity
        return {**self.values, name: value, self.position: self.stamp}

    def is_marked_on(self, found: "Found") -> bool:
        """Whether the object carries the marks, which are written together with all the rest."""
        name, value = self.identity
        return found.get(name) == value and found.get(self.position) == self.stamp

    def is_said_by(self, found: "Found") -> bool:
        """Whether the object shows these values, whatever their notation."""
        return normalised(found.properties, self.kinds) == self.values


@dataclass(frozen=True, slots=True)
class Found:
    """An object as HubSpot shows it."""

    id: str
    properties: Mapping[str, str]

    @classmethod
    def read(cls, shown: object) -> "Found | None":
        """None if this is no object; what is null counts as blank."""
        if not isinstance(shown, Mapping) or not isinstance(shown.get("id"), str):
            return None
        properties = shown.get("properties")
        if not isinstance(properties, Mapping):
            return None
        return cls(shown["id"], {str(name): text_of(value) for name, value in properties.items()})

    def get(self, name: str) -> str:
        """The property's value, blank if it has none."""
        return self.properties.get(name, BLANK)

    def is_addressed_by(self, mail: str) -> bool:
        """Whether this is the contact's main address, and not one of its additional ones."""
        return self.get("email").strip().lower() == mail.strip().lower()


def text_of(value: object) -> str:
    """A property's value as text; HubSpot sends them as such, save for null."""
    return BLANK if value is None else str(value)


def kind_of(template: Template) -> Kind:
    """The type of property that fits: a template that is one single field decides, any other is a text."""
    if len(template.pieces) != 1 or not isinstance(template.pieces[0], tuple):
        return "string"
    choice, *others = template.pieces[0]
    if others or isinstance(choice, str):
        return "string"
    if choice.field.time:
        return {_DAY: "date", _MOMENT: "datetime"}.get(choice.format, "string")  # type: ignore[return-value]
    return "number" if choice.name.endswith("_count") else "string"


def definitions(settings: ContactSettings) -> tuple[Definition, ...]:
    """The properties a contact needs, the hub's own first."""
    own = (
        Definition(settings.identity, "string", "Whose counters the booking hub keeps here", unique=True),
        Definition(settings.position, "string", "Which state of its log the booking hub shows here"),
    )
    named = (
        Definition(name, kind_of(template), f"Kept by the booking hub: {_meaning(template)}")
        for name, template in settings.properties.items()
    )
    return (*own, *named)


def contact_values(contact: Contact, settings: ContactSettings, timezone: str) -> dict[str, str]:
    """The value of every property that is kept for this contact, in HubSpot's notation."""
    fields = contact_fields(contact, timezone)
    return {name: _value(template, fields) for name, template in settings.properties.items()}


def kinds_of(settings: ContactSettings) -> dict[str, Kind]:
    """The types of the properties that are kept."""
    return {name: kind_of(template) for name, template in settings.properties.items()}


def normalised(values: Mapping[str, str], kinds: Mapping[str, Kind]) -> dict[str, str]:
    """The kept ones among these values, in our own notation."""
    return {name: _normal(kind, values.get(name, BLANK)) for name, kind in kinds.items()}


def _meaning(template: Template) -> str:
    named = [FIELDS[name].meaning for name in sorted(template.fields) if name in FIELDS]
    return ", ".join(named) or str(template)


def _value(template: Template, fields: Mapping[str, object]) -> str:
    if kind_of(template) == "datetime":
        (name,) = template.fields
        moment = fields[name]
        return instant(moment) if isinstance(moment, datetime) else BLANK
    return cut(template.render(fields, limit=TEXT_LIMIT, single_line=True).strip(), TEXT_LIMIT)


def instant(moment: datetime) -> str:
    """A moment as HubSpot takes it, in whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def _normal(kind: Kind, text: str) -> str:
    """The same value in our notation; one that is none of this kind stays as it is."""
    value = text.strip()
    if kind == "number":
        with suppress(InvalidOperation):
            return f"{Decimal(value).normalize():f}"
    elif kind == "date":
        with suppress(ValueError, OverflowError):
            return _day(value)
    elif kind == "datetime":
        with suppress(ValueError, OverflowError):
            return instant(_moment(value))
    return value


def _day(text: str) -> str:
    return (_moment(text).date() if text.isdigit() else date.fromisoformat(text[:10])).isoformat()


def _moment(text: str) -> datetime:
    """A moment as HubSpot gives it: ISO 8601 or milliseconds since 1970."""
    if text.isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
