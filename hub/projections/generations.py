"""Making, filling, serving and removing generations of the projection tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Delete, delete, select, tuple_
from sqlmodel import Session, col

from events import Envelope
from hub.errors import CheckpointMovedError
from hub.projections import PROJECTIONS, VERSIONS
from hub.projections.base import apply_all
from hub.store import checkpoints
from hub.store.statements import table_of
from hub.store.tables import CheckpointRow

ROWS_PER_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a generation has read: `event_id` stands at `position` in the stream made at `log_created`."""

    generation: int
    live: bool
    position: int
    event_id: str | None
    log_created: str | None
    outdated: tuple[str, ...]
    """Projections whose rows another version of the code has written."""


def live_checkpoint(session: Session, *, lock: bool = False) -> Checkpoint | None:
    """That of the generation which serves; None in a store that has read nothing yet."""
    row = _one(session, col(CheckpointRow.live).is_(True), lock=lock)
    return None if row is None else _read(row)


def checkpoint_of(session: Session, generation: int) -> Checkpoint:
    """That of one generation; CheckpointMovedError if the generation is gone."""
    row = _one(session, col(CheckpointRow.generation) == generation, lock=False)
    if row is None:
        raise CheckpointMovedError(f"generation {generation} is gone")
    return _read(row)


def _one(session: Session, wanted: ColumnElement[bool], *, lock: bool) -> CheckpointRow | None:
    statement = select(CheckpointRow).where(wanted)
    if lock:
        statement = statement.with_for_update()
    # Not from the session's memory: statements move checkpoints past it.
    return session.execute(statement.execution_options(populate_existing=True)).scalar_one_or_none()


def _read(row: CheckpointRow) -> Checkpoint:
    outdated = sorted(name for name, version in VERSIONS.items() if row.versions.get(name) != version)
    return Checkpoint(row.generation, row.live, row.position, row.event_id, row.log_created, tuple(outdated))


def first_generation(session: Session, *, log_created: str, now: datetime) -> Checkpoint:
    """The live checkpoint, made at position 0 if the store has none."""
    known = live_checkpoint(session)
    if known is not None:
        return known
    row = checkpoints.start_generation(
        session, now=now, versions=VERSIONS, log_created=log_created, live=True
    )
    return _read(row)


def extend(
    session: Session,
    before: Checkpoint,
    envelopes: Sequence[Envelope],
    *,
    log_created: str | None,
    now: datetime,
) -> None:
    """Apply the events after a checkpoint and move it, or raise CheckpointMovedError and change nothing."""
    last = envelopes[-1]
    # First of all: on PostgreSQL this is where a second reader waits for the first, and then yields.
    checkpoints.advance(
        session,
        before.generation,
        expected_position=before.position,
        new_position=last.position,
        event_id=last.event_id,
        log_created=log_created,
        now=now,
        live=before.live,
    )
    apply_all(PROJECTIONS, envelopes, session, before.generation)


def left_over(session: Session) -> list[int]:
    """Generations that serve nobody: superseded ones, and what killed rebuilds have left."""
    return [row.generation for row in checkpoints.every(session) if not row.live]


def delete_some(session: Session, generation: int) -> int:
    """Delete a part of a generation that is not live; 0 once it is gone, its checkpoint last."""
    row = _one(session, col(CheckpointRow.generation) == generation, lock=False)
    if row is None:
        return 0
    if row.live:
        raise CheckpointMovedError(f"generation {generation} serves")
    for model in checkpoints.PROJECTION_TABLES:
        table = table_of(model)
        keys = [column for column in table.primary_key if column.key != "generation"]
        mine = table.c.generation == generation
        chunk = select(*keys).where(mine).order_by(*keys)
        end = session.execute(chunk.offset(ROWS_PER_CHUNK - 1).limit(1)).first()
        upto = [] if end is None else [tuple_(*keys) <= tuple_(*end)]
        deleted = _deleted(session, delete(table).where(mine, *upto))
        if deleted:
            return deleted
    last = table_of(CheckpointRow)
    return _deleted(session, delete(last).where(last.c.generation == generation))


def _deleted(session: Session, statement: Delete) -> int:
    return session.connection().execute(statement).rowcount
