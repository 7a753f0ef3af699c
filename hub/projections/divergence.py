"""Positions are checked, not trusted: is the log still the one this store has read, and if not, what then.

After a torn tail, a restore or a re-created stream the same positions come back for other events. Then
the projections are rebuilt up to the last position where log and timeline agree, and reading goes on
from there, so an event that re-uses a position is read like any other (docs/adr/0007).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlmodel import Session, col

from hub.clock import Clock
from hub.projections.aftermath import settle_deliveries
from hub.projections.errors import RebuildLostError
from hub.projections.feed import Feed, FeedState
from hub.projections.generations import Checkpoint, live_checkpoint
from hub.projections.rebuild import Rebuilder
from hub.projections.sinks import SinkRegistration
from hub.store import checkpoints, installation, receipts
from hub.store.database import Database
from hub.store.tables import TimelineRow

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Divergence:
    """The log lost what it held after `last_agreeing_position`.

    `since` is when the last event both sides hold was recorded (None: there is none); receipts from
    then on, and those that waited at that moment, may be behind lost facts. `epoch` is the one that
    begins with the recovery.
    """

    last_agreeing_position: int
    since: datetime | None
    epoch: int
    reason: str


OnDiverged = Callable[[Divergence], Awaitable[None]]
SetEpoch = Callable[[int], Awaitable[None]]


async def verify_checkpoint(feed: Feed, database: Database) -> str | None:
    """Why the log is not the one this store has read; None if everything agrees."""

    def known(session: Session) -> tuple[Checkpoint | None, int]:
        row = installation.get(session)
        return live_checkpoint(session), row.last_known_position if row else 0

    # The store first: its positions were in the log before they were written here.
    checkpoint, last_known = await database.read(known)
    state = await feed.state()
    position = checkpoint.position if checkpoint else 0
    if checkpoint and checkpoint.log_created not in (None, state.created_at):
        return (
            f"the stream was made anew at {state.created_at}, the one read before at {checkpoint.log_created}"
        )
    if state.last < max(position, last_known):
        return f"the log ends at position {state.last}, it reached {max(position, last_known)} before"
    if checkpoint and position:
        found = await feed.event_id_at(position)
        if found != checkpoint.event_id:
            return f"position {position} holds event {found}, it held {checkpoint.event_id} before"
    return None


async def recover(
    feed: Feed,
    database: Database,
    rebuilder: Rebuilder,
    sinks: Callable[[Session], Sequence[SinkRegistration]],
    *,
    reason: str,
    clock: Clock,
    on_diverged: OnDiverged,
    set_epoch: SetEpoch,
) -> Divergence:
    """Bring the store in step with a log that is not the one it has read.

    `on_diverged` marks what has to be derived again and comes before the switch: until the switch
    is committed the divergence is found again at every start, so a crash loses no mark. It may
    therefore be called twice for one divergence.
    """
    _log.error("log_diverged", reason=reason)
    async with rebuilder.alone():
        live, agreed = await rebuilder.fill_agreeing()
        state = await feed.state()
        divergence = await database.read(lambda session: _described(session, agreed, reason))
        await on_diverged(divergence)

        def switch(session: Session) -> None:
            rebuilder.hold(session)
            _switch(session, live, agreed, divergence, state=state, now=clock.now())
            settle_deliveries(session, sinks(session), old=live.generation, agreed=agreed, now=clock.now())

        await database.write(switch)
    await set_epoch(divergence.epoch)
    _log.warning("log_recovered", last_agreeing=agreed.position, epoch=divergence.epoch)
    return divergence


def _described(session: Session, agreed: Checkpoint, reason: str) -> Divergence:
    row = installation.get(session)
    recorded_at = session.execute(
        select(col(TimelineRow.recorded_at)).where(
            col(TimelineRow.generation) == agreed.generation, col(TimelineRow.position) == agreed.position
        )
    ).scalar_one_or_none()
    return Divergence(agreed.position, recorded_at, (row.epoch if row else 1) + 1, reason)


def _switch(
    session: Session,
    live: Checkpoint,
    agreed: Checkpoint,
    divergence: Divergence,
    *,
    state: FeedState,
    now: datetime,
) -> None:
    serving = live_checkpoint(session, lock=True)
    if serving is not None and serving.generation == agreed.generation:
        return
    if serving != live:
        raise RebuildLostError("somebody else moved the checkpoint while the divergence was recovered")
    # What the old generation claims to have read beyond the agreement never counts again.
    checkpoints.advance(
        session,
        live.generation,
        expected_position=live.position,
        new_position=agreed.position,
        event_id=agreed.event_id,
        log_created=agreed.log_created,
        now=now,
    )
    checkpoints.switch(session, agreed.generation, now=now)
    installation.get_or_create(session, now=now)
    installation.raise_epoch(
        session, expected=divergence.epoch - 1, log_created=state.created_at, position=state.last, now=now
    )
    receipts.clear_positions(session)
