"""The one reader of a store: follows the log, and writes each batch as one transaction.

Projections, delivery rows and checkpoint are committed together, and the checkpoint is moved by
compare-and-set, so every event has its effect once, whatever is killed and however many hubs share
the store: of two readers at the same position one wins, the other reloads and goes on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal

import structlog
from sqlmodel import Session

from events import Envelope
from events.errors import EventError
from hub.clock import Clock
from hub.errors import CheckpointMovedError
from hub.projections.divergence import Divergence, recover, verify_checkpoint
from hub.projections.enqueue import enqueue
from hub.projections.errors import LogMismatchError
from hub.projections.feed import Feed
from hub.projections.generations import Checkpoint, extend, first_generation, live_checkpoint
from hub.projections.rebuild import Progress, Rebuilder
from hub.projections.registered import registered
from hub.projections.sinks import SinkRegistration
from hub.store import installation, sinks
from hub.store.database import Database

BATCH = 500
WAIT_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

ReaderState = Literal["starting", "reading", "rebuilding", "recovering", "waiting", "stopped"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the log a reader is: unread events, and the age of the oldest of them."""

    events: int = 0
    seconds: float = 0.0


def _no_batch(_: Sequence[Envelope]) -> None:
    """Nobody waits for batches."""


async def _no_marks(_: Divergence) -> None:
    """Nothing is derived again."""


async def _no_epoch(_: int) -> None:
    """The log is not told its epoch."""


def _no_progress(_: Progress) -> None:
    """Nobody watches the rebuild."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the reader tells the rest of the hub.

    `on_batch`: these events are visible now, wake the workers. `on_diverged`: mark what has to be
    derived again. `set_epoch`: write the epoch into the log. `reconnects`: how often the connection
    to the log was lost and regained; a change means that the checkpoint has to be verified.
    """

    on_batch: Callable[[Sequence[Envelope]], None] = _no_batch
    on_diverged: Callable[[Divergence], Awaitable[None]] = _no_marks
    set_epoch: Callable[[int], Awaitable[None]] = _no_epoch
    on_progress: Callable[[Progress], None] = _no_progress
    reconnects: Callable[[], int] = int


