"""What the hub does, one readable line per happening: what a person at the terminal sees instead of JSON.

A fact waits a moment for what the sinks make of it, so that both stand in one line. Bookings are told by
the name of their meeting type and the beginning of their id; neither people nor what they wrote are named.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO, TypeVar
from zoneinfo import ZoneInfo

import structlog

from events import (
    AttendeeNoShow,
    AttendeeNoShowReverted,
    BookingCreated,
    BookingDetailsChanged,
    BookingRescheduled,
    Envelope,
)
from events.state import Booking

Record = MutableMapping[str, Any]
_HeldT = TypeVar("_HeldT", "_Happening", "_Catching")

ENVELOPES = "_envelopes"
"""The member of a record that holds facts as they are; it goes into no other log."""

WAIT_SECONDS = 1.2
_SHORT = 8
_QUIET = ("request", "configuration_applied")
_HIDDEN = frozenset(("ts", "level", "event", "logger", "exception", ENVELOPES))
_WORDS: Mapping[str, str] = {
    "BookingCreated": "booked",
    "BookingRescheduled": "moved",
    "BookingCancelled": "cancelled",
    "BookingReinstated": "not cancelled after all",
    "BookingContinues": "goes on as a new booking",
    "BookingDetailsChanged": "details changed",
    "BookingRefunded": "refunded",
    "AttendeeAdded": "a guest joined",
    "AttendeeRemoved": "a guest left",
    "AttendeeDetailsChanged": "a guest's details changed",
    "AttendeeNoShow": "no-show, counted up",
    "AttendeeNoShowReverted": "no-show undone, counted down",
    "ContactErased": "a contact was erased",
}
_ORIGINS = {
    "webhook": "",
    "poll": "found by poll, no webhook had told of it: ",
    "command": "by command: ",
    "backfill": "from the history: ",
}


@dataclass(frozen=True, slots=True)
class _Done:
    """What a sink did for one object; `changes` were settled by it together."""

    outcome: str
    seconds: float
    changes: int


@dataclass(slots=True)
class _Happening:
    """Facts of one booking, and what the sinks have made of them so far."""

    text: str
    done: dict[str, list[_Done]] = field(default_factory=dict)

    def told(self) -> str:
        done = ", ".join(f"{sink} {_told(each)}" for sink, each in self.done.items())
        return f"{self.text}   {done}".rstrip()


@dataclass(slots=True)
class _Catching:
    """Deliveries of one sink that belong to no fact just told; `about` is the booking of the first."""

    sink: str
    about: str
    done: list[_Done] = field(default_factory=list)

    def told(self) -> str:
        about = f"{self.about}  " if len(self.done) == 1 else ""
        return f"{about}{self.sink} {_told(self.done)}"


class Activity:
    """The last step of a chain of log processors; writes some lines by itself, a moment later."""

    def __init__(self, out: TextIO, *, timezone: str = "UTC") -> None:
        self._out = out
        self._zone = ZoneInfo(timezone)
        self._happenings: dict[str, _Happening] = {}
        self._catching: dict[str, _Catching] = {}
        self._failing: set[str] = set()

    def __call__(self, logger: object, method: str, record: Record) -> str:
        """The line of this record; DropEvent if it has none, or has it later."""
        message = str(record.get("event"))
        told = _LINES.get(message)
        if message in _QUIET or (told is None and record.get("level") == "debug"):
            raise structlog.DropEvent
        text = told(self, record) if told else None
        if text is None and told is not None:
            raise structlog.DropEvent
        return self._line(text) if text is not None else self._line(plain(record))

    def foreign(self, logger: object, method: str, record: Record) -> str:
        """A record of a library: never held back."""
        return self._line(plain(record))

    def facts(self, record: Record) -> str | None:
        """What became known of a booking; those of its history are told at the end of a backfill."""
        envelopes: Sequence[Envelope] = record.get(ENVELOPES, ())
        booking = envelopes[-1].booking if envelopes else None
        if booking is None or envelopes[-1].provenance == "backfill":
            return None
        news = _news(envelopes)
        if not news:
            return None
        told = "; ".join(self._fact(envelope) for envelope in news)
        origin = _ORIGINS[envelopes[-1].provenance]
        text = f"{_name(booking)}  {origin}{told}"
        return self._later(self._happenings, booking.booking_id, _Happening(text))

    def repeated(self, record: Record) -> str:
        return f"{_short(record.get('booking_id'))}  nothing to do: the webhook says what is known already"

    def delivered(self, record: Record) -> str | None:
        """Beside the fact it follows from, or together with others of its sink."""
        sink, booking_id = str(record.get("sink")), str(record.get("booking_id"))
        seconds, changes = float(record.get("duration_seconds") or 0), int(record.get("covered") or 0) + 1
        done = _Done(str(record.get("outcome")), seconds, changes)
        if sink in self._failing:
            self._failing.discard(sink)
            return f"{_short(booking_id)}  {sink} serves again: {_told([done])}"
        if booking_id in self._happenings:
            self._happenings[booking_id].done.setdefault(sink, []).append(done)
            return None
        if sink in self._catching:
            self._catching[sink].done.append(done)
            return None
        catching = _Catching(sink, _short(booking_id), [done])
        return self._later(self._catching, sink, catching)

    def failed(self, record: Record) -> str:
        sink = str(record.get("sink"))
        self._failing.add(sink)
        what = {"retry": "tried again later", "wait": "waits as told"}.get(
            str(record.get("outcome")), str(record.get("outcome"))
        )
        return f"{_short(record.get('booking_id'))}  {sink} failed: {record.get('error')}; {what}"

    def serves_again(self, record: Record) -> str | None:
        """Mostly a delivery has said so already."""
        sink = str(record.get("sink"))
        if sink not in self._failing:
            return None
        self._failing.discard(sink)
        return f"{sink} serves again"

    def backfilled(self, record: Record) -> str:
        counts = f"{record.get('bookings', 0)} bookings, {record.get('facts', 0)} facts"
        return f"history of {record.get('source')} read: {counts}"

    def polled(self, record: Record) -> str | None:
        """Only a poll that did not work out; what one found is told fact by fact."""
        if record.get("outcome") in ("ok", "done", None):
            return None
        return plain(record)

    def commanded(self, record: Record) -> str | None:
        """Only a command that was not carried out; what one did is told fact by fact."""
        return None if record.get("outcome") == "done" else plain(record)

    def opened(self, record: Record) -> str:
        return f"{record.get('sink')} is ready"

    def _fact(self, envelope: Envelope) -> str:
        event, words = envelope.event, _WORDS.get(envelope.type, envelope.type)
        if isinstance(event, BookingRescheduled):
            before = self._time(event.previous_start) if event.previous_start else "?"
            return f"{words} {before} → {self._time(event.booking.start)}"
        if isinstance(event, BookingCreated):
            return f"{words} for {self._time(event.booking.start)}"
        if isinstance(event, (AttendeeNoShow, AttendeeNoShowReverted)):
            return f"{words} to {sum(len(one.marks) for one in event.booking.attendees)}"
        return words

    def _later(self, held: dict[str, _HeldT], key: str, what: _HeldT) -> str | None:
        """Hold this for a moment; the text at once where no loop turns that could tell it later."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return what.told()
        before = held.get(key)
        if before is not None:
            self._write(before.told())
        held[key] = what
        loop.call_later(WAIT_SECONDS, self._due, held, key, what)
        return None

    def _due(self, held: dict[str, _HeldT], key: str, what: _HeldT) -> None:
        if held.get(key) is what:
            del held[key]
            self._write(what.told())

    def _write(self, text: str) -> None:
        self._out.write(self._line(text) + "\n")
        self._out.flush()

    def _line(self, text: str) -> str:
        return f"{datetime.now(UTC).astimezone(self._zone):%H:%M:%S}  {text}"

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%a %d %b %H:%M}"


