"""Marks: these bookings have to be looked at. A mark goes only after its booking was worked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, update
from sqlmodel import Session, col, select

from hub.store.statements import insert_new
from hub.store.tables import DirtyRow


@dataclass(frozen=True, slots=True)
class DirtyCounts:
    """`receipts` counts marks, `bookings` the bookings they are on."""

    receipts: int
    bookings: int


def mark(session: Session, marks: Sequence[DirtyRow]) -> int:
    """Add marks and return how many are new; a receipt marks its booking once."""
    return insert_new(session, marks)


def due(
    session: Session,
    *,
    now: datetime,
    limit: int,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Bookings with a due mark as (source, provider id), the longest due first.

    `only` of these sources, or of all but those in `without`.
    """
    first_due = func.min(DirtyRow.due_at)
    source = col(DirtyRow.source)
    of_sources = [source.in_(only)] if only is not None else [source.not_in(without)] if without else []
    found = session.execute(
        select(DirtyRow.source, DirtyRow.provider_id)
        .where(col(DirtyRow.due_at) <= now, *of_sources)
        .group_by(col(DirtyRow.source), col(DirtyRow.provider_id))
        .order_by(first_due, col(DirtyRow.source), col(DirtyRow.provider_id))
        .limit(limit)
    )
    return [(source, provider_id) for source, provider_id in found]


def next_due(session: Session) -> datetime | None:
    """When the earliest mark is due; None if there is no mark."""
    return session.exec(select(DirtyRow.due_at).order_by(col(DirtyRow.due_at)).limit(1)).first()


def receipts_of(
    session: Session, source: str, provider_id: str, *, limit: int | None = None
) -> list[DirtyRow]:
    """The marks of one booking, due or not, in the order they were made; the first ones if not all."""
    return list(
        session.exec(
            select(DirtyRow)
            .where(*_of(source, provider_id))
            .order_by(col(DirtyRow.marked_at), col(DirtyRow.sequence), col(DirtyRow.receipt_id))
            .limit(limit)
        )
    )


def clear(session: Session, source: str, provider_id: str, *, receipt_ids: Sequence[str]) -> int:
    """Take these marks away, and none that was made meanwhile."""
    return session.exec(
        delete(DirtyRow).where(*_of(source, provider_id), col(DirtyRow.receipt_id).in_(receipt_ids))
    ).rowcount


def postpone(
    session: Session,
    source: str,
    provider_id: str,
    *,
    receipt_ids: Sequence[str] | None,
    due_at: datetime,
    error: str | None,
    counted: bool = True,
) -> int:
    """Look at the booking again at `due_at`, with an attempt on each of these marks, None meaning all.

    Not `counted`: nothing was learnt by it, so it was none.
    """
    marks = _of(source, provider_id)
    if receipt_ids is not None:
        marks = (*marks, col(DirtyRow.receipt_id).in_(receipt_ids))
    attempts = DirtyRow.attempts + int(counted)
    return session.exec(
        update(DirtyRow).where(*marks).values(due_at=due_at, attempts=attempts, last_error=error)
    ).rowcount


def wake(session: Session, source: str, provider_id: str, *, now: datetime) -> int:
    """Make all marks of the booking due now."""
    return session.exec(
        update(DirtyRow).where(*_of(source, provider_id), col(DirtyRow.due_at) > now).values(due_at=now)
    ).rowcount


def counts(session: Session) -> DirtyCounts:
    """How much waits to be looked at."""
    bookings = select(DirtyRow.source, DirtyRow.provider_id).distinct().subquery()
    return DirtyCounts(
        receipts=session.exec(select(func.count()).select_from(DirtyRow)).one(),
        bookings=session.exec(select(func.count()).select_from(bookings)).one(),
    )


def _of(source: str, provider_id: str) -> tuple[ColumnElement[bool], ...]:
    return col(DirtyRow.source) == source, col(DirtyRow.provider_id) == provider_id
