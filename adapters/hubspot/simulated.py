"""The account behind the stand-in: contacts, meetings and what ties them, in memory, without HTTP.

Kept to what HubSpot documents, not to what our client does: a mail address belongs to one contact, in
any case and among additional ones too; merged contacts get a new id and the old ones lead to it; search
sees changes late.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.hubspot.simulated_properties import Properties
from adapters.simulation import RefusedError

MEETING_TO_CONTACT = 200
MOST_INPUTS = 100
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "contacts": ("email", "firstname", "lastname"),
    "meetings": ("hs_timestamp",),
}
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "EQ": lambda value, wanted: value.lower() == wanted.lower(),
    "NEQ": lambda value, wanted: value.lower() != wanted.lower(),
    "HAS_PROPERTY": lambda value, _: value != "",
    "NOT_HAS_PROPERTY": lambda value, _: value == "",
}


@dataclass(slots=True)
class Record:
    """One object; merged-away and archived ones are kept, for their ids are never used again."""

    id: str
    properties: dict[str, str]
    created: str
    updated: str
    archived: bool = False


@dataclass(slots=True)
class _Kind:
    properties: Properties
    records: dict[str, Record] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    index: list[dict[str, Any]] = field(default_factory=list)
    """What search shows; with `stale_search` only as of the last `reindex`."""


class Portal:
    """One account. `clock` says what time it is there."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self.stale_search = False
        self._clock = clock
        self._last_id = 100
        self._kinds = {kind: _Kind(Properties(kind)) for kind in _SHOWN}
        self.associations: set[tuple[str, str]] = set()
        """Pairs of a meeting's and a contact's id."""

    def kind(self, name: str) -> Properties:
        """The properties of one kind of object."""
        return self._kind(name).properties

    def records(self, kind: str) -> list[Record]:
        """Everything a user sees of this kind."""
        return [record for record in self._kind(kind).records.values() if not record.archived]

    def keep(self) -> dict[str, Any]:
        """Everything there is, as JSON values."""
        kinds = {
            name: {
                "properties": kind.properties.every(),
                "records": [asdict(record) for record in kind.records.values()],
                "merged": kind.merged,
                "index": kind.index,
            }
            for name, kind in self._kinds.items()
        }
        return {
            "stale_search": self.stale_search,
            "last_id": self._last_id,
            "kinds": kinds,
            "associations": sorted(self.associations),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Hold what was kept, and nothing else."""
        self.stale_search, self._last_id = bool(kept["stale_search"]), int(kept["last_id"])
        self.associations = {(meeting, contact) for meeting, contact in kept["associations"]}
        for name, kind in self._kinds.items():
            was = kept["kinds"][name]
            kind.properties.restore(was["properties"])
            kind.records = {one["id"]: Record(**one) for one in was["records"]}
            kind.merged, kind.index = dict(was["merged"]), list(was["index"])

    def create(self, kind: str, values: Mapping[str, Any], associated: Iterable[str] = ()) -> Record:
        checked = self._kind(kind).properties.checked(values)
        self._claim(kind, checked, own=None)
        if kind == "contacts" and not any(checked.get(name) for name in _SHOWN["contacts"]):
            raise RefusedError(
                400, "VALIDATION_ERROR", "At least one of email, firstname, lastname is needed"
            )
        contacts = [self.find("contacts", contact).id for contact in associated]
        now = self._now()
        record = Record(self._new_id(), checked, now, now)
        if kind == "meetings":
            record.properties.setdefault("hs_timestamp", checked.get("hs_meeting_start_time", now))
        self._kind(kind).records[record.id] = record
        self.associations.update((record.id, contact) for contact in contacts)
        return record

    def find(self, kind: str, value: str, id_property: str | None = None) -> Record:
        """By id, by mail address (contacts), or by a property with unique values."""
        found = self._by_id(kind, value) if id_property in (None, "hs_object_id") else None
        if id_property == "email" and kind == "contacts":
            found = self._by_mail(value)
        elif id_property in self._kind(kind).properties.unique():
            found = self._by_value(kind, str(id_property), value)
        elif id_property not in (None, "hs_object_id"):
            raise RefusedError(400, "VALIDATION_ERROR", f"{id_property} is no property with unique values")
        if found is None:
            raise RefusedError(404, "OBJECT_NOT_FOUND", "resource not found")
        return found

    def update(self, kind: str, record: Record, values: Mapping[str, Any]) -> Record:
        checked = self._kind(kind).properties.checked(values)
        self._claim(kind, checked, own=record)
        record.properties.update(checked)
        record.updated = self._now()
        return record

    def archive(self, kind: str, value: str) -> None:
        """Archived again is no failure, as with HubSpot."""
        record = self._by_id(kind, value)
        if record is not None:
            record.archived = True

    def upsert(self, kind: str, entry: Mapping[str, Any]) -> tuple[Record, bool]:
        """By a custom property the given values change; by mail the contact is replaced, as documented."""
        values, id_property = dict(entry.get("properties") or {}), entry.get("idProperty")
        value = str(entry.get("id", ""))
        if not id_property or not value:
            raise RefusedError(400, "VALIDATION_ERROR", "id and idProperty are needed")
        try:
            record = self.find(kind, value, id_property)
        except RefusedError as refusal:
            if refusal.status != 404:
                raise
            return self.create(kind, {id_property: value, **values}), True
        if id_property == "email":
            values = dict.fromkeys(record.properties, "") | {"email": value, **values}
        return self.update(kind, record, values), False

    def merge(self, primary: str, secondary: str) -> Record:
        """A new id; the addresses of both stay, values of the primary win."""
        kept, gone = self.find("contacts", primary), self.find("contacts", secondary)
        if kept is gone:
            raise RefusedError(400, "VALIDATION_ERROR", "a contact cannot be merged with itself")
        mails = dict.fromkeys((*_mails(kept), *_mails(gone)))
        merged = {name: value for name, value in gone.properties.items() if value} | {
            name: value for name, value in kept.properties.items() if value
        }
        merged["email"], *others = mails
        record = Record(self._new_id(), merged, kept.created, self._now())
        record.properties["hs_additional_emails"] = ";".join(others)
        contacts = self._kind("contacts")
        for old in (kept, gone):
            del contacts.records[old.id]
            contacts.merged[old.id] = record.id
        contacts.records[record.id] = record
        pairs = {(m, record.id if c in (kept.id, gone.id) else c) for m, c in self.associations}
        self.associations = pairs
        return record

    def associate(self, meeting: str, contact: str) -> None:
        self.associations.add((self.find("meetings", meeting).id, self.find("contacts", contact).id))

    def search(self, kind: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the index shows of the records that fit one of the groups of filters."""
        if not self.stale_search:
            self.reindex()
        groups = body.get("filterGroups") or [{"filters": []}]
        return [
            shown
            for shown in self._kind(kind).index
            if any(all(_fits(shown, one) for one in group.get("filters", ())) for group in groups)
        ]

    def reindex(self) -> None:
        """Time passes until search has caught up."""
        for name, kind in self._kinds.items():
            wanted = [known["name"] for known in kind.properties.every()]
            kind.index = [self.shown(record, name, wanted) for record in self.records(name)]

    def shown(self, record: Record, kind: str, wanted: Sequence[str] = ()) -> dict[str, Any]:
        """The object as answers show it; unknown properties that are asked for are left out."""
        known = {definition["name"] for definition in self._kind(kind).properties.every()}
        names = [name for name in (wanted or _SHOWN[kind]) if name in known]
        return {
            "id": record.id,
            "properties": {
                **{name: record.properties.get(name) or None for name in names},
                "hs_object_id": record.id,
                "createdate": record.created,
                "lastmodifieddate": record.updated,
            },
            "createdAt": record.created,
            "updatedAt": record.updated,
            "archived": record.archived,
        }

    def _kind(self, name: str) -> _Kind:
        if name not in self._kinds:
            raise RefusedError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {name}")
        return self._kinds[name]

    def _by_id(self, kind: str, value: str) -> Record | None:
        kinds = self._kind(kind)
        while value in kinds.merged:
            value = kinds.merged[value]
        record = kinds.records.get(value)
        return record if record and not record.archived else None

    def _by_mail(self, mail: str) -> Record | None:
        wanted = mail.strip().lower()
        return next((record for record in self.records("contacts") if wanted in _mails(record)), None)

    def _by_value(self, kind: str, name: str, value: str) -> Record | None:
        return next((r for r in self.records(kind) if value and r.properties.get(name) == value), None)

    def _claim(self, kind: str, values: Mapping[str, str], own: Record | None) -> None:
        """RefusedError if a value that is unique belongs to another record."""
        if kind == "contacts" and values.get("email"):
            other = self._by_mail(values["email"])
            if other is not None and other is not own:
                raise RefusedError(409, "CONFLICT", f"Contact already exists. Existing ID: {other.id}")
        for name in self._kind(kind).properties.unique():
            other = self._by_value(kind, name, values.get(name, ""))
            if other is not None and other is not own:
                raise RefusedError(400, "VALIDATION_ERROR", f"{other.id} already has that value.")

    def _new_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mails(record: Record) -> tuple[str, ...]:
    additional = record.properties.get("hs_additional_emails", "").split(";")
    return tuple(filter(None, (record.properties.get("email", ""), *additional)))


def _fits(shown: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    operator = _OPERATORS.get(str(one.get("operator")))
    if operator is None:
        raise RefusedError(400, "VALIDATION_ERROR", f"unknown operator {one.get('operator')}")
    return operator(shown["properties"].get(one.get("propertyName")) or "", str(one.get("value", "")))
