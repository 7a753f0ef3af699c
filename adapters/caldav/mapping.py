"""Between what is wanted and what a server stores: reading, comparing, and keeping what others added."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from icalendar import Calendar, Event

from adapters.caldav.answers import Stored
from adapters.errors import PermanentError
from adapters.ical import (
    BOOKING,
    FINGERPRINT,
    INSTALLATION,
    OWNED,
    PART,
    POSITION,
    EntryContent,
    EntryName,
    WantedEntry,
    is_foreign,
    mark_of,
    new_calendar,
    next_sequence,
    read_content,
    sequence_of,
    text_of,
)


@dataclass(frozen=True)
class FoundEntry:
    """A stored entry, read; one nobody can read has no `event` and is replaced as a whole."""

    name: str
    etag: str
    calendar: Calendar | None
    event: Event | None

    @classmethod
    def read(cls, stored: Stored, uid: str | None = None) -> "FoundEntry":
        """PermanentError if it is somebody else's, by its UID."""
        calendar = _calendar(stored.data)
        events = [] if calendar is None else calendar.walk("VEVENT")
        event = next((event for event in events if "RECURRENCE-ID" not in event), None)
        found = event if isinstance(event, Event) else None
        entry = cls(stored.name, stored.etag, calendar, found)
        if uid is not None and found is not None and not entry.has_uid(uid):
            raise PermanentError(f"somebody else's entry stands at the address of {uid}")
        return entry

    @cached_property
    def content(self) -> EntryContent | None:
        return None if self.event is None else read_content(self.event)

    @property
    def stamp(self) -> str | None:
        """The `<epoch>:<position>` it was written for."""
        return self._mark(POSITION) or None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of what was written."""
        return self._mark(FINGERPRINT) or None

    @property
    def sequence(self) -> int | None:
        return None if self.event is None else sequence_of(self.event)

    @property
    def foreign(self) -> bool:
        """Whether somebody added to it, so that it has to be read before it is written."""
        return self.event is not None and is_foreign(self.event)

    @property
    def edited_at(self) -> datetime | None:
        """When a person changed it last; None if it shows what was written, or does not tell."""
        if self.event is None or self.content is None or self.content.fingerprint == self.fingerprint:
            return None
        try:
            changed_at = self.event.LAST_MODIFIED
        except ValueError:
            return None
        return changed_at if isinstance(changed_at, datetime) else None

    def has_uid(self, uid: str) -> bool:
        return self.event is not None and text_of(self.event, "UID") == uid

    def origin(self, installation: str, place: str) -> EntryName | None:
        """Which entry of this installation it is; None if it is none, a copy made by hand included."""
        name = EntryName(installation, place, self._mark(BOOKING), self._mark(PART))
        return name if self._mark(INSTALLATION) == installation and self.has_uid(name.uid) else None

    def shows(self, wanted: WantedEntry) -> bool:
        """Whether this is what was wanted; some servers drop the stamp, which they do not know."""
        shown, content = self.content, wanted.content
        return (
            shown is not None
            and (shown.start, shown.end, shown.status) == (content.start, content.end, content.status)
            and shown.title == content.title
            and self.stamp in (None, wanted.stamp)
        )

    def equals(self, wanted: WantedEntry) -> bool:
        """Whether everything it shows is as wanted, so that nothing needs writing."""
        return self.content == wanted.content

    def _mark(self, name: str) -> str:
        return "" if self.event is None else mark_of(self.event, name)


def document(
    wanted: WantedEntry, *, position: int, now: datetime, last: int | None, over: FoundEntry | None = None
) -> bytes:
    """The whole object to send; `over` is the one it replaces, whose foreign properties stay."""
    event = wanted.event(sequence=next_sequence(position, last), now=now)
    calendar = new_calendar()
    if over is not None and over.calendar is not None and over.event is not None:
        _keep(over.event, event)
        zones = over.calendar.walk("VTIMEZONE")
        calendar.subcomponents.extend(zones)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _keep(found: Event, event: Event) -> None:
    for name, value in found.items():
        if name.upper() not in OWNED:
            event[name] = value
    event.subcomponents.extend(found.subcomponents)


def _calendar(data: bytes) -> Calendar | None:
    try:
        found = Calendar.from_ical(data)
    except ValueError:
        return None
    return found if isinstance(found, Calendar) else None
