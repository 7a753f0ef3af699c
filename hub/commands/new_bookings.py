"""Commands that make a new booking out of a known one: again, or in its place. Pure.

meetergo may forget which booking a new one was made for, so the hub keeps the link itself.
"""

from dataclasses import dataclass
from datetime import datetime

from adapters.provider import NewBooking, Person
from events.snapshot import BookingSnapshot
from events.state import Attendee, Booking
from hub.commands.errors import RefusedCommandError
from hub.commands.plans import NOTHING, Plan, chosen_attendee, is_group, mailed_of, require_active
from hub.log.privacy import identity_of
from hub.store.replacements import CLOCKS_APART


def rebook(
    booking: Booking, *, start: datetime, attendee: str | None = None, ignore_availability: bool = False
) -> Plan:
    """The same meeting once more, on its own: it joins no history."""
    one = chosen_attendee(booking, attendee) if attendee or booking.present else _last_of(booking)
    new = _new_booking(booking, one, start=start, ignore_availability=ignore_availability)
    mailed = (one.email,) if one.email else ()
    return Plan(
        "rebook",
        booking,
        "is booked again",
        mailed=mailed,
        start=start,
        new=new,
        attendee_id=one.attendee_id,
    )


def replacement(
    booking: Booking, *, start: datetime, reason: str | None = None, ignore_availability: bool = False
) -> Plan:
    """A new booking instead of this one, which is cancelled when the new one is there."""
    require_active(booking)
    if is_group(booking):
        raise RefusedCommandError(
            "not-supported",
            "a group booking cannot be replaced by a new one: its attendees would have to book again",
            next=f"bookinghub bookings reschedule {booking.booking_id} --dry-run --to VALUE",
        )
    if start == booking.start:
        return Plan("replace", booking, NOTHING, start=start)
    one = chosen_attendee(booking, None)
    new = _new_booking(
        booking, one, start=start, ignore_availability=ignore_availability, replaces=booking.provider_id
    )
    return Plan(
        "replace",
        booking,
        "is booked anew, then cancelled",
        mailed=mailed_of(booking),
        start=start,
        reason=reason,
        new=new,
    )


@dataclass(frozen=True, slots=True)
class Sought:
    """A new booking that was asked for and that nobody has named to us."""

    start: datetime
    person: Attendee
    asked_at: datetime
    former_id: str | None = None

    def may_be(self, snapshot: BookingSnapshot) -> bool:
        """Whether it can be the one that the provider shows."""
        if snapshot.cancelled or snapshot.start != self.start or snapshot.provider_id == self.former_id:
            return False
        if snapshot.created_at is not None and snapshot.created_at < self.asked_at - CLOCKS_APART:
            return False
        person = identity_of(self.person.email, self.person.phone)
        shown = {identity_of(attendee.email, attendee.phone) for attendee in snapshot.attendees}
        return person is not None and person in shown


def _last_of(booking: Booking) -> Attendee:
    """Somebody who has left may come back."""
    if len(booking.attendees) == 1:
        return booking.attendees[0]
    return chosen_attendee(booking, None)


def _new_booking(
    booking: Booking,
    attendee: Attendee,
    *,
    start: datetime,
    ignore_availability: bool,
    replaces: str | None = None,
) -> NewBooking:
    kind = booking.meeting_type.id if booking.meeting_type else None
    if kind is None:
        raise RefusedCommandError(
            "not-supported",
            "the id of its meeting type is not known, without which nothing can be booked",
            next=f"bookinghub bookings show {booking.booking_id} --live",
        )
    if not (attendee.email or attendee.phone):
        raise RefusedCommandError(
            "not-supported", "the attendee has neither a mail address nor a phone number"
        )
    answers = {name: value for name, value in (booking.answers or {}).items() if isinstance(value, str)}
    person = Person(
        name=attendee.name or attendee.email or attendee.phone or "",
        email=attendee.email,
        phone=attendee.phone,
        timezone=attendee.timezone,
        language=attendee.language,
        answers=answers,
        guests=() if is_group(booking) else tuple(guest.email for guest in booking.guests if guest.email),
    )
    hosts = tuple(host.id for host in booking.hosts)
    return NewBooking(
        kind, start, person, host_ids=hosts, ignore_availability=ignore_availability, replaces=replaces
    )
