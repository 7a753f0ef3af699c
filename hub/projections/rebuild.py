"""All projections again from the first event, beside the ones that serve.

A new generation is filled in batches and takes over in one transaction, at exactly the position the
live one has reached; it never runs ahead, for the delivery rows of an event are written by the reader
alone. A rebuild that dies leaves the old generation serving, and what it left is removed by the next
start or rebuild (docs/adr/0007).
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlmodel import Session, col

from events import Envelope
from hub.clock import Clock
from hub.projections import VERSIONS
from hub.projections.compare import Difference, differences
from hub.projections.errors import LogMismatchError, RebuildLostError, RebuildRunningError
from hub.projections.feed import Feed
from hub.projections.generations import (
    Checkpoint,
    checkpoint_of,
    delete_some,
    extend,
    left_over,
    live_checkpoint,
)
from hub.store import checkpoints, leases
from hub.store.database import Database
from hub.store.tables import TimelineRow

BATCH = 1_000
LEASE = "rebuild"
LEASE_LENGTH = timedelta(seconds=60)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is; both counts are events."""

    done: int
    total: int
    rate_per_second: float

    @property
    def remaining_seconds(self) -> float | None:
        """None until the rate is known."""
        return (self.total - self.done) / self.rate_per_second if self.rate_per_second else None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The generation that serves now."""

    generation: int
    position: int
    seconds: float


OnProgress = Callable[[Progress], None]
Keep = Callable[[Session, Sequence[Envelope]], Sequence[Envelope]]


def _ignore(_: Progress) -> None:
    """Nobody wants to know."""


def _all_of_them(_: Session, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
    return envelopes


class Rebuilder:
    """Rebuilds one store, at most one at a time over all processes."""

    def __init__(self, feed: Feed, database: Database, *, clock: Clock) -> None:
        self._feed = feed
        self._database = database
        self._clock = clock
        self._owner = f"rebuild-{uuid.uuid4().hex}"

    async def outdated(self) -> tuple[str, ...]:
        """Projections whose live rows were written by another version of the code."""
        live = await self._database.read(live_checkpoint)
        return live.outdated if live else ()

    async def rebuild(self, *, progress: OnProgress = _ignore) -> Rebuilt:
        """Fill a new generation and let it take over; the live one serves and follows the log meanwhile."""
        async with self.alone():
            started = time.monotonic()
            new = await self._start()
            while not (switched := await self._take_over(new)):
                new = await self._fill(new, await self._live_position(), progress=progress)
            await self._sweep()
        seconds = time.monotonic() - started
        _log.info(
            "rebuilt", generation=switched.generation, events=switched.position, seconds=round(seconds, 1)
        )
        return Rebuilt(switched.generation, switched.position, seconds)

    async def verify(
        self,
        *,
        progress: OnProgress = _ignore,
        pause: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> tuple[Difference, ...]:
        """Rebuild, compare row by row with the live generation, and throw the new one away.

        `pause` holds the reader while the last events are caught up; without it a busy log may have
        to be chased for a while.
        """
        async with self.alone():
            new = await self._start()
            new = await self._fill(new, await self._live_position(), progress=progress)
            while True:
                async with pause():
                    new = await self._fill(new, await self._live_position(), progress=progress)
                    found = await self._compared(new)
                if found is not None:
                    break
            await self._sweep()
        return found

    async def clean(self) -> None:
        """Remove what killed rebuilds have left, unless a rebuild runs right now."""
        if await self._database.read(left_over):
            try:
                async with self.alone():
                    pass
            except RebuildRunningError:
                return

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the lease, on a store without left-over generations; RebuildRunningError if it is taken."""
        if not await self._database.write(self._acquire):
            raise RebuildRunningError("a rebuild of this store is running already")
        try:
            await self._sweep()
            yield
        finally:
            await self._database.write(lambda session: leases.release(session, LEASE, owner=self._owner))

    async def fill_agreeing(self) -> tuple[Checkpoint, Checkpoint]:
        """Fill a generation as far as the log and the live timeline hold the same events; both checkpoints.

        Belongs inside `alone`.
        """
        live = await self._database.read(live_checkpoint)
        if live is None:
            raise RebuildLostError("there is no live generation to compare with")
        last = (await self._feed.state()).last
        new = await self._start()

        def agreeing(session: Session, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
            return envelopes[: _agreeing(session, live.generation, envelopes)]

        return live, await self._fill(new, min(live.position, last), keep=agreeing)

    def hold(self, session: Session) -> None:
        """Prove, in a transaction of the rebuild, that it is still the only one."""
        if not leases.renew(session, LEASE, owner=self._owner, now=self._clock.now(), length=LEASE_LENGTH):
            raise RebuildLostError("the lease of this rebuild ran out; another one may be at work")

    def _acquire(self, session: Session) -> bool:
        now = self._clock.now()
        return leases.acquire(session, LEASE, owner=self._owner, now=now, length=LEASE_LENGTH)

    async def _live_position(self) -> int:
        live = await self._database.read(live_checkpoint)
        return live.position if live else 0

    async def _start(self) -> Checkpoint:
        created_at = (await self._feed.state()).created_at

        def start(session: Session) -> Checkpoint:
            self.hold(session)
            row = checkpoints.start_generation(
                session, now=self._clock.now(), versions=VERSIONS, log_created=created_at
            )
            return checkpoint_of(session, row.generation)

        return await self._database.write(start)

    async def _fill(
        self, new: Checkpoint, upto: int, *, progress: OnProgress = _ignore, keep: Keep = _all_of_them
    ) -> Checkpoint:
        """Read on to a position, or to where `keep` first keeps less than it was given."""
        first, started = new.position, time.monotonic()
        async with aclosing(_read_ahead(self._feed, new.position, upto)) as batches:
            async for envelopes in batches:
                kept = await self._write(new, envelopes, keep)
                if kept:
                    new = replace(new, position=kept[-1].position, event_id=kept[-1].event_id)
                rate = (new.position - first) / max(time.monotonic() - started, 1e-6)
                progress(Progress(new.position, upto, rate))
                if len(kept) < len(envelopes):
                    break
        return new

    async def _write(self, new: Checkpoint, envelopes: Sequence[Envelope], keep: Keep) -> Sequence[Envelope]:
        def write(session: Session) -> Sequence[Envelope]:
            self.hold(session)
            kept = keep(session, envelopes)
            if kept:
                extend(session, new, kept, log_created=new.log_created, now=self._clock.now())
            return kept

        return await self._database.write(write)

    async def _take_over(self, new: Checkpoint) -> Checkpoint | None:
        """Switch if the live generation can be reached within one batch; None if it is further ahead."""
        ahead = await self._feed.read(new.position, BATCH)

        def switch(session: Session) -> Checkpoint | None:
            live = live_checkpoint(session, lock=True)
            if live is None or live.generation == new.generation:
                return live
            self.hold(session)
            missing = [envelope for envelope in ahead if envelope.position <= live.position]
            if live.position != (missing[-1].position if missing else new.position):
                return None
            if missing:
                extend(session, new, missing, log_created=new.log_created, now=self._clock.now())
            reached = checkpoint_of(session, new.generation)
            if reached.event_id != live.event_id:
                raise LogMismatchError(f"the log holds another event at position {live.position}")
            checkpoints.switch(session, new.generation, now=self._clock.now())
            return replace(reached, live=True)

        return await self._database.write(switch)

    async def _compared(self, new: Checkpoint) -> tuple[Difference, ...] | None:
        def compare(session: Session) -> tuple[Difference, ...] | None:
            live = live_checkpoint(session)
            if live is None or live.position != new.position:
                return None
            return tuple(differences(session, live.generation, new.generation))

        return await self._database.read(compare)

    async def _sweep(self) -> None:
        for generation in await self._database.read(left_over):
            while await self._database.write(partial(self._swept, generation)):
                pass

    def _swept(self, generation: int, session: Session) -> int:
        self.hold(session)
        return delete_some(session, generation)


async def _read_ahead(feed: Feed, after: int, upto: int) -> AsyncGenerator[list[Envelope]]:
    """The events of (after, upto] in batches, the next of which is read while one is worked on."""
    if after >= upto:
        return
    reading = asyncio.create_task(feed.read(after, min(BATCH, upto - after)))
    try:
        while after < upto:
            envelopes = await reading
            if not envelopes:
                raise LogMismatchError(
                    f"the log ends after position {after}, position {upto} was read before"
                )
            after = envelopes[-1].position
            if after < upto:
                reading = asyncio.create_task(feed.read(after, min(BATCH, upto - after)))
            yield envelopes
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _agreeing(session: Session, generation: int, envelopes: Sequence[Envelope]) -> int:
    """How many of these events, from the first on, stand at the same position in a timeline."""
    rows = session.execute(
        select(col(TimelineRow.position), col(TimelineRow.event_id)).where(
            col(TimelineRow.generation) == generation,
            col(TimelineRow.position).between(envelopes[0].position, envelopes[-1].position),
        )
    )
    known = {row.position: row.event_id for row in rows}
    for count, envelope in enumerate(envelopes):
        if known.get(envelope.position) != envelope.event_id:
            return count
    return len(envelopes)
