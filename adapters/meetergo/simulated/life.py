"""What happens at the company of the playground by itself: one act after the other, each with its mishap.

The acts come in a fixed round, so that the first minute shows everything that can go wrong between a
provider and a hub. Where a round stands is part of the state: it goes on after a restart.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from adapters.meetergo.simulated.asked import CancelDto
from adapters.meetergo.simulated.company import FIRST_TALK, OPEN_HOUR
from adapters.meetergo.simulated.post import Mishap
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.state import Appointment, Switches
from adapters.meetergo.simulated.week import booking, regular, slot
from adapters.simulation import Fault, Simulation

LATE_SECONDS = 6.0
OUTAGE = "backendError"
MOST_UPCOMING = 16
MOST_CANCELLED = 40
_MISHAPS: Sequence[Mishap] = ("lost", "doubled", "late", "reordered")


class Life:
    """Does the next act when told to. `others` are the stand-ins that can be out of order meanwhile."""

    def __init__(self, provider: Provider, others: Mapping[str, Simulation], *, misbehave: bool) -> None:
        self._provider = provider
        self._state = provider.state
        self._others = others
        self._misbehave = misbehave

    def step(self) -> None:
        """The next act of the round, announced with the mishap that belongs to it."""
        act, mishap = _ROUND[self._state.acts % len(_ROUND)]
        before = self._state.switches
        if self._misbehave:
            self._state.switches = _with(before, mishap)
        try:
            act(self)
        finally:
            self._state.switches = before
        self._state.acts += 1

    def move(self) -> None:
        """Some meeting that is to come."""
        self._move(self._upcoming(self._state.acts))

    def move_and_mind(self) -> None:
        """The same, and the next act is about it again."""
        chosen = self._upcoming(self._state.acts)
        self._mind("moving", chosen)
        self._move(chosen)

    def move_again(self) -> None:
        self._move(self._minded("moving") or self._upcoming(self._state.acts))

    def book(self) -> None:
        """A meeting in the next days, unless there are many; then the last one of all is cancelled."""
        if len(self._all_upcoming()) >= MOST_UPCOMING:
            self.cancel()
            return
        number = self._state.acts
        start = self._later(1 + number % 5, number)
        self._provider.desk.book(booking(FIRST_TALK, start, regular(number)))

    def join(self) -> None:
        """One more guest for the open hour, the first one of a new hour if there is none."""
        hour = self._open_hour()
        if hour is not None and len(hour.attendees) >= self._state.kinds[OPEN_HOUR].spots:
            self.leave()
            return
        start = hour.start if hour else self._later(2, 3)
        self._provider.desk.book(booking(OPEN_HOUR, start, regular(self._state.acts)))

    def leave(self) -> None:
        """The last one who joined the open hour stays away after all."""
        hour = self._open_hour()
        if hour is not None and len(hour.attendees) > 1:
            last = hour.attendees[-1].id
            dto = CancelDto.model_validate({"attendeeId": last, "reason": "no time"})
            self._provider.cancel(hour.id, dto, by_guest=True, who=last)

    def cancel(self) -> None:
        """The last meeting of all; what was cancelled long ago leaves the books."""
        upcoming = self._all_upcoming()
        if upcoming:
            last = upcoming[-1]
            self._provider.cancel(
                last.id, CancelDto(reason="changed plans"), by_guest=False, who=last.host_ids[0]
            )
        self._forget_cancelled()

    def miss(self) -> None:
        """A guest of a meeting that is over did not come; no webhook says so."""
        missed = next((one for one in self._over() if not one.attendees[0].no_show), None)
        self._mind("missed", missed)
        if missed is not None:
            self._provider.mark(missed.attendees[0].id)

    def miss_no_more(self) -> None:
        """That was a mistake."""
        missed = self._minded("missed")
        if missed is not None:
            self._provider.mark(missed.attendees[0].id, missed=False)

    def break_other(self) -> None:
        """The first of the other systems answers 503 from now on, while a meeting is moved."""
        for other in list(self._others.values())[:1] if self._misbehave else ():
            other.faults.append(Fault("status", status=503, reason=OUTAGE, times=None))
        self.move_and_mind()

    def heal_other(self) -> None:
        """It serves again."""
        for other in self._others.values():
            other.faults[:] = [fault for fault in other.faults if fault.reason != OUTAGE]
        self.book()

    def _move(self, chosen: Appointment | None) -> None:
        if chosen is None:
            self.book()
            return
        number = self._state.acts
        start = self._later(1 + number % 6, number)
        if start == chosen.start:
            start += timedelta(minutes=30)
        self._provider.reschedule(chosen.id, start, ignore_availability=True)

    def _later(self, days: int, number: int) -> datetime:
        return slot(self._provider.records.now + timedelta(days=days), number)

    def _all_upcoming(self, kind_id: str = FIRST_TALK) -> list[Appointment]:
        """Meetings of this type that are to come, the next one first."""
        now = self._provider.records.now
        found = [
            one
            for one in self._state.appointments.values()
            if one.is_active and one.start > now and one.kind_id == kind_id
        ]
        return sorted(found, key=lambda one: (one.start, one.id))

    def _upcoming(self, number: int) -> Appointment | None:
        upcoming = self._all_upcoming()
        return upcoming[number * 5 % len(upcoming)] if upcoming else None

    def _over(self) -> list[Appointment]:
        """Meetings that took place, the last one first."""
        now = self._provider.records.now
        found = [one for one in self._state.appointments.values() if one.is_active and one.end < now]
        return sorted(found, key=lambda one: (one.start, one.id), reverse=True)

    def _open_hour(self) -> Appointment | None:
        return next(iter(self._all_upcoming(OPEN_HOUR)), None)

    def _mind(self, what: str, appointment: Appointment | None) -> None:
        self._state.minded.pop(what, None)
        if appointment is not None:
            self._state.minded[what] = appointment.id

    def _minded(self, what: str) -> Appointment | None:
        found = self._state.appointments.get(self._state.minded.get(what, ""))
        return found if found is not None and found.is_active else None

    def _forget_cancelled(self) -> None:
        """meetergo deletes what is old as its owners tell it to; so a playground does not grow for ever."""
        gone = [one for one in self._state.appointments.values() if not one.is_active]
        for one in sorted(gone, key=lambda one: one.updated_at)[:-MOST_CANCELLED]:
            del self._state.appointments[one.id]


def _with(switches: Switches, mishap: Mishap | None) -> Switches:
    """Webhooks of one act, which all meet its mishap; one without gets what is switched on."""
    if mishap is None:
        return switches
    fates: dict[str, float] = {name: float(name == mishap) for name in _MISHAPS}
    return switches.model_copy(update=fates | {"late_seconds": LATE_SECONDS})


_ROUND: Sequence[tuple[Callable[[Life], None], Mishap | None]] = (
    (Life.move, None),
    (Life.book, "doubled"),
    (Life.miss, None),
    (Life.move, "lost"),
    (Life.move_and_mind, "reordered"),
    (Life.move_again, None),
    (Life.break_other, None),
    (Life.move_again, None),
    (Life.move_again, None),
    (Life.heal_other, None),
    (Life.miss_no_more, None),
    (Life.join, None),
    (Life.cancel, "late"),
    (Life.leave, None),
    (Life.move, "lost"),
)
