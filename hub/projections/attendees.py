"""Who attends which booking, and what that booking counts for each contact.

A row holds all that `events.contact.contribution` says of an attendee, so that the contacts are folded
from these rows without reading the states of their bookings.
"""

from typing import Any

from sqlalchemy import JSON, delete, select, type_coerce, update
from sqlmodel import Session, col

from events import Attendee, Booking, ContactErased
from hub.projections.base import Batch, Projection
from hub.projections.bulk import Values, write_rows
from hub.store.tables import AttendeeRow, BookingRow


class Attendees(Projection):
    """One row per attendee of a booking, those who left included."""

    name = "attendees"
    version = 1
    tables = (AttendeeRow,)

    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        if (erased := batch.erased) is not None:
            _forget(erased, session, generation)
            return
        bookings = [new.booking for new in batch.newest.values()]
        _drop_former_halves(bookings, session, generation)
        rows = [attendee_values(booking, a, generation) for booking in bookings for a in booking.attendees]
        write_rows(session, AttendeeRow, rows)


def attendee_values(booking: Booking, attendee: Attendee, generation: int) -> Values:
    """The row of one attendee."""
    marks = attendee.marks
    cancel = booking.cancel if attendee.cancelled else None
    return {
        "generation": generation,
        "booking_id": booking.booking_id,
        "attendee_id": attendee.attendee_id,
        "source": booking.source,
        "contact_id": attendee.contact_id,
        "email": attendee.email,
        "name": attendee.name,
        "phone": attendee.phone,
        "no_show": attendee.no_show,
        "no_show_at": attendee.no_show_at,
        "removed": attendee.removed,
        "removed_at": attendee.removed_at,
        "joined_at": attendee.added_at,
        "reschedules": attendee.reschedules,
        "cancellations": attendee.removals + attendee.cancelled,
        "no_shows": len({mark.start for mark in marks}),
        "last_no_show_at": max((mark.at for mark in marks if mark.at), default=None),
        "last_cancellation_reason": cancel.reason if cancel else None,
        "last_seen_at": booking.fact_at,
        "former_contact_ids": list(attendee.former_contact_ids),
    }


def _drop_former_halves(bookings: list[Booking], session: Session, generation: int) -> None:
    # Only a chain takes an attendee id out of a booking: the same contact has another id in the next half.
    chains = [booking.booking_id for booking in bookings if len(booking.provider_ids) > 1]
    if chains:
        session.execute(
            delete(AttendeeRow).where(
                col(AttendeeRow.generation) == generation, col(AttendeeRow.booking_id).in_(chains)
            )
        )


def _forget(erased: ContactErased, session: Session, generation: int) -> None:
    in_generation = col(AttendeeRow.generation) == generation
    session.execute(
        update(AttendeeRow)
        .where(in_generation, col(AttendeeRow.contact_id) == erased.contact_id)
        .values(email=None, name=None, phone=None)
    )
    # The reason of a cancellation belongs to the booker, whoever else attended.
    booked = booked_by(erased.contact_id, generation)
    session.execute(
        update(AttendeeRow)
        .where(in_generation, col(AttendeeRow.booking_id).in_(booked))
        .values(last_cancellation_reason=None)
        .execution_options(synchronize_session=False)
    )


def booked_by(contact_id: str, generation: int) -> Any:
    """A query for the ids of the bookings this contact made."""
    booker = type_coerce(col(BookingRow.state), JSON)["booker"].as_string()
    return select(col(BookingRow.booking_id)).where(
        col(BookingRow.generation) == generation, booker == contact_id
    )
