"""The newest state of a booking or a contact as the live generation holds it."""

from sqlmodel import Session, col, select

from events import Booking, Contact
from hub.store.tables import BookingRow, CheckpointRow, ContactRow
from hub.store.time_positions import TIME_POSITION

# Not a join: SQLite, which knows nothing of the data, would begin it by reading every booking.
_LIVE = select(CheckpointRow.generation).where(col(CheckpointRow.live).is_(True)).scalar_subquery()


def current_booking(session: Session, booking_id: str) -> Booking | None:
    """The booking with its positions; None if it was never seen."""
    found = session.exec(
        select(BookingRow, TIME_POSITION).where(
            col(BookingRow.generation) == _LIVE, BookingRow.booking_id == booking_id
        )
    ).one_or_none()
    if found is None:
        return None
    row, asked = found
    positions = {"position": row.position, "time_position": asked or 0}
    return Booking.model_validate(row.state).model_copy(update=positions)


def current_contact(session: Session, contact_id: str) -> Contact | None:
    """The contact with the position of what touched it last; None if it was never seen."""
    row = session.exec(
        select(ContactRow).where(col(ContactRow.generation) == _LIVE, ContactRow.contact_id == contact_id)
    ).one_or_none()
    return None if row is None else contact_of(row)


def contact_of(row: ContactRow) -> Contact:
    """The contact a row shows."""
    return Contact(**{name: getattr(row, name) for name in Contact.model_fields})
