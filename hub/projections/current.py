"""The newest state of a booking or a contact as the live generation holds it."""

from sqlmodel import Session, col, select

from events import Booking, Contact
from hub.store.tables import BookingRow, CheckpointRow, ContactRow


def current_booking(session: Session, booking_id: str) -> Booking | None:
    """The booking with its position; None if it was never seen."""
    row = session.exec(
        select(BookingRow)
        .join(CheckpointRow, col(CheckpointRow.generation) == col(BookingRow.generation))
        .where(col(CheckpointRow.live).is_(True), BookingRow.booking_id == booking_id)
    ).one_or_none()
    if row is None:
        return None
    return Booking.model_validate(row.state).model_copy(update={"position": row.position})


def current_contact(session: Session, contact_id: str) -> Contact | None:
    """The contact with the position of what touched it last; None if it was never seen."""
    row = session.exec(
        select(ContactRow)
        .join(CheckpointRow, col(CheckpointRow.generation) == col(ContactRow.generation))
        .where(col(CheckpointRow.live).is_(True), ContactRow.contact_id == contact_id)
    ).one_or_none()
    return None if row is None else Contact(**{name: getattr(row, name) for name in Contact.model_fields})
