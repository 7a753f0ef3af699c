"""The company of the playground: open to every key, and with a week of bookings on its books.

What has happened to the bookings before anybody looked is on them as well: some were moved, some are
cancelled, one guest did not come. Nobody was told, for no address was registered then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.meetergo.simulated.asked import BookingDto, CancelDto
from adapters.meetergo.simulated.company import FIRST_TALK, MARA, OPEN_HOUR, example_company
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.state import Appointment, State

BOOKINGS = 14
FIRST_DAY = -2
"""The week begins so many days from today; two bookings a day."""

GROUP = 6
MOVED, CANCELLED, MISSED = (3, 8, 10, 13), (5, 11), 1

GUESTS = (
    "Jon Ekdal",
    "Nora Helmer",
    "Gregers Werle",
    "Hedda Tesman",
    "Thea Elvsted",
    "Ellida Wangel",
    "Halvard Solness",
    "Hilde Ruud",
    "Rita Allmers",
    "Alfred Borkman",
    "Irene Rubek",
    "Agnes Brand",
    "Osvald Alving",
    "Ilse Brandvold",
)


@dataclass(slots=True)
class _Past:
    """A clock that is set by hand."""

    now: datetime
    passed: timedelta = field(default=timedelta(minutes=7))

    def __call__(self) -> datetime:
        return self.now

    def pass_on(self) -> None:
        self.now += self.passed


def regular(number: int) -> Mapping[str, Any]:
    """One of the guests who come again and again; the last one has a single meeting to be asked about."""
    return guest(number % (len(GUESTS) - 1))


def guest(number: int) -> Mapping[str, Any]:
    """One of a few guests, as the booking page sends them."""
    name = GUESTS[number % len(GUESTS)]
    mail = f"{name.lower().replace(' ', '.')}@guests.example"
    return {"fullname": name, "email": mail, "receiveReminders": True, "notes": {}}


def slot(day: datetime, number: int) -> datetime:
    """One of eight hours of that day; the number may be any."""
    return day.replace(hour=8 + number % 8, minute=0, second=0, microsecond=0)


def booking(kind_id: str, start: datetime, attendee: Mapping[str, Any]) -> BookingDto:
    """A booking with the one host of this company, at any time."""
    return BookingDto.model_validate(
        {
            "meetingTypeId": kind_id,
            "start": start,
            "attendee": attendee,
            "hostIds": [MARA],
            "ignoreAvailability": True,
        }
    )


def playground_company(now: datetime, *, seed: int = 1) -> State:
    """The books as they stand now, with all that is to be seen in the week around it."""
    state = example_company(seed=seed)
    state.open_to = MARA
    state.kinds = {
        kind_id: kind.model_copy(update={"host_ids": (MARA,)}) for kind_id, kind in state.kinds.items()
    }
    clock = _Past(now - timedelta(days=6))
    provider = Provider(state, clock=clock)
    booked = [_book(provider, clock, now, number) for number in range(BOOKINGS)]
    clock.now = now - timedelta(days=3)
    for number in MOVED:
        clock.pass_on()
        start = booked[number].start + timedelta(hours=2)
        provider.reschedule(booked[number].id, start, ignore_availability=True)
    for number in CANCELLED:
        clock.pass_on()
        provider.cancel(booked[number].id, CancelDto(reason="changed plans"), by_guest=False, who=MARA)
    clock.now = now - timedelta(hours=12)
    provider.mark(booked[MISSED].attendees[0].id)
    return state


def _book(provider: Provider, clock: _Past, now: datetime, number: int) -> Appointment:
    clock.pass_on()
    day, is_group = now + timedelta(days=FIRST_DAY + number // 2), number == GROUP
    kind = OPEN_HOUR if is_group else FIRST_TALK
    start = slot(day, 2 + 5 * (number % 2) + number // 2 % 2)
    guests = range(number, number + 3) if is_group else [number]
    booked = [provider.desk.book(booking(kind, start, guest(one))) for one in guests]
    made = booked[-1]
    if not isinstance(made, Appointment):
        raise TypeError("a booking of the playground waits for nobody's word")
    return made
