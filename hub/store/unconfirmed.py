"""Hints that nothing has confirmed: shown, and gone when the booking is confirmed after all."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.store.statements import delete_keys, upsert
from hub.store.tables import UnconfirmedRow


def put(
    session: Session, source: str, provider_id: str, *, receipt_id: str, detail: str, now: datetime
) -> None:
    """Keep the newest hint of a booking; `since` stays that of its first."""
    values = {
        "source": source,
        "provider_id": provider_id,
        "receipt_id": receipt_id,
        "since": now,
        "detail": detail,
    }
    upsert(session, UnconfirmedRow, [values], keep=("since",))


def clear(session: Session, bookings: Sequence[tuple[str, str]]) -> None:
    """These bookings (source, provider id) are confirmed, whether anything was open or not."""
    delete_keys(session, UnconfirmedRow, bookings)


def every(session: Session) -> list[UnconfirmedRow]:
    """All open hints, oldest first."""
    return list(session.exec(select(UnconfirmedRow).order_by(col(UnconfirmedRow.since))))


def oldest(session: Session) -> UnconfirmedRow | None:
    """The hint that waits longest."""
    return session.exec(select(UnconfirmedRow).order_by(col(UnconfirmedRow.since)).limit(1)).first()


def count(session: Session) -> int:
    """How many bookings have an open hint."""
    return session.exec(select(func.count()).select_from(UnconfirmedRow)).one()
