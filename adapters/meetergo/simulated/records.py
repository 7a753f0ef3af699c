"""What meetergo has on its books, and how reading shows it: by user, behind its time, until it expires.

Every change is kept with what it replaced, so that a replica that lags can still show it.
"""

import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.meetergo.simulated.asked import ListQuery
from adapters.meetergo.simulated.post import Post
from adapters.meetergo.simulated.refusals import not_found, refused
from adapters.meetergo.simulated.shapes import Event, webhook
from adapters.meetergo.simulated.state import Act, Appointment, Attendee, Host, State

LONGEST_LAG = timedelta(hours=1)

_Version = tuple[datetime, str, Appointment | None]


class Records:
    """One company's appointments. Reading may be behind, writing never is."""

    def __init__(self, state: State, *, clock: Callable[[], datetime]) -> None:
        self.state = state
        self.post = Post(state)
        self._clock = clock
        self._replaced: deque[_Version] = deque()

    @property
    def now(self) -> datetime:
        """The provider's time, in the milliseconds it keeps."""
        now = self._clock() + timedelta(seconds=self.state.clock_offset_seconds)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def shown(self) -> dict[str, Appointment]:
        """The appointments as reading shows them: as a lagging replica has them, without what has expired."""
        shown = dict(self.state.appointments)
        behind = self.now - timedelta(seconds=self.state.switches.lag_seconds)
        for at, appointment_id, before in reversed(self._replaced):
            if at <= behind:
                break
            if before is None:
                shown.pop(appointment_id, None)
            else:
                shown[appointment_id] = before
        return {key: appointment for key, appointment in shown.items() if not self._has_expired(appointment)}

    def read(self, appointment_id: str, user: Host) -> Appointment:
        """One appointment as shown to this user."""
        check_id(appointment_id)
        appointment = self.shown().get(appointment_id)
        if appointment is None or not (user.role == "admin" or user.id in appointment.host_ids):
            raise not_found("Appointment")
        return appointment

    def listed(self, query: ListQuery, user: Host) -> list[Appointment]:
        """All rows of a list; those of another user only for an admin who names them."""
        if query.user_id not in (None, user.id) and user.role != "admin":
            raise refused(403, "Forbidden")
        whose = query.user_id or user.id
        chosen = [a for a in self.shown().values() if whose in a.host_ids and _is_chosen(a, query)]
        by_start = query.sort_by == "appointment.start"
        chosen.sort(
            key=lambda a: (a.start if by_start else a.created_at, a.id),
            reverse=query.sort_direction == "DESC",
        )
        return chosen

    def existing(self, appointment_id: str) -> Appointment:
        """The newest state: writing goes to the master, however far a replica lags."""
        check_id(appointment_id)
        appointment = self.state.appointments.get(appointment_id)
        if appointment is None or self._has_expired(appointment):
            raise not_found("Appointment")
        return appointment

    def active(self, appointment_id: str) -> Appointment:
        appointment = self.existing(appointment_id)
        if not appointment.is_active:
            raise refused(400, "Appointment is already cancelled")
        return appointment

    def attending(self, attendee_id: str, appointment_id: str | None = None) -> tuple[Appointment, Attendee]:
        """An attendee and where; by id alone, as a no-show is marked, or of a given appointment."""
        check_id(attendee_id)
        among = (
            [self.existing(appointment_id)]
            if appointment_id is not None
            else [a for a in self.state.appointments.values() if not self._has_expired(a)]
        )
        for appointment in among:
            attendee = appointment.attendee(attendee_id)
            if attendee is not None:
                return appointment, attendee
        raise not_found("Attendee")

    def keep(self, after: Appointment, *, before: Appointment | None = None) -> Appointment:
        """Write it down in the place of what it replaces."""
        now = self.now
        self._replaced.append((now, after.id, before))
        while self._replaced and self._replaced[0][0] < now - LONGEST_LAG:
            self._replaced.popleft()
        self.state.appointments[after.id] = after
        return after

    def replace(self, before: Appointment, **changes: Any) -> Appointment:
        return self.keep(before.model_copy(update=changes), before=before)

    def touched(self, act: Act, before: Appointment) -> dict[str, Any]:
        """The version after an act that some say changes it and some say does not."""
        return {"updated_at": before.updated_at if act in self.state.switches.quiet else self.now}

    def announce(self, event: Event, about: Appointment, *, old_start: datetime | None = None) -> None:
        """Have a webhook sent that shows the appointment as it is now, whenever it may arrive."""
        body = webhook(event, about, self.state, old_start=old_start)
        self.post.queue(event, about.id, body, now=self.now)

    def _has_expired(self, appointment: Appointment) -> bool:
        days = self.state.switches.retention_days
        return days is not None and appointment.end < self.now - timedelta(days=days)


def check_id(opaque_id: str) -> None:
    """A malformed id is no 404 here: it fails inside, as a customer's test double remarks."""
    try:
        uuid.UUID(opaque_id)
    except ValueError:
        raise refused(500, "Internal server error") from None


def _is_chosen(appointment: Appointment, query: ListQuery) -> bool:
    if query.start and appointment.start < query.start.astimezone(UTC):
        return False
    if query.end and appointment.start > query.end.astimezone(UTC):
        return False
    if query.meeting_type_id not in (None, appointment.kind_id):
        return False
    sought = (query.search or "").lower()
    return not sought or any(
        sought in f"{attendee.fullname} {attendee.email or ''}".lower() for attendee in appointment.attendees
    )