def plain(record: Mapping[str, Any]) -> str:
    """A record nobody has words for: its message and its fields, what is bad marked as such."""
    level, message = str(record.get("level", "info")), str(record.get("event")).replace("_", " ")
    marked = message if level in ("debug", "info") else f"{level}: {message}"
    fields = ", ".join(f"{name} {value}" for name, value in record.items() if name not in _HIDDEN)
    trace = f"\n{record['exception']}" if record.get("exception") else ""
    return f"{marked}   {fields}".rstrip() + trace


def without_envelopes(_: object, __: str, record: Record) -> Record:
    """For logs that hold no facts: they name guests."""
    record.pop(ENVELOPES, None)
    return record


def _told(done: Sequence[_Done]) -> str:
    """What a sink did, and how long it took; of several objects by outcome, with the longest time."""
    outcomes = Counter(one.outcome for one in done)
    several = len(done) > 1
    what = ", ".join(f"{count} {outcome}" if several else outcome for outcome, count in outcomes.items())
    covered = f" (one call for {done[0].changes} changes)" if not several and done[0].changes > 1 else ""
    return f"{what} in {max(one.seconds for one in done):.2f} s{covered}"


def _news(envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
    """Without a newer version that shows nothing else; other details only if nothing greater happened."""
    told = [one for one in envelopes if getattr(one.event, "changed", None) != ("updated_at",)]
    return [one for one in told if not isinstance(one.event, BookingDetailsChanged)] or told


def _name(booking: Booking) -> str:
    name = booking.meeting_type.name if booking.meeting_type else None
    return f"{name or 'booking'} {_short(booking.booking_id)}"


def _short(booking_id: object) -> str:
    return str(booking_id or "")[:_SHORT]


_LINES: Mapping[str, Callable[[Activity, Record], str | None]] = {
    "facts recorded": Activity.facts,
    "nothing new": Activity.repeated,
    "delivered": Activity.delivered,
    "delivery failed": Activity.failed,
    "the target serves again": Activity.serves_again,
    "sink opened": Activity.opened,
    "backfilled": Activity.backfilled,
    "polled": Activity.polled,
    "command": Activity.commanded,
}
