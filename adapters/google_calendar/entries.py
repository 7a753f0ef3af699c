"""Calendar entries as they are named, written and read back: pure, without a word about bookings."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

PROPERTY_LIMIT = 1024

OWNED = frozenset(("status", "summary", "description", "location", "start", "end", "transparency", "colorId"))
"""Members of an entry that the hub decides; everything else on it is somebody else's and is kept."""

_ASSIGNED = frozenset(
    (
        *("kind", "etag", "id", "htmlLink", "created", "updated", "creator", "organizer", "iCalUID"),
        *("sequence", "eventType", "extendedProperties", "reminders"),
    )
)


@dataclass(frozen=True, slots=True)
class EntryKey:
    """Names one entry: of this installation, in this calendar, for this part of this booking."""

    installation: str
    calendar: str
    source: str
    booking_id: str
    part: str

    def entry_id(self, generation: int) -> str:
        """The derived id, within Google's alphabet `0-9a-v`; see docs/adr/0006-calendar-entries.md."""
        members = [
            *(self.installation, self.calendar, self.source, self.booking_id, self.part),
            generation,
        ]
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        return base64.b32hexencode(digest[:25]).decode("ascii").lower()

    @property
    def hub(self) -> str:
        """The one property by which the entries of a booking are found."""
        return f"{self.source}:{self.booking_id}"[:PROPERTY_LIMIT]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The desired entry: `body` holds the owned members, `stamp` the position it stands for."""

    key: EntryKey
    body: Mapping[str, Any]
    stamp: str

    @property
    def fingerprint(self) -> str:
        """Equal for equal contents, whatever their position and generation."""
        text = json.dumps(self.body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def properties(self, generation: int) -> dict[str, str]:
        """All private properties, always together: some servers replace the whole map."""
        properties = {
            "hub": self.key.hub,
            "hub_position": self.stamp,
            "hub_installation": self.key.installation[:PROPERTY_LIMIT],
            "hub_part": self.key.part[:PROPERTY_LIMIT],
            "hub_generation": str(generation),
            "hub_fingerprint": self.fingerprint,
        }
        return {name: value for name, value in properties.items() if value}

    def resource(self, generation: int, over: "Entry | None" = None) -> dict[str, Any]:
        """The whole resource to send; `over` is the entry it replaces, whose foreign members stay."""
        found: Mapping[str, Any] = over.raw if over else {}
        extended = found.get("extendedProperties") or {}
        kept = {name: value for name, value in found.items() if name not in OWNED}
        private = {**(extended.get("private") or {}), **self.properties(generation)}
        return {
            **kept,
            **self.body,
            "id": self.key.entry_id(generation),
            "extendedProperties": {**extended, "private": private},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the calendar shows it; a tombstone has no other member than its id for sure."""

    id: str
    etag: str | None
    status: str
    start: datetime | None
    end: datetime | None
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, answer: object) -> "Entry | None":
        """None if the answer is no whole entry: a cut answer arrives as text."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get("id"), str):
            return None
        return cls(
            id=answer["id"],
            etag=answer.get("etag"),
            status=str(answer.get("status", "confirmed")),
            start=_moment(answer.get("start")),
            end=_moment(answer.get("end")),
            raw=answer,
        )

    @property
    def deleted(self) -> bool:
        return self.status == "cancelled"

    @property
    def stamp(self) -> str | None:
        """The `<epoch>:<position>` it was written for."""
        return self._property("hub_position")

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of what was written."""
        return self._property("hub_fingerprint")

    def origin(self, installation: str, calendar: str) -> "tuple[EntryKey, int] | None":
        """For which part, in which generation, this installation made it; None if it did not.

        The id proves it: a copy that a person made of an entry carries its properties, never its id.
        """
        source, colon, booking_id = (self._property("hub") or "").partition(":")
        generation = self._property("hub_generation") or ""
        if not colon or not re.fullmatch(r"\d{1,9}", generation):
            return None
        key = EntryKey(installation, calendar, source, booking_id, self._property("hub_part") or "")
        return (key, int(generation)) if key.entry_id(int(generation)) == self.id else None

    def _property(self, name: str) -> str | None:
        extended = self.raw.get("extendedProperties")
        private = extended.get("private") if isinstance(extended, Mapping) else None
        return private.get(name) if isinstance(private, Mapping) else None

    @property
    def foreign(self) -> bool:
        """Whether somebody added what the hub does not write, such as attendees or reminders."""
        reminders = self.raw.get("reminders", {"useDefault": True})
        extended = self.raw.get("extendedProperties") or {}
        private = extended.get("private") or {}
        return (
            bool(self.raw.keys() - OWNED - _ASSIGNED)
            or reminders != {"useDefault": True}
            or bool(extended.keys() - {"private"})
            or any(name.partition("_")[0] != "hub" for name in private)
        )

    def shows(self, wanted: Wanted, generation: int) -> bool:
        """Whether this is what was wanted, by the members that no server rewrites."""
        return self._is_at(wanted, generation) and self.stamp == wanted.stamp

    def equals(self, wanted: Wanted, generation: int) -> bool:
        """Whether all owned members are as wanted, so that nothing needs writing."""
        return self.id == wanted.key.entry_id(generation) and comparable(self.raw) == comparable(wanted.body)

    def _is_at(self, wanted: Wanted, generation: int) -> bool:
        body = wanted.body
        return (
            self.id == wanted.key.entry_id(generation)
            and self.status == body["status"]
            and self.start == _moment(body["start"])
            and self.end == _moment(body["end"])
            and str(self.raw.get("summary", "")).split() == body["summary"].split()
        )


def comparable(members: Mapping[str, Any]) -> dict[str, str]:
    """The owned members in one notation, whatever Google's is; what is empty or the default is left out."""
    fields = {
        "status": str(members.get("status", "confirmed")),
        "summary": _flat(str(members.get("summary") or "")),
        "start": _shown_moment(members.get("start")),
        "end": _shown_moment(members.get("end")),
        "location": _flat(str(members.get("location") or "")),
        "description": _plain_lines(str(members.get("description") or "")),
        "transparency": str(members.get("transparency", "opaque")),
        "colorId": str(members.get("colorId") or ""),
    }
    return {name: text for name, text in fields.items() if text}


def _moment(when: object) -> datetime | None:
    """The instant of a start or end, in whole seconds; None for a whole day or anything else."""
    text = when.get("dateTime") if isinstance(when, Mapping) else None
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=0) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is not None:
        return moment
    zone = _zone(when.get("timeZone")) if isinstance(when, Mapping) else None
    return moment.replace(tzinfo=zone) if zone else None


def _shown_moment(when: object) -> str:
    """The instant in UTC, or the date of a whole day."""
    moment = _moment(when)
    if moment is not None:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(when.get("date") or "") if isinstance(when, Mapping) else ""


def _plain_lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def _zone(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return None


def _flat(text: str) -> str:
    """The text in one line, blanks as single spaces."""
    return " ".join(text.split())
