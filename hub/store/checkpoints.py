"""How far each generation of the projections has read; exactly one generation is live.

A checkpoint is position, event id there and the stream's creation time. Advancing it is a
compare-and-set in the transaction that writes the projections: fence and lease of the reader in one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlmodel import Session, col, select

from hub.errors import CheckpointMovedError
from hub.store.statements import table_of
from hub.store.tables import (
    AttendeeRow,
    BookingRow,
    CheckpointRow,
    ContactRow,
    ProviderIdRow,
    Row,
    TimelineRow,
)

PROJECTION_TABLES: tuple[type[Row], ...] = (BookingRow, AttendeeRow, ContactRow, TimelineRow, ProviderIdRow)


def live(session: Session) -> CheckpointRow | None:
    """The generation readers use; None only before the first one was started."""
    return session.exec(select(CheckpointRow).where(col(CheckpointRow.live).is_(True))).one_or_none()


def every(session: Session) -> list[CheckpointRow]:
    """All generations, oldest first."""
    return list(session.exec(select(CheckpointRow).order_by(col(CheckpointRow.generation))))


def start_generation(
    session: Session,
    *,
    now: datetime,
    versions: Mapping[str, Any],
    log_created: str | None,
    live: bool = False,
) -> CheckpointRow:
    """A new generation at position 0 beside the others; `live` only for the very first."""
    newest = session.exec(select(func.max(CheckpointRow.generation))).one()
    row = CheckpointRow(
        generation=(newest or 0) + 1,
        live=live,
        log_created=log_created,
        versions=dict(versions),
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return row


_TABLE = table_of(CheckpointRow)
_ADVANCE = (
    update(_TABLE)
    .where(
        _TABLE.c.generation == bindparam("of_generation"),
        _TABLE.c.position == bindparam("at_position"),
        _TABLE.c.live == bindparam("is_live"),
    )
    .values({name: bindparam(name) for name in ("position", "event_id", "log_created", "updated_at")})
)


def advance(
    session: Session,
    generation: int,
    *,
    expected_position: int,
    new_position: int,
    event_id: str | None,
    log_created: str | None,
    now: datetime,
    live: bool = True,
) -> None:
    """Move the checkpoint on, or raise CheckpointMovedError: another reader was here, or it was switched.

    Belongs into the transaction that holds what was read; raising undoes that too.
    """
    values = {
        "of_generation": generation,
        "at_position": expected_position,
        "is_live": live,
        "position": new_position,
        "event_id": event_id,
        "log_created": log_created,
        "updated_at": now,
    }
    moved = session.connection().execute(_ADVANCE, values).rowcount
    if moved != 1:
        raise CheckpointMovedError(
            f"the checkpoint of generation {generation} is not at position {expected_position} any more"
        )


def switch(session: Session, generation: int, *, now: datetime) -> None:
    """Make this generation the live one; CheckpointMovedError if it has not caught up with the live one."""
    rows = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.generation)).with_for_update()).all()
    wanted = next((row for row in rows if row.generation == generation), None)
    serving = next((row for row in rows if row.live), None)
    if wanted is None or (serving is not None and wanted.position < serving.position):
        raise CheckpointMovedError(f"generation {generation} has not caught up with the live one")
    _set_live(session, serving, False, now)
    _set_live(session, wanted, True, now)


def _set_live(session: Session, row: CheckpointRow | None, live: bool, now: datetime) -> None:
    if row is None:
        return
    row.live = live
    row.updated_at = now
    # One by one, for the index allows only one live row at any time.
    session.flush()
