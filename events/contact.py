"""A contact's counters, derived from the bookings they appear in, never incremented."""

from collections.abc import Iterable
from datetime import datetime

from events.state import Booking, Frozen


class Contribution(Frozen):
    """What one booking says about one contact, who counts once even with several attendee ids in it."""

    booking_id: str
    position: int
    attended: bool
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    cancellations: int = 0
    reschedules: int = 0
    no_shows: int = 0
    last_no_show_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancellation_reason: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None


class Contact(Frozen):
    """One person over all bookings.

    booking_count: distinct bookings ever attended (a chain is one); cancellation_count: whole
    cancellations while attending plus own removals; reschedule_count: moves while attending;
    no_show_count: standing (booking, start) marks.
    """

    contact_id: str
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    booking_count: int = 0
    cancellation_count: int = 0
    reschedule_count: int = 0
    no_show_count: int = 0
    last_no_show_at: datetime | None = None
    last_cancellation_reason: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    position: int = 0


def touched_contacts(booking: Booking) -> frozenset[str]:
    """Every contact that ever appeared in this booking: an event of it may change the counters of each."""
    return frozenset(
        contact
        for attendee in booking.attendees
        for contact in (attendee.contact_id, *attendee.former_contact_ids)
    )


def contribution(booking: Booking, contact_id: str) -> Contribution:
    """What this booking says about this contact; a corrected address hands all over to the new one."""
    mine = [attendee for attendee in booking.attendees if attendee.contact_id == contact_id]
    if not mine:
        return Contribution(booking_id=booking.booking_id, position=booking.position, attended=False)
    newest = next((a for a in reversed(mine) if not a.removed), mine[-1])
    marks = [mark for attendee in mine for mark in attendee.marks]
    starts = {mark.start for mark in marks}
    cancelled = any(attendee.cancelled for attendee in mine)
    removed_at = max((a.removed_at for a in mine if a.removed_at), default=None)
    cancelled_at = booking.cancel.at if cancelled and booking.cancel else None
    return Contribution(
        booking_id=booking.booking_id,
        position=booking.position,
        attended=True,
        email=newest.email,
        phone=newest.phone,
        name=newest.name,
        cancellations=sum(a.removals for a in mine) + cancelled,
        reschedules=max(a.reschedules for a in mine),
        no_shows=len(starts),
        last_no_show_at=max((mark.at for mark in marks if mark.at), default=None),
        cancelled_at=cancelled_at or removed_at,
        cancellation_reason=booking.cancel.reason if cancelled and booking.cancel else None,
        first_seen_at=min((a.added_at for a in mine if a.added_at), default=None),
        last_seen_at=booking.fact_at,
    )


def fold_contact(contact_id: str, contributions: Iterable[Contribution]) -> Contact | None:
    """The contact over all its bookings, in any order; None if no booking ever held it.

    A contact whose only bookings were handed over to a corrected address stays, with zeros.
    """
    known = sorted(contributions, key=lambda c: (c.position, c.booking_id))
    if not known:
        return None
    attended = [c for c in known if c.attended]
    reasons = [c for c in attended if c.cancellation_reason and c.cancelled_at]
    last_cancelled = max(reasons, key=lambda c: (c.cancelled_at, c.booking_id), default=None)
    return Contact(
        contact_id=contact_id,
        email=_newest(attended, "email"),
        phone=_newest(attended, "phone"),
        name=_newest(attended, "name"),
        booking_count=len({c.booking_id for c in attended}),
        cancellation_count=sum(c.cancellations for c in attended),
        reschedule_count=sum(c.reschedules for c in attended),
        no_show_count=sum(c.no_shows for c in attended),
        last_no_show_at=max((c.last_no_show_at for c in attended if c.last_no_show_at), default=None),
        last_cancellation_reason=last_cancelled.cancellation_reason if last_cancelled else None,
        first_seen_at=min((c.first_seen_at for c in attended if c.first_seen_at), default=None),
        last_seen_at=max((c.last_seen_at for c in attended if c.last_seen_at), default=None),
        position=known[-1].position,
    )


def _newest(contributions: list[Contribution], field: str) -> str | None:
    return next((value for c in reversed(contributions) if (value := getattr(c, field))), None)
