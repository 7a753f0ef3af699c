"""One claimed key: call the target, write down what came of it.

Whatever happens between two of these steps leaves a row that is met again: `sending` until the
result is written, and a receipt for every part that is done.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlmodel import Session

from adapters.api import Reactor, Receipt
from events import Envelope
from hub.clock import Clock
from hub.delivery.calls import Calls, Progress
from hub.delivery.dispatch import Task
from hub.delivery.errors import LostClaimError, NotReadableError
from hub.delivery.pace import Meter
from hub.delivery.policy import error_message, may_repeat
from hub.delivery.record import (
    Attempt,
    Failed,
    PartResult,
    StrayGone,
    record_failure,
    record_parts,
    record_success,
)
from hub.delivery.retry import Sleep
from hub.delivery.sinks import DeliveryObserver, KeepRefunds, LoadEnvelope, RunningSink
from hub.errors import ConcurrencyError, HubError, LogUnavailableError, StoreError
from hub.store import claims
from hub.store.claims import Failure
from hub.store.database import Database

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOG_AWAY = timedelta(seconds=2)
"""How long a row waits whose event cannot be read: nobody's attempt, for the target was not asked."""

STORE_PAUSE_SECONDS = (0.2, 1.0, 5.0, 15.0)

_METRIC = {
    "retry": "transient",
    "wait": "told_to_wait",
    "parked": "transient",
    "dead": "permanent",
    "auth_failed": "auth",
}


