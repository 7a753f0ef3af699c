"""Marks: these bookings have to be looked at. A mark goes only after its booking was worked."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, tuple_, update
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from hub.store.statements import delete_keys, insert_new, table_of
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
    values: dict[str, Any] = {"now": now, "most": limit}
    if only is not None:
        statement, values["sources"] = _due("only"), list(only)
    elif without:
        statement, values["sources"] = _due("without"), list(without)
    else:
        statement = _due()
    found = session.connection().execute(statement, values)
    return [(source, provider_id) for source, provider_id in found]


def next_due(session: Session) -> datetime | None:
    """When the earliest mark is due; None if there is no mark."""
    return session.exec(select(DirtyRow.due_at).order_by(col(DirtyRow.due_at)).limit(1)).first()


def receipts_of(
    session: Session, keys: Sequence[tuple[str, str]], *, limit: int
) -> dict[tuple[str, str], list[DirtyRow]]:
    """The first marks of each of these bookings, due or not, in the order they were made."""
    found: dict[tuple[str, str], list[DirtyRow]] = {key: [] for key in keys}
    if keys:
        for row in session.execute(_first_marks(), {"keys": keys, "most": limit}).scalars():
            found[row.source, row.provider_id].append(row)
    return found


def clear(session: Session, marks: Sequence[tuple[str, str, str]]) -> None:
    """Take these marks (source, provider id, receipt id) away, and none that was made meanwhile."""
    delete_keys(session, DirtyRow, marks)


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


# Composed once: with few rows that costs more than the search.


@functools.cache
def _due(of: Literal["all", "only", "without"] = "all") -> Select[Any]:
    table = table_of(DirtyRow).c
    named = table.source.in_(bindparam("sources", expanding=True))
    restricted = {"all": [], "only": [named], "without": [~named]}[of]
    return (
        select_columns(table.source, table.provider_id)
        .where(table.due_at <= bindparam("now"), *restricted)
        .group_by(table.source, table.provider_id)
        .order_by(func.min(table.due_at), table.source, table.provider_id)
        .limit(bindparam("most", type_=Integer))
    )


@functools.cache
def _first_marks() -> Select[Any]:
    order = (col(DirtyRow.marked_at), col(DirtyRow.sequence), col(DirtyRow.receipt_id))
    booking = (col(DirtyRow.source), col(DirtyRow.provider_id))
    wanted = tuple_(*booking).in_(bindparam("keys", expanding=True))
    number = func.row_number().over(partition_by=booking, order_by=order).label("number")
    numbered = select_columns(DirtyRow, number).where(wanted).subquery()
    mark = aliased(DirtyRow, numbered)
    return (
        select_columns(mark)
        .where(numbered.c.number <= bindparam("most", type_=Integer))
        .order_by(numbered.c.number)
    )


def _of(source: str, provider_id: str) -> tuple[ColumnElement[bool], ...]:
    return col(DirtyRow.source) == source, col(DirtyRow.provider_id) == provider_id
