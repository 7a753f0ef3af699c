"""What each target holds for each part, as far as the hub has seen it."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, or_, update
from sqlmodel import Session, col, select

from hub.store.statements import insert_for, table_of, upsert, values_of
from hub.store.tables import TargetReceiptRow


def get(session: Session, *, sink: str, key: str) -> dict[str, TargetReceiptRow]:
    """The receipts of one key by part."""
    rows = session.exec(
        select(TargetReceiptRow).where(TargetReceiptRow.sink == sink, TargetReceiptRow.key == key)
    )
    return {row.part: row for row in rows}


def counts(session: Session) -> dict[str, int]:
    """For how many keys each sink's target holds something."""
    keys = func.count(col(TargetReceiptRow.key).distinct())
    return dict(session.exec(select(TargetReceiptRow.sink, keys).group_by(col(TargetReceiptRow.sink))).all())


def put(session: Session, row: TargetReceiptRow) -> bool:
    """Keep a receipt; False if a newer one of the same epoch and target is there, which stays.

    Another epoch counts its positions anew, and another target is another object: neither blocks.
    """
    columns = table_of(TargetReceiptRow).c
    offered = insert_for(session, TargetReceiptRow).excluded
    may_replace = or_(
        columns.epoch != offered["epoch"],
        columns.position <= offered["position"],
        columns.target.is_distinct_from(offered["target"]),
    )
    return bool(upsert(session, TargetReceiptRow, [values_of(row)], where=may_replace))


def doubt(session: Session, *, sink: str, keys: Sequence[str]) -> int:
    """A call begins whose effect may never be known: until a receipt is put, nobody knows what is there.

    Without a fingerprint no adapter takes the object for unchanged. Otherwise a state that comes back
    after a lost reply would be left as the lost call wrote it.
    """
    mine = (col(TargetReceiptRow.sink) == sink, col(TargetReceiptRow.key).in_(keys))
    statement = update(TargetReceiptRow).where(*mine).values(fingerprint=None)
    return session.exec(statement.execution_options(synchronize_session=False)).rowcount


def delete_parts(session: Session, *, sink: str, key: str, parts: Sequence[str] | None = None) -> int:
    """The target holds nothing for these parts any more; None = for the whole key."""
    conditions: list[ColumnElement[bool]] = [
        col(TargetReceiptRow.sink) == sink,
        col(TargetReceiptRow.key) == key,
    ]
    if parts is not None:
        conditions.append(col(TargetReceiptRow.part).in_(parts))
    return session.exec(delete(TargetReceiptRow).where(*conditions)).rowcount


def clear_positions(session: Session, *, sink: str | None = None) -> int:
    """Positions mean nothing after a divergence: the next state of every key may be written."""
    mine = [] if sink is None else [col(TargetReceiptRow.sink) == sink]
    return session.exec(update(TargetReceiptRow).where(*mine).values(position=0)).rowcount
