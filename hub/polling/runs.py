"""Polls and backfills as they are run: under a lease, counted, and as operations where people wait."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

import structlog

from hub.clock import Clock
from hub.ingest.lookup import NoProviderError
from hub.operations import Operation, Operations, Work
from hub.polling.backfill import Backfiller, Filled
from hub.polling.errors import NothingToReadError, NotShownError
from hub.polling.lease import Leases
from hub.polling.plan import Plan, Plans
from hub.polling.poll import NOBODY, Polled, Poller, Reach
from hub.polling.silence import Silence
from hub.store.operations import FinalState
from hub.telemetry import Metrics

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What asking takes."""

    poller: Poller
    backfiller: Backfiller
    silence: Silence
    leases: Leases
    operations: Operations


class Runs:
    """For the schedule, which skips what somebody else is doing, and for people, who wait for it."""

    def __init__(self, means: Means, *, plans: Plans, clock: Clock, metrics: Metrics) -> None:
        self._means = means
        self._plans = plans
        self._clock = clock
        self._metrics = metrics

    async def poll_in_turn(self, source: str, plan: Plan) -> Polled | None:
        """Poll; None if somebody else is at it."""
        async with self._means.leases.hold(_polling(source)) as held:
            return await self._poll(source, plan) if held else None

    async def fill_in_turn(self, source: str, plan: Plan) -> Literal["busy", "nothing", "read"]:
        """Read what is left of the history, that of lists which are new included.

        `busy`: somebody else is at it. Raises NotShownError if it could not be read to its end.
        """
        async with self._means.leases.hold(_filling(source)) as held:
            if not held:
                return "busy"
            begin, end = self._history(plan)
            if not await self._means.backfiller.plan_first(source, begin=begin, end=end):
                return "nothing"
            told = {"source": source}
            ended = await self._means.operations.run("backfill", self._filling(source), detail=told)
            if not await self._means.backfiller.is_read(source):
                why = ended.detail.get("error") or "; ".join(ended.detail.get("problems", ()))
                raise NotShownError(f"the history was not read to its end: {why}")
            return "read"

    async def begin_poll(self, source: str) -> str:
        """Poll now, or after the poll that is under way; the operation's id."""
        plan = self._plan(source)

        async def work(operation: Operation) -> FinalState:
            async with self._means.leases.wait_for(_polling(source)):
                polled = await self._poll(source, plan)
            operation.detail |= _told(polled)
            return "partly" if polled.problems else "done"

        return await self._means.operations.begin("poll", work, detail={"source": source})

    async def begin_backfill(
        self, source: str, *, begin: datetime | None = None, end: datetime | None = None
    ) -> str:
        """Read the history again, or that of other months than the configuration says; the operation's id."""
        first, last = self._history(self._plan(source))
        begin, end, fill = begin or first, end or last, self._filling(source)
        if begin >= end:
            raise NothingToReadError("no meeting takes place in an empty time; say from when to when")

        async def work(operation: Operation) -> FinalState:
            async with self._means.leases.wait_for(_filling(source)):
                if await self._means.backfiller.plan(source, begin=begin, end=end):
                    return await fill(operation)
            operation.detail["error"] = NOBODY
            return "failed"

        return await self._means.operations.begin("backfill", work, detail={"source": source})

    async def stop(self) -> None:
        """End what people asked for; what is left of a backfill goes on at the next start."""
        await self._means.operations.stop()

    def _plan(self, source: str) -> Plan:
        plan = self._plans().get(source)
        if plan is None:
            raise NoProviderError(f"the source {source} has no API that could be asked")
        return plan

    def _history(self, plan: Plan) -> tuple[datetime, datetime]:
        now = self._clock.now()
        return now - plan.backfill.past, now + plan.backfill.ahead

    async def _poll(self, source: str, plan: Plan) -> Polled:
        began, outcome = time.perf_counter(), "failed"
        reach = Reach(plan.poll.past, plan.poll.ahead, history_first=plan.fills_back)
        try:
            polled = await self._means.poller.poll(source, reach, poll_id=f"p_{uuid4().hex[:16]}")
            outcome = "partly" if polled.problems else "ok"
        finally:
            self._metrics.polls.labels(source, outcome).inc()
            self._metrics.poll_duration.labels(source).observe(time.perf_counter() - began)
        if polled.lists or polled.problems:
            _log.info("polled", source=source, outcome=outcome, **_counts(polled))
        await self._means.silence.check(source, plan)
        return polled

    def _filling(self, source: str) -> Work:
        async def work(operation: Operation) -> FinalState:
            async def report(filled: Filled) -> None:
                await operation.progress(done=filled.done, failed=filled.failed, total=filled.total)

            filled = await self._means.backfiller.run(source, report)
            counts = {"bookings": filled.bookings, "facts": filled.facts, "months": filled.done}
            _log.info("backfilled", source=source, **counts)
            operation.detail |= counts
            if not filled.problems:
                return "done"
            operation.detail["problems"] = filled.problems
            return "partly"

        return work


def _told(polled: Polled) -> dict[str, object]:
    problems = {"problems": polled.problems} if polled.problems else {}
    return {"poll_id": polled.poll_id, **_counts(polled), **problems}


def _counts(polled: Polled) -> Mapping[str, int]:
    return {"bookings": polled.tally.bookings, "facts": polled.tally.facts, "missing": polled.missing}


def _polling(source: str) -> str:
    return f"poll:{source}"


def _filling(source: str) -> str:
    return f"backfill:{source}"
