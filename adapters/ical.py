"""Bookings as iCalendar components, both ways: what CalDAV objects and feeds have in common. Pure.

Times are in UTC: every client reads them and shows them in the reader's own zone, and no definition of
a zone goes along that could be wrong or out of date. An entry is one appointment, never a series.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, unquote

from icalendar import Calendar, Component, Event

from adapters.entry_texts import DESCRIPTION_LIMIT, EntryTexts, Mark, OnNoShow, entry_words
from adapters.templates import cut, without_markup
from events.state import Booking

PRODUCT = "-//bookinghub//bookinghub//EN"
MOST_SEQUENCE = 2**31 - 1

POSITION, INSTALLATION, BOOKING = "X-BOOKINGHUB-POSITION", "X-BOOKINGHUB-INSTALLATION", "X-BOOKINGHUB-BOOKING"
PART, FINGERPRINT = "X-BOOKINGHUB-PART", "X-BOOKINGHUB-FINGERPRINT"

COLOURS: Mapping[Mark, str] = {
    "none": "",
    "cancelled": "dimgray",
    "some_absent": "orange",
    "all_absent": "tomato",
}

_BOOKKEEPING = frozenset(("UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"))
_CONTENT = frozenset(
    (
        *("SUMMARY", "DESCRIPTION", "LOCATION", "DTSTART", "DTEND", "DURATION", "STATUS", "TRANSP", "COLOR"),
        *("RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
        # Other notations of the same, which would contradict what is written and keep what is forgotten.
        *("X-ALT-DESC", "GEO", "X-APPLE-STRUCTURED-LOCATION"),
    )
)
_MARKS = frozenset((POSITION, INSTALLATION, BOOKING, PART, FINGERPRINT))
OWNED = _CONTENT | _MARKS | (_BOOKKEEPING - {"CREATED"})
"""Properties of an entry that the hub decides; everything else on it is somebody else's and is kept."""


@dataclass(frozen=True, slots=True)
class EntryName:
    """Names one entry: of this installation, at this place, for this part of this booking."""

    installation: str
    place: str
    booking_id: str
    part: str

    @property
    def uid(self) -> str:
        """The derived UID; those of one installation have a part in common, by which they are found."""
        members = [self.installation, self.place, self.booking_id, self.part]
        return f"{uid_prefix(self.installation)}{_digest(members)[:40]}"


def uid_prefix(installation: str) -> str:
    """How every UID of an installation begins."""
    return f"bookinghub-{_digest(installation)[:12]}-"


@dataclass(frozen=True, slots=True)
class EntryContent:
    """What an entry shows, whoever wrote it; a time without a zone or of a whole day is none of ours."""

    title: str
    description: str
    location: str
    start: str
    end: str
    status: str = "confirmed"
    show_as: str = "busy"
    colour: str = ""
    recurrence: str = ""

    def fields(self) -> dict[str, Any]:
        """The members by name, as they are compared and shown."""
        return {name: getattr(self, name) for name in type(self).__dataclass_fields__}

    @property
    def fingerprint(self) -> str:
        """Equal for equal contents."""
        return _digest(self.fields())[:32]


@dataclass(frozen=True, slots=True)
class WantedEntry:
    """The desired entry; `stamp` is the position it stands for."""

    name: EntryName
    content: EntryContent
    stamp: str

    def event(self, *, sequence: int, now: datetime, marked: bool = True) -> Event:
        """The component, complete but for what others may have put on it; `marked` says where it is from."""
        content, event = self.content, Event()
        event.add("uid", self.name.uid)
        event.add("dtstamp", now)
        event.add("last-modified", now)
        event.add("sequence", sequence)
        event.add("summary", content.title)
        event.add("dtstart", datetime.fromisoformat(content.start))
        event.add("dtend", datetime.fromisoformat(content.end))
        event.add("status", content.status.upper())
        event.add("transp", "TRANSPARENT" if content.show_as == "free" else "OPAQUE")
        optional = {
            "description": content.description,
            "location": content.location,
            "color": content.colour,
            **(self._marks() if marked else {}),
        }
        for name, value in optional.items():
            if value:
                event.add(name, value)
        return event

    def _marks(self) -> dict[str, str]:
        """Where it is from, in characters that no server reads as anything else."""
        marks = {
            POSITION: self.stamp,
            INSTALLATION: self.name.installation,
            BOOKING: self.name.booking_id,
            PART: self.name.part,
            FINGERPRINT: self.content.fingerprint,
        }
        return {name: quote(value, safe=":@") for name, value in marks.items()}


def entry_content(
    booking: Booking, texts: EntryTexts, *, on_no_show: OnNoShow, timezone: str
) -> EntryContent:
    """What the entry of this booking shows, cancelled or not.

    A description is plain text, but some clients show it as HTML: what guests wrote must not be any.
    """
    words = entry_words(booking, texts, on_no_show=on_no_show, timezone=timezone, escape=without_markup)
    return EntryContent(
        title=words.title,
        description=cut(words.description, DESCRIPTION_LIMIT),
        location=words.location,
        start=_instant(booking.start),
        end=_instant(booking.end),
        status="cancelled" if words.mark == "cancelled" else "confirmed",
        show_as="free" if words.free else "busy",
        colour=COLOURS[words.mark],
    )


def read_content(event: Event) -> EntryContent:
    """What a component shows; unreadable times are empty."""
    free = text_of(event, "TRANSP").upper() == "TRANSPARENT"
    return EntryContent(
        title=" ".join(text_of(event, "SUMMARY").split()),
        description=text_of(event, "DESCRIPTION").replace("\r\n", "\n").strip(),
        location=" ".join(text_of(event, "LOCATION").split()),
        start=_time_of(event, "DTSTART"),
        end=_time_of(event, "end"),
        status=(text_of(event, "STATUS") or "CONFIRMED").lower(),
        show_as="free" if free else "busy",
        colour=text_of(event, "COLOR").lower(),
        recurrence="; ".join(
            f"{name}:{_encoded(event[name])}" for name in ("RRULE", "RDATE", "EXDATE") if name in event
        ),
    )


def text_of(component: Component, name: str) -> str:
    """A property as text; of several the first, empty if there is none."""
    value = component.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value)


def mark_of(event: Event, name: str) -> str:
    """One of our marks on it, empty if it is not there."""
    return unquote(text_of(event, name))


def sequence_of(event: Event) -> int | None:
    """The revision number; None if there is none to be read."""
    text = text_of(event, "SEQUENCE")
    return int(text) if text.isascii() and text.isdigit() else None


def is_foreign(event: Event) -> bool:
    """Whether somebody added what the hub does not write, such as alarms, attendees or categories."""
    return bool(event.subcomponents) or any(name.upper() not in OWNED | _BOOKKEEPING for name in event)


def next_sequence(position: int, last: int | None) -> int:
    """The revision number of a new content: the position, and after what was there in any case.

    Positions begin again after the log was recovered; clients that know a higher number would take the
    new content for an old one.
    """
    return min(position if last is None else max(position, last + 1), MOST_SEQUENCE)


def new_calendar() -> Calendar:
    """An empty calendar object of ours."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    return calendar


def _instant(moment: datetime) -> str:
    """RFC 3339 in UTC and whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _time_of(event: Event, which: str) -> str:
    try:
        moment = getattr(event, which)
    except (ValueError, TypeError, OverflowError):
        return ""
    if isinstance(moment, datetime):
        return _instant(moment) if moment.tzinfo else moment.isoformat()
    return moment.isoformat() if isinstance(moment, date) else ""


def _encoded(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ",".join(item.to_ical().decode() for item in values)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
