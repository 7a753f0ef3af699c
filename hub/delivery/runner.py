"""One sink at work: looks for due keys, claims as many as there are free hands, starts a task for each."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlmodel import Session

from hub.clock import Clock
from hub.delivery import circuit
from hub.delivery.dispatch import Dispatch, Task
from hub.delivery.doorman import Doorman
from hub.delivery.outlook import Outlook, look
from hub.delivery.policy import error_class, error_message
from hub.delivery.queue import let_rest
from hub.delivery.sinks import DeliveryObserver, RunningSink, SinkActivity
from hub.delivery.worker import Worker
from hub.errors import StoreError
from hub.store import sinks
from hub.store.claims import Claim, Failure
from hub.store.database import Database

log = structlog.get_logger(__name__)

SHORTEST_WAIT = timedelta(milliseconds=10)


class SinkRunner:
    """Keeps one sink working; nothing it remembers is needed after a crash."""

    def __init__(
        self,
        sink: RunningSink,
        *,
        db: Database,
        clock: Clock,
        dispatch: Dispatch,
        worker: Worker,
        owner: str,
        poll: timedelta,
        observer: DeliveryObserver,
    ) -> None:
        self._sink = sink
        self._db = db
        self._clock = clock
        self._dispatch = dispatch
        self._worker = worker
        self._owner = owner
        self._poll = poll
        self._observer = observer
        self._doorman = Doorman(sink, db=db, clock=clock)
        self._news = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None
        self._busy: dict[str, tuple[Claim, asyncio.Task[None]]] = {}

    @property
    def activity(self) -> SinkActivity:
        return SinkActivity(opened=self._doorman.opened, in_flight=len(self._busy))

    @property
    def held_claims(self) -> tuple[Claim, ...]:
        """The claims of the keys that are being worked on."""
        return tuple(claim for claim, _ in self._busy.values())

    @property
    def lease(self) -> timedelta:
        return self._sink.lease

    @property
    def timeout(self) -> timedelta:
        """How long one call may take."""
        return self._sink.timeout

    def wake(self) -> None:
        """Something changed: look at once instead of at the next poll."""
        self._news.set()

    def start(self) -> None:
        """Begin to work, in the background."""
        self._loop = asyncio.create_task(self._run(), name=f"sink {self._sink.name}")

    async def stop(self, *, within: timedelta) -> None:
        """Take up nothing new, let calls under way come to their end, cut off the rest, close the adapter.

        A key that was cut off rests for a timeout, for its call may still have its effect.
        """
        self._stopping = True
        self.wake()
        ends = asyncio.get_running_loop().time() + within.total_seconds()
        # Not cancelled at once: keys that are claimed have to be handed over to their tasks.
        await _end([self._loop] if self._loop else [], at=ends)
        under_way = dict(self._busy)
        cut_off = await _end([task for _, task in under_way.values()], at=ends)
        await self._doorman.close()
        if cut_off:
            claims = [claim for claim, task in under_way.values() if task in cut_off]
            until = self._clock.now() + self._sink.timeout
            await self._db.write(partial(_rest, claims, until))

    async def _run(self) -> None:
        while not self._stopping:
            self._news.clear()
            wait = self._poll
            try:
                wait = await self._round()
            except Exception as error:  # noqa: BLE001 - whatever it is, the sink has to go on being looked at
                log.error("deliveries not readable", sink=self._sink.name, error=error_message(error))
            # Not wait_for: on Python 3.11 it loses a cancellation that meets the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(wait, SHORTEST_WAIT).total_seconds()):
                    await self._news.wait()

    async def _round(self) -> timedelta:
        """Start what can be started; returns how long there is nothing to do."""
        row = await self._db.read(lambda session: sinks.get(session, self._sink.name))
        if row is None or not await self._doorman.admits(row):
            return self._poll
        while (free := self._sink.concurrency - len(self._busy)) > 0 and not self._stopping:
            now = self._clock.now()
            outlook = await self._look(free, now)
            keys = [key for key in outlook.keys if key not in self._busy]
            if not keys:
                return await self._idle(outlook, now)
            tasks = await self._take(keys[:free], now)
            for task in tasks:
                self._start(task)
            if not tasks:
                return self._poll if outlook.probe else SHORTEST_WAIT
        return self._poll

    async def _look(self, free: int, now: datetime) -> Outlook:
        busy = len(self._busy)
        return await self._db.read(lambda session: look(session, self._sink, free=free, busy=busy, now=now))

    async def _take(self, keys: Sequence[str], now: datetime) -> list[Task]:
        try:
            return await self._db.write(
                lambda session: self._dispatch.take(session, keys, owner=self._owner, now=now)
            )
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one booking nobody can read must not stop the others
            if len(keys) > 1:
                return [task for key in keys for task in await self._take([key], now)]
            failure = Failure(error_class(error), error_message(error))
            log.error("key set aside", sink=self._sink.name, error=failure.message)
        await self._db.write(
            lambda session: self._dispatch.set_aside(session, keys[0], failure, owner=self._owner, now=now)
        )
        return []

    async def _idle(self, outlook: Outlook, now: datetime) -> timedelta:
        """See to what nobody else would ever move on; returns how long there is nothing to do."""
        retry, parked = self._sink.retry, outlook.parked
        if parked is not None:
            await self._db.write(lambda session: circuit.ask_again(session, parked, retry=retry, now=now))
            return SHORTEST_WAIT
        if outlook.pointless:
            await self._db.write(lambda session: circuit.ask_nobody(session, self._sink.name, now=now))
        return self._poll if outlook.again is None else min(self._poll, outlook.again - now)

    def _start(self, task: Task) -> None:
        key = task.claim.key
        running = asyncio.create_task(self._worker.work(task), name=f"deliver {self._sink.name}")
        self._busy[key] = (task.claim, running)
        self._observer.in_flight(self._sink.name, keys=len(self._busy))
        running.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: str, done: "asyncio.Task[None]") -> None:
        del self._busy[key]
        self._observer.in_flight(self._sink.name, keys=len(self._busy))
        if not done.cancelled() and (error := done.exception()) is not None:
            # The claim stays until it runs out, so that a bug here does not spin.
            log.error("delivery not recorded", sink=self._sink.name, error=type(error).__name__)
        self.wake()


async def _end(tasks: "Sequence[asyncio.Task[None]]", *, at: float) -> "set[asyncio.Task[None]]":
    """Wait for the tasks until this time of the loop, cancel what still runs and return that."""
    if not tasks:
        return set()
    remaining = max(0.0, at - asyncio.get_running_loop().time())
    _, running = await asyncio.wait(tasks, timeout=remaining)
    for task in running:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return running


def _rest(cut_off: Sequence[Claim], until: datetime, session: Session) -> None:
    for claim in cut_off:
        let_rest(session, claim, until=until)
