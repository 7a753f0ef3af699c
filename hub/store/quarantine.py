"""Bodies nobody could read: kept without age until they are resolved."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from hub.store.paging import Page, newest_first
from hub.store.statements import insert_new
from hub.store.tables import QuarantineRow


def put(session: Session, rows: Sequence[QuarantineRow]) -> int:
    """Add bodies and return how many are new; one that was resolved is not put back."""
    return insert_new(session, rows)


def get(session: Session, receipt_id: str) -> QuarantineRow | None:
    """One body with its reason, waiting or resolved."""
    return session.get(QuarantineRow, receipt_id)


def listing(
    session: Session, *, state: str | None = "waiting", limit: int | None = 50, cursor: str | None = None
) -> Page[QuarantineRow]:
    """Bodies, newest first; state None = resolved ones too."""
    return newest_first(
        session,
        QuarantineRow,
        order=("received_at", "receipt_id"),
        where=[] if state is None else [col(QuarantineRow.state) == state],
        limit=limit,
        cursor=cursor,
    )


def resolve(session: Session, receipt_id: str, *, now: datetime) -> bool:
    """Mark a body as dealt with; False if it was not waiting."""
    return bool(
        session.exec(
            update(QuarantineRow)
            .where(col(QuarantineRow.receipt_id) == receipt_id, col(QuarantineRow.state) == "waiting")
            .values(state="resolved", resolved_at=now)
        ).rowcount
    )


def resolved_since(session: Session, moment: datetime) -> list[QuarantineRow]:
    """Bodies that were dealt with at this moment or later, oldest first."""
    wanted = select(QuarantineRow).where(col(QuarantineRow.resolved_at) >= moment)
    return list(session.exec(wanted.order_by(col(QuarantineRow.resolved_at), col(QuarantineRow.receipt_id))))


def renew_reason(session: Session, receipt_id: str, *, reason: str) -> bool:
    """It was tried again and is still unreadable, for this reason; False if it was not waiting."""
    return bool(
        session.exec(
            update(QuarantineRow)
            .where(col(QuarantineRow.receipt_id) == receipt_id, col(QuarantineRow.state) == "waiting")
            .values(reason=reason)
        ).rowcount
    )


def count_waiting(session: Session) -> int:
    """How many bodies wait for a person."""
    return session.exec(
        select(func.count()).select_from(QuarantineRow).where(QuarantineRow.state == "waiting")
    ).one()


def expire_resolved(session: Session, *, before: datetime) -> int:
    """Delete what was resolved before this moment."""
    return session.exec(delete(QuarantineRow).where(col(QuarantineRow.resolved_at) < before)).rowcount
