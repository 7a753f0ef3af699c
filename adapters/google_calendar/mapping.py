"""Between a booking and a calendar entry: pure, both ways."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.templates import Piece, Template, booking_fields, clean, cut
from events.state import Booking

TITLE_LIMIT = 1024
LOCATION_LIMIT = 1024
DESCRIPTION_LIMIT = 8192
PROPERTY_LIMIT = 1024
UNNAMED = "Booking"

GRAPHITE, TANGERINE, TOMATO = "8", "6", "11"
"""Colours of Google's fixed palette: cancelled, some missed it, all missed it."""

OWNED = frozenset(("status", "summary", "description", "location", "start", "end", "transparency", "colorId"))
"""Members of an entry that the hub decides; everything else on it is somebody else's and is kept."""

_ASSIGNED = frozenset(
    (
        *("kind", "etag", "id", "htmlLink", "created", "updated", "creator", "organizer", "iCalUID"),
        *("sequence", "eventType", "extendedProperties", "reminders"),
    )
)
_CUT_ENTITY = re.compile(r"&[a-z0-9#]{0,6}(?=…?$)")


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
        defaults = {"description": "", "location": "", "colorId": None, "transparency": "opaque"}
        return self._is_at(wanted, generation) and all(
            self.raw.get(name, default) == wanted.body.get(name, default)
            for name, default in defaults.items()
        )

    def _is_at(self, wanted: Wanted, generation: int) -> bool:
        body = wanted.body
        return (
            self.id == wanted.key.entry_id(generation)
            and self.status == body["status"]
            and self.start == _moment(body["start"])
            and self.end == _moment(body["end"])
            and str(self.raw.get("summary", "")).split() == body["summary"].split()
        )


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


def _zone(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return None


def entry_body(booking: Booking, config: GoogleCalendarConfig, timezone: str) -> dict[str, Any]:
    """The owned members of the entry that shows this booking, cancelled or not."""
    fields = booking_fields(booking, timezone)
    texts = config.event
    prefix, colour, line = _mark(booking, config)
    title = texts.title.render(fields, limit=TITLE_LIMIT, single_line=True).strip(" :,-") or UNNAMED
    description = "\n".join(filter(None, (line, _lines(texts.description, fields))))
    location = texts.location.render(fields, limit=LOCATION_LIMIT, single_line=True)
    free = texts.show_as == "free" or booking.status == "cancelled"
    body: dict[str, Any] = {
        "status": "confirmed",
        "summary": cut(_flat(f"{prefix}{title}"), TITLE_LIMIT),
        "start": _when(booking.start, timezone),
        "end": _when(booking.end, timezone),
        "transparency": "transparent" if free else "opaque",
    }
    optional = {
        "description": _cut_escaped(description),
        "location": cut(_flat(location), LOCATION_LIMIT),
        "colorId": colour,
    }
    return body | {name: value for name, value in optional.items() if value}


def _mark(booking: Booking, config: GoogleCalendarConfig) -> tuple[str, str | None, str]:
    """What the title begins with, the colour, and the first line of the description."""
    if booking.status == "cancelled":
        return "Cancelled: ", GRAPHITE, ""
    if booking.no_show == "none" or config.on_no_show == "keep":
        return "", None, ""
    present = booking.present
    missing = [attendee for attendee in present if attendee.no_show]
    names = ", ".join(html.escape(clean(a.name, single_line=True), quote=False) for a in missing if a.name)
    line = f"Did not show up: {names}" if names else ""
    if len(missing) == len(present):
        return "No-show: ", TOMATO, line
    return f"No-show {len(missing)} of {len(present)}: ", TANGERINE, line


def _lines(template: Template, fields: Mapping[str, object]) -> str:
    """The text, escaped for Google's limited HTML, without the lines whose fields are all empty."""
    lines = [line for line in _split(template.pieces) if not _only_empty_fields(line, fields)]
    texts = (Template("", line).render(fields, escape=_escape, limit=DESCRIPTION_LIMIT) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(texts)).strip()


def _only_empty_fields(line: tuple[Piece, ...], fields: Mapping[str, object]) -> bool:
    values = tuple(piece for piece in line if not isinstance(piece, str))
    return bool(values) and not Template("", values).render(fields).strip()


def _split(pieces: Iterable[Piece]) -> Iterable[tuple[Piece, ...]]:
    line: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, str):
            line.append(piece)
            continue
        first, *rest = piece.split("\n")
        line.append(first)
        for following in rest:
            yield tuple(line)
            line = [following]
    yield tuple(line)


def _escape(value: str) -> str:
    return html.escape(value, quote=False)


def _cut_escaped(text: str) -> str:
    """Cut to the limit, never inside an entity such as `&amp;`."""
    if len(text) <= DESCRIPTION_LIMIT:
        return text
    return _CUT_ENTITY.sub("", cut(text, DESCRIPTION_LIMIT))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _when(moment: datetime, timezone: str) -> dict[str, str]:
    local = moment.astimezone(ZoneInfo(timezone))
    return {"dateTime": local.isoformat(timespec="seconds"), "timeZone": timezone}