class Reader:
    """Follows the log until it is cancelled; `state` and `reason` say how it fares.

    Without `registrations` the sinks are those that the store knows, looked up for every batch.
    """

    def __init__(
        self,
        feed: Feed,
        database: Database,
        *,
        clock: Clock,
        registrations: Sequence[SinkRegistration] | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._feed = feed
        self._database = database
        self._clock = clock
        self._hooks = hooks or Hooks()
        self._registrations = None if registrations is None else tuple(registrations)
        self._rebuilder = Rebuilder(feed, database, clock=clock)
        self._checkpoint: Checkpoint | None = None
        self._batch = BATCH
        self._turn = asyncio.Lock()
        self._pause = FIRST_PAUSE_SECONDS
        self._measured = 0.0
        self.state: ReaderState = "starting"
        self.reason: str | None = None
        self.lag = Lag()
        self.divergence: Divergence | None = None

    @property
    def position(self) -> int:
        """The last position that is in the tables, as far as this reader knows."""
        return self._checkpoint.position if self._checkpoint else 0

    @property
    def generation(self) -> int:
        """The generation this reader feeds."""
        return self._checkpoint.generation if self._checkpoint else 0

    @property
    def is_verified(self) -> bool:
        """Whether the log was found to be the one this store has read, since the connection stands."""
        return self.state in ("reading", "rebuilding", "stopped")

    async def run(self) -> None:
        """Follow the log; returns only when it met an event this code does not know (`stopped`)."""
        while True:
            try:
                await self.prepare()
                await self._follow()
            except EventError as error:
                self._is("stopped", str(error))
                _log.error("reader_stopped", position=self.position, reason=str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it was, the hub runs on and says so
                await self._pause_after(error)

    async def prepare(self) -> None:
        """Verify the checkpoint, recover from a divergence, rebuild what other code has written.

        Afterwards the live generation exists and belongs to this log.
        """
        if self.state == "reading":
            self._is("starting")
        async with self._turn:
            created_at = (await self._feed.state()).created_at
            make = partial(first_generation, log_created=created_at, now=self._clock.now())
            await self._database.write(make)
            mismatch = await verify_checkpoint(self._feed, self._database)
            if mismatch is not None:
                await self._recover(mismatch)
            outdated = await self._rebuilder.outdated()
            if outdated:
                self._is("rebuilding", f"other code wrote {', '.join(outdated)}")
                await self._rebuilder.rebuild(progress=self._hooks.on_progress)
            await self._rebuilder.clean()
            await self._load()
        self._is("reading")

    async def step(self) -> int:
        """Read and apply one batch; returns how many events there were, 0 at the end of the log.

        LogMismatchError if the checkpoint's event is not where it was.
        """
        async with self._turn:
            checkpoint = self._checkpoint or await self._load()
            envelopes = await self._after(checkpoint)
            if not envelopes:
                return 0
            try:
                await self._database.write(partial(self._apply, checkpoint, envelopes))
            except CheckpointMovedError:
                # Another reader was faster, or a rebuild has switched; nothing of this batch was written.
                self._checkpoint = None
                return len(envelopes)
            last = envelopes[-1]
            self._checkpoint = replace(checkpoint, position=last.position, event_id=last.event_id)
        self._hooks.on_batch(envelopes)
        return len(envelopes)

    async def measure(self) -> Lag:
        """The lag at this moment, asked of the log."""
        self._measured = time.monotonic()
        last = (await self._feed.state()).last
        checkpoint = await self._database.read(live_checkpoint)
        position = checkpoint.position if checkpoint else 0
        oldest = await self._feed.read_raw(position, 1) if last > position else ()
        seconds = (self._clock.now() - oldest[0].recorded_at) / timedelta(seconds=1) if oldest else 0.0
        self.lag = Lag(max(0, last - position), max(0.0, seconds))
        return self.lag

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold the reader between two batches."""
        async with self._turn:
            yield

    async def _follow(self) -> None:
        """Read until something asks for verifying anew."""
        reconnects = self._hooks.reconnects()
        bell = await self._feed.doorbell()
        try:
            while self._hooks.reconnects() == reconnects:
                count = await self._step_or_narrow()
                self._pause = FIRST_PAUSE_SECONDS
                if time.monotonic() - self._measured > WAIT_SECONDS:
                    await self.measure()
                if not count:
                    await bell.wait(WAIT_SECONDS)
        finally:
            await bell.close()

    async def _step_or_narrow(self) -> int:
        """One step; an event that cannot be read does not keep those before it from being applied."""
        try:
            count = await self.step()
        except EventError:
            if self._batch == 1:
                raise
            self._batch //= 2
            return 1
        self._batch = min(BATCH, self._batch * 2)
        return count

    async def _after(self, checkpoint: Checkpoint) -> Sequence[Envelope]:
        """The next events; read together with the checkpoint's own, which proves that they follow it."""
        if not checkpoint.position:
            return await self._feed.read(0, self._batch)
        found = await self._feed.read(checkpoint.position - 1, self._batch + 1)
        if not found or found[0].event_id != checkpoint.event_id:
            raise LogMismatchError(
                f"position {checkpoint.position} does not hold event {checkpoint.event_id}"
            )
        return found[1:]

    def _apply(self, checkpoint: Checkpoint, envelopes: Sequence[Envelope], session: Session) -> None:
        now = self._clock.now()
        extend(session, checkpoint, envelopes, log_created=checkpoint.log_created, now=now)
        enqueue(session, envelopes, self._sinks(session), generation=checkpoint.generation, now=now)
        installation.note_position(session, envelopes[-1].position)

    def _sinks(self, session: Session) -> Sequence[SinkRegistration]:
        return registered(session) if self._registrations is None else self._registrations

    async def _load(self) -> Checkpoint:
        checkpoint, starts = await self._database.read(_where_to_go_on)
        if checkpoint is None:
            raise CheckpointMovedError("the store has no live generation")
        if self._registrations is not None:
            # Starts move back when the log loses its end; another hub may have done that.
            self._registrations = tuple(
                replace(sink, start_position=starts.get(sink.name, sink.start_position))
                for sink in self._registrations
            )
        self._checkpoint = checkpoint
        return checkpoint

    async def _recover(self, mismatch: str) -> None:
        self._is("recovering", mismatch)
        self._checkpoint = None
        self.divergence = await recover(
            self._feed,
            self._database,
            self._rebuilder,
            self._sinks,
            reason=mismatch,
            clock=self._clock,
            on_diverged=self._hooks.on_diverged,
            set_epoch=self._hooks.set_epoch,
        )

    async def _pause_after(self, error: Exception) -> None:
        self._checkpoint = None
        self._is("waiting", f"{type(error).__name__}: {error}")
        _log.warning("reader_waits", position=self.position, error=type(error).__name__, reason=str(error))
        await asyncio.sleep(self._pause)
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)

    def _is(self, state: ReaderState, reason: str | None = None) -> None:
        self.state, self.reason = state, reason


def _where_to_go_on(session: Session) -> tuple[Checkpoint | None, dict[str, int]]:
    return live_checkpoint(session), {row.name: row.start_position for row in sinks.every(session)}
