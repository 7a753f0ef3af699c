"""Each try of a delivery, for the booking's story."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import Session, col, select

from hub.store.tables import AttemptRow


def add(session: Session, rows: Sequence[AttemptRow]) -> None:
    """Write down tries; together with `claims.finish`, so that a try is told once."""
    session.add_all(rows)


def of_booking(session: Session, booking_id: str) -> list[AttemptRow]:
    """All tries for a booking, in the order they were made."""
    return list(
        session.exec(
            select(AttemptRow).where(AttemptRow.booking_id == booking_id).order_by(col(AttemptRow.id))
        )
    )


def expire(session: Session, *, before: datetime) -> int:
    """Forget tries made before this moment."""
    return session.exec(delete(AttemptRow).where(col(AttemptRow.at) < before)).rowcount
