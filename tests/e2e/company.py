"""A company at the stand-in for meetergo: what happens to its bookings, and the record of what did."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from adapters.meetergo.simulated.company import DENIZ, MARA
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, Desk
from tests.e2e.harness import StandInProcess

SINGLES = (("erstgespraech", MARA), ("vor-ort-beratung", DENIZ))
GROUP = ("sprechstunde-gruppe", DENIZ)
SPOTS = 6
THEIR_KEY = "ak_live:9a7d2c14-0b3e-4f58-8c61-2d5e7f9a1b30:key-of-another-program"
"""Guests are brought along by another program of the company, which has a budget of its own."""

NEAR, FAR = timedelta(days=80), timedelta(days=200)
"""Meetings start before the former; a few are moved to between the two, where no poll looks."""

What = Literal[
    "created",
    "joined",
    "left",
    "moved",
    "cancelled",
    "missed",
    "excused",
    "noted",
    "brought",
    "left at home",
]
ANNOUNCED: frozenset[What] = frozenset({"created", "joined", "left", "moved", "cancelled"})
"""What the provider sends a webhook of."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to a booking between these two moments; `about` is whom or when."""

    what: What
    about: str
    began: datetime
    ended: datetime


@dataclass(slots=True)
class Meeting:
    """One booking at the provider, as far as it says what can happen next."""

    id: str
    kind: str
    host: str
    attendees: list[str]
    is_past: bool = False
    cancelled: bool = False
    marked: set[str] = field(default_factory=set)
    marked_before_a_move: set[str] = field(default_factory=set)
    guests: list[tuple[str, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return self.kind == GROUP[0]

    @property
    def announced(self) -> list[Change]:
        """The changes of which there was a webhook, in their order."""
        return [change for change in self.changes if change.what in ANNOUNCED]


class MeetergoProcess(StandInProcess, Desk):
    """The stand-in for meetergo; its clock is the machine's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "adapters.meetergo.simulator:create_app")

    def subscribe_door(self, door: str) -> None:
        """Have webhooks posted to this address."""
        body = {"endpoint": door, "eventTypes": list(BOOKING_EVENTS)}
        self.send("POST", "/webhooks", **body).raise_for_status()

    def appointments(self) -> dict[str, dict[str, Any]]:
        """The provider's own books."""
        found: dict[str, dict[str, Any]] = self.ask("GET", "/_state")["appointments"]
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        """What became of every webhook and of every copy."""
        found: list[dict[str, Any]] = self.ask("GET", "/_deliveries")
        return found


class Company:
    """Makes bookings and changes them; everything it does is kept in `meetings`."""

    def __init__(self, desk: Desk, *, seed: int, rest: timedelta) -> None:
        """`rest` lies at least between two changes of one booking, so that their times tell them apart."""
        self.meetings: list[Meeting] = []
        self.changes = 0
        self._desk = desk
        self._chance = random.Random(seed)
        self._rest = rest
        self._starts: set[datetime] = set()
        self._people = 0
        self._acts: Sequence[tuple[float, Callable[[Meeting], Change | None]]] = (
            (34, self._move),
            (18, self._join),
            (8, self._leave),
            (4, self._cancel),
            (10, self._miss),
            (4, self._excuse),
            (10, self._note),
            (8, self._bring),
            (4, self._leave_at_home),
        )
        desk.ask("POST", "/_keys", token=THEIR_KEY)

    def book(self, *, past: bool = False, kind: tuple[str, str] | None = None) -> Meeting:
        """Somebody books; `past`: a meeting that has taken place."""
        name, host = kind or (GROUP if self._chance.random() < 0.3 else self._chance.choice(SINGLES))
        start, began = self._start(past=past), _now()
        booked = self._desk.book(start, kind=name, who=self._somebody(), hostIds=[host])
        meeting = Meeting(booked["id"], name, host, booked["attendees"], is_past=past)
        meeting.changes.append(Change("created", start.isoformat(), began, _now()))
        self.meetings.append(meeting)
        return meeting

    def change(self) -> bool:
        """Something happens to one of the bookings; False if none has rested long enough."""
        rested = [m for m in self.meetings if not m.cancelled and _now() - m.changes[-1].ended > self._rest]
        if not rested:
            return False
        meeting = self._chance.choice(rested)
        weights, acts = zip(*self._acts, strict=True)
        change = self._chance.choices(acts, weights)[0](meeting)
        if change is not None:
            meeting.changes.append(change)
            self.changes += 1
        return True

    def _move(self, meeting: Meeting) -> Change | None:
        if meeting.is_past:
            return None
        start = self._start(far=self._chance.random() < 0.03)
        meeting.marked_before_a_move |= meeting.marked
        return self._done("moved", start.isoformat(), lambda: self._desk.move(meeting.id, start))

    def _join(self, meeting: Meeting) -> Change | None:
        if not meeting.is_group or meeting.is_past or len(meeting.attendees) >= SPOTS:
            return None

        def join() -> str:
            joined = self._desk.book(_now(), kind=GROUP[0], who=self._somebody(), appointmentId=meeting.id)
            meeting.attendees[:] = joined["attendees"]
            return meeting.attendees[-1]

        return self._done("joined", "", join)

    def _leave(self, meeting: Meeting) -> Change | None:
        if len(meeting.attendees) < 2 or meeting.is_past:
            return None
        gone = self._chance.choice(meeting.attendees)
        meeting.attendees.remove(gone)
        meeting.guests = [(who, guest) for who, guest in meeting.guests if who != gone]
        return self._done("left", gone, lambda: self._desk.cancel(meeting.id, attendeeId=gone, by="attendee"))

    def _cancel(self, meeting: Meeting) -> Change | None:
        if meeting.is_past:
            return None
        meeting.cancelled = True
        scope = {"cancelAll": True} if meeting.is_group else {}
        return self._done("cancelled", "", lambda: self._desk.cancel(meeting.id, reason="ill", **scope))

    def _miss(self, meeting: Meeting) -> Change | None:
        """Somebody did not come, which no webhook tells."""
        came = [one for one in meeting.attendees if one not in meeting.marked]
        return self._marked(meeting, self._chance.choice(came), missed=True) if came else None

    def _excuse(self, meeting: Meeting) -> Change | None:
        """A mark is taken back; one that was made for an earlier start stands."""
        standing = sorted((meeting.marked - meeting.marked_before_a_move) & set(meeting.attendees))
        return self._marked(meeting, self._chance.choice(standing), missed=False) if standing else None

    def _marked(self, meeting: Meeting, attendee: str, *, missed: bool) -> Change:
        meeting.marked ^= {attendee}
        mark = {"attendee": attendee, "missed": missed}
        return self._done(
            "missed" if missed else "excused", attendee, lambda: self._desk.ask("POST", "/_no_show", **mark)
        )

    def _note(self, meeting: Meeting) -> Change:
        text = f"Note {self._chance.randrange(10**9)}"
        return self._done("noted", text, lambda: self._desk.ask("POST", "/_note", id=meeting.id, note=text))

    def _bring(self, meeting: Meeting) -> Change:
        attendee, guest = self._chance.choice(meeting.attendees), f"{self._somebody().lower()}@gast.example"
        meeting.guests.append((attendee, guest))
        return self._done("brought", guest, lambda: self._guest("PATCH", meeting, attendee, guest))

    def _leave_at_home(self, meeting: Meeting) -> Change | None:
        if not meeting.guests:
            return None
        attendee, guest = meeting.guests.pop(self._chance.randrange(len(meeting.guests)))
        return self._done("left at home", guest, lambda: self._guest("DELETE", meeting, attendee, guest))

    def _guest(self, method: str, meeting: Meeting, attendee: str, email: str) -> None:
        path, body = f"/v4/appointment/{meeting.id}/guest", {"attendeeId": attendee, "email": email}
        self._desk.send(method, path, key=THEIR_KEY, user=meeting.host, **body).raise_for_status()

    def _done(self, what: What, about: str, act: Callable[[], str | object]) -> Change:
        began, told = _now(), act()
        return Change(what, about or (told if isinstance(told, str) else ""), began, _now())

    def _start(self, *, past: bool = False, far: bool = False) -> datetime:
        """A time nobody else has: a group would be joined by whoever books its start."""
        while True:
            first, last = (NEAR + timedelta(days=20), FAR) if far else (timedelta(days=1), NEAR)
            ahead = timedelta(minutes=5 * self._chance.randrange(first // _FIVE, last // _FIVE))
            ago = timedelta(minutes=5 * self._chance.randrange(1440 // 5, 6 * 1440 // 5))
            start = _now().replace(minute=0, second=0, microsecond=0) + (-ago if past else ahead)
            if start not in self._starts:
                self._starts.add(start)
                return start

    def _somebody(self) -> str:
        self._people += 1
        return f"Gast{self._people}"


class Week(threading.Thread):
    """The load: bookings and changes at an even pace, in any order."""

    def __init__(self, company: Company, *, bookings: int, changes: int, pause: float) -> None:
        super().__init__(daemon=True)
        self._company = company
        self._bookings = bookings
        self._changes = changes
        self._pause = pause
        self._chance = random.Random(bookings)
        self.made = 0
        self.quiet = threading.Event()
        """Set: nothing happens for the time being."""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._is_over():
                if not self.quiet.is_set():
                    self._one()
                threading.Event().wait(self._chance.expovariate(1 / self._pause))
        except Exception as error:  # noqa: BLE001 - raised again where the thread is joined
            self.error = error

    def finish(self, within: float) -> None:
        """Wait for the last change."""
        self.join(within)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error

    def _is_over(self) -> bool:
        return len(self._company.meetings) >= self._bookings and self._company.changes >= self._changes

    def _one(self) -> None:
        left_to_book = self._bookings - len(self._company.meetings)
        left_to_change = max(self._changes - self._company.changes, 0)
        if self._chance.random() * (left_to_book + left_to_change) < left_to_book:
            self._company.book()
        else:
            self._company.change()
        self.made = len(self._company.meetings) + self._company.changes


def _now() -> datetime:
    return datetime.now(UTC)


_FIVE = timedelta(minutes=5)
