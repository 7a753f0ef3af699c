"""Delivers: one runner per sink, all of them kept, woken and stopped here.

The engine holds nothing that a restart needs. What is to be done are rows, who does it are claims,
what was reached are receipts; several engines on one database share the work.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import structlog
from sqlmodel import Session

from hub.clock import Clock
from hub.delivery.dispatch import Dispatch
from hub.delivery.policy import error_message
from hub.delivery.queue import forget_claims, leave_claims
from hub.delivery.retry import Sleep
from hub.delivery.runner import SinkRunner
from hub.delivery.sinks import (
    DeliveryObserver,
    KeepRefunds,
    LoadBooking,
    LoadContact,
    LoadEnvelope,
    NoObserver,
    RunningSink,
    SinkActivity,
    keep_no_refunds,
)
from hub.delivery.worker import Worker
from hub.errors import StoreError
from hub.store import claims
from hub.store.claims import Claim
from hub.store.database import Database

log = structlog.get_logger(__name__)

RENEWALS_PER_LEASE = 3
LONGEST_UNRENEWED = timedelta(seconds=10)
"""A sink that comes while the engine runs may have the shortest lease there can be."""

RECORDING = timedelta(seconds=10)
"""How long what a call came to may take to be written down after the last moment it may end at."""


class DeliveryEngine:
    """Runs the deliveries of the configured sinks in this process."""

    def __init__(
        self,
        db: Database,
        sinks: Sequence[RunningSink],
        clock: Clock,
        *,
        load_booking: LoadBooking,
        load_contact: LoadContact,
        load_envelope: LoadEnvelope,
        keep_refunds: KeepRefunds = keep_no_refunds,
        owner: str,
        epoch: int = 1,
        alone: bool = False,
        poll: timedelta = timedelta(seconds=1),
        renew_every: timedelta | None = None,
        observer: DeliveryObserver | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`owner` names this hub in claims, those of a predecessor that was killed included.

        `epoch` is the one the adapters' contexts carry. `alone` promises that no other process works on
        this store, so that claims found at the start belong to the dead and need not run out first.
        `poll` bounds how late a row is noticed that nobody announced; claims are renewed long before they
        run out unless `renew_every` says otherwise.
        """
        self._db = db
        self._clock = clock
        self._alone = alone
        self._names = [sink.name for sink in sinks]
        self._renew_every = renew_every
        self._hub = owner
        # A restarted engine of the same name must not take the claims of its predecessor for its own.
        self._owner = f"{owner}/{uuid4().hex[:8]}"
        watching = observer or NoObserver()

        def runner(sink: RunningSink) -> SinkRunner:
            return SinkRunner(
                sink,
                db=db,
                clock=clock,
                dispatch=Dispatch(sink, epoch=epoch, load_booking=load_booking, load_contact=load_contact),
                worker=Worker(
                    sink,
                    db=db,
                    clock=clock,
                    epoch=epoch,
                    load_envelope=load_envelope,
                    keep_refunds=keep_refunds,
                    observer=watching,
                    sleep=sleep,
                ),
                owner=self._owner,
                poll=poll,
                observer=watching,
            )

        self._make_runner = runner
        self._runners: dict[str, SinkRunner] = {sink.name: runner(sink) for sink in sinks}
        self._retiring: dict[asyncio.Task[None], SinkRunner] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver; returns at once, targets that are away are waited for in the background."""
        await self._db.write(self._forget_claims)
        for runner in self._runners.values():
            runner.start()
        self._keeping = asyncio.create_task(self._keep_claims(), name="renew claims")

    async def stop(self, *, within: timedelta = timedelta(seconds=10)) -> None:
        """Take up nothing new, let calls under way end in this time, cut off the rest; safe to call twice.

        A store that is away keeps nobody from stopping: claims then run out by themselves.
        """
        stopping = [runner.stop(within=within) for runner in self._all()]
        ends: list[object] = await asyncio.gather(*stopping, *self._retiring, return_exceptions=True)
        if self._keeping is None:
            return
        self._keeping.cancel()
        ends += await asyncio.gather(self._keeping, return_exceptions=True)
        self._keeping = None
        ends += await asyncio.gather(
            self._db.write(lambda session: leave_claims(session, self._owner)), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, Exception):
                log.warning("not stopped cleanly", error=error_message(end))

    def replace(self, sinks: Iterable[RunningSink], *, gone: Iterable[str] = ()) -> None:
        """Work for these sinks as they are given now, and no more for those that are gone; returns at once.

        What their runners until now have in hand ends in the background, within the sink's timeout, and is
        written down; its keys stay claimed until then. All other sinks notice nothing.
        """
        replaced = {sink.name: self._make_runner(sink) for sink in sinks}
        for name in dict.fromkeys((*replaced, *gone)):
            retired = self._runners.pop(name, None)
            if retired is not None:
                self._retire(retired)
        for name, runner in replaced.items():
            self._runners[name] = runner
            runner.start()

    async def finish(self, sinks: Iterable[str]) -> Collection[str]:
        """Work no more for these sinks, wait until nothing of them is in hand; returns which there were."""
        names = set(sinks) & set(self._runners)
        ending = [self._retire(self._runners.pop(name)) for name in names]
        await asyncio.gather(*ending, return_exceptions=True)
        return names

    def _retire(self, runner: SinkRunner) -> "asyncio.Task[None]":
        """Let a runner come to its end in the background; a hanging call is cut off after its timeout."""

        def ended(task: "asyncio.Task[None]") -> None:
            del self._retiring[task]
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                log.warning("not stopped cleanly", error=error_message(error))

        task = asyncio.create_task(runner.stop(within=runner.timeout + RECORDING), name="retire a sink")
        self._retiring[task] = runner
        task.add_done_callback(ended)
        return task

    def _all(self) -> list[SinkRunner]:
        return [*self._runners.values(), *self._retiring.values()]

    def wake(self, sinks: Iterable[str] | None = None) -> None:
        """New rows are committed for these sinks (None: maybe for any); called in the event loop's thread."""
        for name in self._runners if sinks is None else sinks:
            if name in self._runners:
                self._runners[name].wake()

    def activity(self) -> Mapping[str, SinkActivity]:
        """What each sink does at this moment in this process."""
        return {name: runner.activity for name, runner in self._runners.items()}

    def _forget_claims(self, session: Session) -> None:
        """Claims of the dead need not run out first."""
        leave_claims(session, f"{self._hub}/", is_prefix=True)
        for name in self._names if self._alone else ():
            forget_claims(session, name)

    async def _keep_claims(self) -> None:
        """Renew the claims of calls that are still running."""
        while True:
            shortest = min((runner.lease for runner in self._all()), default=timedelta(minutes=1))
            pause = self._renew_every or min(shortest / RENEWALS_PER_LEASE, LONGEST_UNRENEWED)
            await asyncio.sleep(pause.total_seconds())
            now = self._clock.now()
            held = [(claim, now + runner.lease) for runner in self._all() for claim in runner.held_claims]
            try:
                await self._db.write(partial(_renew, held))
            except StoreError as error:
                log.error("claims not renewed", error=str(error))


def _renew(held: Sequence[tuple[Claim, datetime]], session: Session) -> None:
    for claim, until in held:
        claims.renew(session, claim, until=until)