class Worker:
    """Brings the tasks of one sink to their outcomes; several run at a time, each for itself."""

    def __init__(
        self,
        sink: RunningSink,
        *,
        db: Database,
        clock: Clock,
        epoch: int,
        load_envelope: LoadEnvelope,
        keep_refunds: KeepRefunds,
        observer: DeliveryObserver,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._db = db
        self._clock = clock
        self._load_envelope = load_envelope
        self._keep_refunds = keep_refunds
        self._observer = observer
        self._sleep = sleep
        self._meter = Meter(sink.adapter.requests)
        self._calls = Calls(
            sink.first_name or sink.name,
            epoch=epoch,
            timeout=sink.timeout,
            sleep=sleep,
            begun=self._meter.called,
        )

    async def work(self, task: Task) -> None:
        """Act and record; raises only what nobody expected, and then nothing was recorded."""
        progress = Progress()
        self._meter.paid()
        try:
            await self._work(task, progress)
        except NotReadableError as error:
            await self._give_back(task, error)
        except LostClaimError:
            self._observer.attempted(self._sink.name, outcome="lost_claim", duration=progress.elapsed)
            log.warning("result discarded, the claim was lost", **_fields(task))

    async def _work(self, task: Task, progress: Progress) -> None:
        try:
            await self._act(task, progress)
            await self._succeed(task, progress.told())
        except (LostClaimError, NotReadableError):
            raise
        except Exception as error:  # noqa: BLE001 - adapters are foreign code; policy sorts what they raise
            await self._fail(task, progress, error)

    async def _act(self, task: Task, progress: Progress) -> None:
        async def save(parts: tuple[PartResult | StrayGone, ...]) -> None:
            if parts:
                await self._save(task, parts)

        adapter = self._sink.adapter
        if isinstance(adapter, Reactor):
            envelope = await self._envelope(task)
            repeatable = self._is_repeatable(task)
            receipt = await self._calls.react(adapter, task, envelope, progress, repeatable=repeatable)
            await self._keep_facts(adapter, envelope, receipt)
        else:
            await self._calls.sync(adapter, task, progress, save=save)

    async def _keep_facts(self, adapter: Reactor[Any], envelope: Envelope, receipt: Receipt | None) -> None:
        """Append what the act made true, before the row says that it is done: both, or the act again."""
        facts = adapter.facts(receipt) if receipt is not None else ()
        if not facts:
            return
        try:
            await self._keep_refunds(envelope, facts)
        except (ConcurrencyError, LogUnavailableError) as error:
            raise NotReadableError("the log does not take what came of it") from error

    def _is_repeatable(self, task: Task) -> bool:
        """Whether a call without an answer may be made again within this attempt."""
        now = self._clock.now()
        first_at = task.lead.first_attempt_at or now
        return may_repeat(self._sink.terms.repeat, first_at, at=now + self._sink.longest_attempt)

    async def _envelope(self, task: Task) -> Envelope:
        try:
            envelope = await self._load_envelope(task.lead.position)
        except HubError as error:
            raise NotReadableError("the log does not answer") from error
        if envelope is None or envelope.event_id != task.lead.event_id:
            raise NotReadableError("the log does not hold this event at its position")
        return envelope

    async def _save(self, task: Task, parts: tuple[PartResult | StrayGone, ...]) -> None:
        now = self._clock.now()
        until = now + self._sink.lease
        await self._persist(lambda session: record_parts(session, task, parts, until=until, now=now))

    async def _succeed(self, task: Task, done: Attempt) -> None:
        now, retry = self._clock.now(), self._sink.retry
        recovered = await self._record(
            lambda session: record_success(session, task, done, retry=retry, now=now), now
        )
        name = self._sink.name
        self._observer.attempted(name, outcome="delivered", duration=done.duration)
        self._observer.delivered(name, covered=len(task.older), latency=now - task.lead.created_at)
        log.info(
            "delivered",
            outcome=done.outcome,
            duration_seconds=_seconds(done.duration),
            covered=len(task.older),
            **_fields(task),
        )
        if recovered:
            log.info("the target serves again", sink=name)

    async def _fail(self, task: Task, progress: Progress, error: Exception) -> None:
        now = self._clock.now()
        failed = Failed(
            error,
            progress.elapsed,
            jitter=random.random(),  # noqa: S311 - spreads retries, protects nothing
            parts=progress.take_unsaved(),
        )
        verdict = await self._record(
            lambda session: record_failure(session, task, failed, self._sink.terms, now=now), now
        )
        outcome = _METRIC.get(verdict.outcome, verdict.outcome)
        self._observer.attempted(self._sink.name, outcome=outcome, duration=failed.duration)
        log.warning(
            "delivery failed",
            outcome=verdict.outcome,
            error=error_message(error),
            duration_seconds=_seconds(failed.duration),
            **_fields(task),
        )

    async def _record(self, work: Callable[[Session], T], now: datetime) -> T:
        """Write the result, and charge what the attempt used beyond its token."""
        pace, owed = self._sink.pace, self._meter.take_owed()
        if pace is None or not owed:
            return await self._persist(work)

        def charged(session: Session) -> T:
            pace.charge(session, self._sink.name, owed, now)
            return work(session)

        return await self._persist(charged)

    async def _give_back(self, task: Task, error: NotReadableError) -> None:
        now = self._clock.now()
        failure = Failure(type(error).__name__, str(error))
        await self._persist(
            lambda session: claims.postpone(
                session, task.claim, due_at=now + LOG_AWAY, now=now, failure=failure, counted=False
            )
        )
        log.warning("event not readable, asking again", error=str(error), **_fields(task))

    async def _persist(self, work: Callable[[Session], T]) -> T:
        """Write until it is written: only the record of an effect keeps it from happening again."""
        pauses = list(STORE_PAUSE_SECONDS)
        while True:
            try:
                return await self._db.write(work)
            except StoreError as error:
                log.error("result not written yet", sink=self._sink.name, error=str(error))
            await self._sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])


def _seconds(duration: timedelta) -> float:
    return round(duration.total_seconds(), 3)


def _fields(task: Task) -> dict[str, object]:
    row = task.lead
    return {
        "sink": row.sink,
        "event_id": row.event_id,
        "booking_id": row.booking_id,
        "attempt": row.attempts + 1,
    }
