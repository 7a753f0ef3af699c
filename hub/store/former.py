"""What sinks left behind: receipts of a target that their configuration does not name any more.

They say where objects still are that nobody keeps in step. A target that is named again gets its
receipts back, so that its objects are found and not doubled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, literal
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from hub.store.columns import UtcDateTime
from hub.store.statements import insert_for, table_of
from hub.store.tables import FormerReceiptRow, TargetReceiptRow

_held = table_of(TargetReceiptRow)
_former = table_of(FormerReceiptRow)
_SHARED = [column.key for column in _held.columns]


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """How many objects a sink left at a former target, and when it turned away from it."""

    target: str
    count: int
    since: datetime


def turn_to(session: Session, sink: str, *, target: str, now: datetime) -> int:
    """The sink writes to this target from now on: its receipts come back, those of others are set aside.

    Returns how many were set aside. A receipt without a target is of whatever target there was.
    """
    others = (_held.c.sink == sink, _held.c.target.is_not(None), _held.c.target != target)
    count: int = session.execute(sql_select(func.count()).select_from(_held).where(*others)).scalar_one()
    if count:
        columns = [_held.c[name] for name in _SHARED]
        left = sql_select(*columns, literal(now, UtcDateTime).label("left_at")).where(*others)
        aside = insert_for(session, FormerReceiptRow).from_select([*_SHARED, "left_at"], left)
        keys = [column.key for column in _former.primary_key]
        renewed = {name: aside.excluded[name] for name in (*_SHARED, "left_at") if name not in keys}
        session.execute(aside.on_conflict_do_update(index_elements=keys, set_=renewed))
        session.execute(delete(_held).where(*others))
    mine = (_former.c.sink == sink, _former.c.target == target)
    back = sql_select(*(_former.c[name] for name in _SHARED)).where(*mine)
    session.execute(insert_for(session, TargetReceiptRow).from_select(_SHARED, back).on_conflict_do_nothing())
    session.execute(delete(_former).where(*mine))
    return count


def counts(session: Session) -> Mapping[str, Sequence[LeftBehind]]:
    """What every sink left behind, by former target."""
    found: dict[str, list[LeftBehind]] = {}
    grouped = select(
        FormerReceiptRow.sink, FormerReceiptRow.target, func.count(), func.min(FormerReceiptRow.left_at)
    ).group_by(col(FormerReceiptRow.sink), col(FormerReceiptRow.target))
    for sink, target, count, since in session.execute(grouped.order_by(col(FormerReceiptRow.target))):
        found.setdefault(sink, []).append(LeftBehind(target, count, since))
    return found


def of_sink(session: Session, sink: str, *, limit: int) -> list[FormerReceiptRow]:
    """Some of what a sink left behind."""
    order = (col(FormerReceiptRow.target), col(FormerReceiptRow.key), col(FormerReceiptRow.part))
    mine: ColumnElement[bool] = col(FormerReceiptRow.sink) == sink
    return list(session.exec(select(FormerReceiptRow).where(mine).order_by(*order).limit(limit)))


def forget(session: Session, sink: str) -> int:
    """Nobody wants to know any more; returns how many there were."""
    return session.exec(delete(FormerReceiptRow).where(col(FormerReceiptRow.sink) == sink)).rowcount
