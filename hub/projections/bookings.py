"""The present state of every booking: one row per chain, searchable columns beside the whole fold."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, case, cast, func, literal_column, null, select
from sqlmodel import Session, col

from events import Booking, ContactErased
from events.personal import personal_containers
from hub.projections.base import Batch, Newest, Projection
from hub.projections.bulk import Values, write_rows
from hub.store.statements import Insert, table_of
from hub.store.tables import BookingRow


class Bookings(Projection):
    """The newest state wins; `cancelled_position` is that of the cancellation in force."""

    name = "bookings"
    version = 1
    tables = (BookingRow,)

    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        if (erased := batch.erased) is not None:
            _forget(erased, session, generation)
        else:
            rows = [booking_values(new, generation) for new in batch.newest.values()]
            write_rows(session, BookingRow, rows, change=_cancellation_in_force)


def booking_values(new: Newest, generation: int) -> Values:
    """The row of one state."""
    booking = new.booking
    kind = booking.meeting_type
    return {
        "generation": generation,
        "booking_id": booking.booking_id,
        "source": booking.source,
        "provider_id": booking.provider_id,
        "status": booking.status,
        "title": booking.title,
        "start": booking.start,
        "end": booking.end,
        "meeting_type_id": kind.id if kind else None,
        "meeting_type_slug": kind.slug if kind else None,
        "meeting_type_name": kind.name if kind else None,
        "host_ids": [host.id for host in booking.hosts],
        "search": search_text(booking),
        "no_show": booking.no_show,
        "state": booking.model_dump_json(exclude_none=True),
        "position": new.position,
        "recorded_at": new.recorded_at,
        "created_at": booking.created_at,
        "cancelled_position": new.cancelled_position if booking.status == "cancelled" else None,
    }


def search_text(booking: Booking) -> str:
    """What a person may type to find this booking: titles, names, mail addresses, telephone numbers."""
    return "\n".join(word.strip().lower() for word in _words(booking) if word and word.strip())


def _words(booking: Booking) -> Iterator[str | None]:
    yield booking.title
    yield booking.meeting_type.name if booking.meeting_type else None
    for attendee in booking.attendees:
        yield from (attendee.name, attendee.email, attendee.phone)
    for host in booking.hosts:
        yield from (host.name, host.email)
    for guest in booking.guests:
        yield guest.email


def _cancellation_in_force(insert: Insert) -> Mapping[str, Any]:
    new, before = insert.excluded, table_of(BookingRow).c
    known = func.coalesce(new["cancelled_position"], before.cancelled_position)
    return {"cancelled_position": case((new["status"] == literal_column("'cancelled'"), known), else_=null())}


def bookings_naming(session: Session, generation: int, contact_id: str) -> list[tuple[str, datetime | None]]:
    """Ids and ends of all bookings whose state names this contact, in whatever part; reads every booking."""
    found = select(col(BookingRow.booking_id), col(BookingRow.end)).where(
        col(BookingRow.generation) == generation,
        cast(col(BookingRow.state), Text).contains(contact_id, autoescape=True),
    )
    return [(row.booking_id, row.end) for row in session.execute(found.order_by(col(BookingRow.booking_id)))]


def _forget(erased: ContactErased, session: Session, generation: int) -> None:
    for booking_id, _ in bookings_naming(session, generation, erased.contact_id):
        row = session.get_one(BookingRow, (generation, booking_id))
        state = without(Booking.model_validate(row.state), erased.contact_id)
        new = Newest(state, row.position, row.recorded_at, row.cancelled_position)
        write_rows(session, BookingRow, [booking_values(new, generation)])


def without(booking: Booking, contact_id: str) -> Booking:
    """The state as it reads once this contact's key is gone."""
    data = {"booking": booking.model_dump(mode="json")}
    for container in personal_containers(data):
        if container.owner == contact_id:
            container.members.update(dict.fromkeys(container.fields))
    return Booking.model_validate(data["booking"])
