"""A sink under another name, or forgotten: all that is kept under the name goes along."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from hub.store.statements import table_of
from hub.store.tables import (
    AttemptRow,
    ClaimRow,
    DeliveryRow,
    DriftCheckRow,
    DriftRow,
    FormerReceiptRow,
    LedgerEntryRow,
    LedgerRow,
    PublishedRow,
    Row,
    SinkRow,
    StrayRow,
    TargetReceiptRow,
)

NAMED: tuple[type[Row], ...] = (
    DeliveryRow,
    AttemptRow,
    ClaimRow,
    TargetReceiptRow,
    FormerReceiptRow,
    LedgerRow,
    LedgerEntryRow,
    PublishedRow,
    StrayRow,
    DriftRow,
    DriftCheckRow,
)
"""Every table with a column `sink`; a test looks for others."""

ROWS_AT_ONCE = 2_000


def carry_over(session: Session, *, old: str, new: str) -> bool:
    """Everything of the old name is the new one's; False if there is nothing to carry, or no room for it.

    Run again it finds nothing. The first name stays known: idempotency keys are made with it.
    """
    former = session.get(SinkRow, old)
    if former is None or session.get(SinkRow, new) is not None:
        return False
    first = former.first_name or old
    session.execute(update(SinkRow).where(col(SinkRow.name) == old).values(name=new, first_name=first))
    session.expire_all()
    for model in NAMED:
        table = table_of(model)
        session.execute(update(table).where(table.c.sink == old).values(sink=new))
    return True


def forget_some(session: Session, sink: str) -> int:
    """Delete a part of what is known of a sink; 0 once all is gone, the sink itself last."""
    for model in NAMED:
        table = table_of(model)
        keys: list[Any] = list(table.primary_key)
        some = select(*keys).where(table.c.sink == sink).limit(ROWS_AT_ONCE).subquery()
        chosen = [table.c[key.key] == some.c[key.key] for key in keys]
        deleted = session.connection().execute(
            delete(table).where(table.c.sink == sink, select(some).where(*chosen).exists())
        )
        if deleted.rowcount:
            return deleted.rowcount
    return session.exec(delete(SinkRow).where(col(SinkRow.name) == sink)).rowcount
