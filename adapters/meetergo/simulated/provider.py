"""meetergo in memory, without HTTP: what can be done to appointments, and what it announces.

Kept to what its pages and its vendor's clients say, not to what our client does. Where they say nothing
the guess is named in the README.
"""

from collections.abc import Callable
from datetime import datetime

from adapters.meetergo.simulated.asked import CancelDto
from adapters.meetergo.simulated.booking import BookingDesk
from adapters.meetergo.simulated.records import Records
from adapters.meetergo.simulated.refusals import not_found, refused
from adapters.meetergo.simulated.state import Appointment, Attendee, Cancellation, State


class Provider:
    """One company. Every act checks, changes and announces; webhooks wait until they are sent."""

    def __init__(self, state: State, *, clock: Callable[[], datetime]) -> None:
        self.records = Records(state, clock=clock)
        self.desk = BookingDesk(self.records)

    @property
    def state(self) -> State:
        return self.records.state

    def reschedule(self, appointment_id: str, start: datetime, *, ignore_availability: bool) -> Appointment:
        """Move in place; the duration stays, and so do marks."""
        before = self.records.active(appointment_id)
        if not ignore_availability:
            kind = self.state.kinds[before.kind_id]
            self.desk.check_free(kind, before.host_ids, start, moving=before.id)
        now = self.records.now
        moved = self.records.replace(
            before,
            start=start,
            end=start + (before.end - before.start),
            rescheduled_at=now,
            reschedule_count=before.reschedule_count + 1,
            updated_at=now,
        )
        self.records.announce("booking_rescheduled", moved, old_start=before.start)
        return moved

    def cancel(self, appointment_id: str, dto: CancelDto, *, by_guest: bool, who: str | None) -> Appointment:
        """Cancel one attendee's part, the whole, or what is to come of a series."""
        before = self.records.active(appointment_id)
        is_group = self.state.kinds[before.kind_id].is_group
        if is_group and not (dto.attendee_id or dto.cancel_all):
            raise refused(400, "attendeeId or cancelAll has to be given for a group booking")
        if dto.attendee_id and before.attendee(dto.attendee_id) is None:
            raise not_found("Attendee")
        if dto.attendee_id and len(before.attendees) > 1:
            return self._leave(before, dto.attendee_id)
        source = "attendee" if by_guest else "host"
        cancel = Cancellation.model_validate(
            {"source": source, "by": who, "at": self.records.now, "reason": dto.reason}
        )
        return self._cancel(before, cancel, series=dto.cancel_entire_series)

    def write_note(self, appointment_id: str, text: str) -> Appointment:
        """Replace the host's note."""
        before = self.records.existing(appointment_id)
        return self.records.replace(before, note=text, **self.records.touched("note", before))

    def add_guest(self, appointment_id: str, attendee_id: str, email: str) -> Appointment:
        """Bring one more person along with an attendee."""
        before, attendee = self.records.attending(attendee_id, appointment_id)
        guests = tuple(dict.fromkeys((*attendee.guests, email)))
        return self._bringing(before, attendee, guests)

    def remove_guest(self, appointment_id: str, attendee_id: str, email: str) -> Appointment:
        before, attendee = self.records.attending(attendee_id, appointment_id)
        if email not in attendee.guests:
            raise not_found("Guest")
        guests = tuple(guest for guest in attendee.guests if guest != email)
        return self._bringing(before, attendee, guests)

    def mark(self, attendee_id: str, *, missed: bool = True) -> Appointment:
        """Mark an attendee as a no-show, or take the mark back; nothing is announced."""
        before, attendee = self.records.attending(attendee_id)
        mark = {"no_show": missed, "no_show_at": self.records.now if missed else None}
        attendees = _with(before, attendee.model_copy(update=mark))
        touched = self.records.touched("no_show", before)
        return self.records.replace(before, attendees=attendees, shows_marks=True, **touched)

    def _leave(self, before: Appointment, attendee_id: str) -> Appointment:
        remaining = tuple(attendee for attendee in before.attendees if attendee.id != attendee_id)
        left = self.records.replace(before, attendees=remaining, updated_at=self.records.now)
        self.records.announce("booking_cancelled", left)
        return left

    def _cancel(self, before: Appointment, cancel: Cancellation, *, series: bool) -> Appointment:
        concerned = [before]
        if series and before.series:
            concerned += [
                other
                for other in self.state.appointments.values()
                if other.series == before.series and other.is_active and other.start > before.start
            ]
        gone = [self.records.replace(one, cancel=cancel, updated_at=cancel.at) for one in concerned]
        each = self.state.switches.series_webhooks == "each"
        for appointment in gone if each else gone[:1]:
            self.records.announce("booking_cancelled", appointment)
        return gone[0]

    def _bringing(self, before: Appointment, attendee: Attendee, guests: tuple[str, ...]) -> Appointment:
        attendees = _with(before, attendee.model_copy(update={"guests": guests}))
        touched = self.records.touched("guest", before)
        return self.records.replace(before, attendees=attendees, shows_guests=True, **touched)


def _with(appointment: Appointment, changed: Attendee) -> tuple[Attendee, ...]:
    return tuple(changed if other.id == changed.id else other for other in appointment.attendees)
