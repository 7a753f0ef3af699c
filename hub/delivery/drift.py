"""Comparisons by schedule: each mirror now and then, by one hub at a time, spread over time.

What is found is kept until the next comparison, for the status and as issues; what may be repaired
unasked is, through the same rows as a repair a person asked for.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from hub.clock import Clock
from hub.delivery.applying import Applier, Ask, Wanted
from hub.delivery.comparison import Comparer, Comparison
from hub.delivery.plan import BY_HAND, FOR_A_PERSON, Item
from hub.delivery.policy import error_message
from hub.errors import StoreError
from hub.store import drift, leases
from hub.store.database import Database
from hub.store.tables import DriftCheckRow, DriftRow

LOOK_EVERY = timedelta(seconds=15)
LEASE = timedelta(minutes=3)
RENEW_EVERY = timedelta(minutes=1)
SPREAD = 0.25
"""A comparison is this share earlier or later than asked for, so that sinks and hubs do not march in step."""

Allows = Callable[[str, int], Awaitable[bool]]
"""The guard: whether so many objects of this sink may be changed now without a fact or a person behind it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a sink is compared, and what of it is repaired unasked: edits by hand, everything else."""

    every: timedelta
    restore: bool = False
    repair: bool = False

    def repairs(self, item: Item) -> bool:
        """Whether this is to be repaired without asking; what somebody gave up is not."""
        if not item.is_due or item.cause in FOR_A_PERSON:
            return False
        return self.restore if item.cause in BY_HAND else self.repair


class DriftWatch:
    """Compares what is due, for ever; of several hubs on one store one does it."""

    def __init__(
        self,
        comparer: Comparer,
        applier: Applier,
        db: Database,
        clock: Clock,
        *,
        schedules: Callable[[], Mapping[str, Schedule]],
        allows: Allows,
        owner: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`schedules` is asked again and again, for the configuration may change; so is the guard."""
        self._comparer = comparer
        self._applier = applier
        self._db = db
        self._clock = clock
        self._schedules = schedules
        self._allows = allows
        self._owner = owner
        self._chance = chance
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look again and again which sinks are due; ends by being cancelled."""
        compared: frozenset[str] | None = None
        try:
            while True:
                schedules = self._schedules()
                if compared != (names := frozenset(schedules)):
                    # What a comparison under way still writes down is forgotten in a later round.
                    under_way = self._running.keys() - names
                    compared = await self._forget_others(names)
                    compared = None if under_way else compared
                for name, schedule in schedules.items():
                    if name not in self._running:
                        self._begin(name, schedule)
                shortest = min((one.every for one in schedules.values()), default=LOOK_EVERY)
                await asyncio.sleep(min(LOOK_EVERY, shortest / 4).total_seconds())
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forget_others(self, names: frozenset[str]) -> frozenset[str] | None:
        try:
            await self._db.write(lambda session: drift.forget_others(session, names))
        except StoreError as error:
            log.error("former comparisons not forgotten", error=str(error))
            return None
        return names

    def _begin(self, name: str, schedule: Schedule) -> None:
        task = asyncio.create_task(self._guarded(name, schedule), name=f"compare {name}")
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _guarded(self, name: str, schedule: Schedule) -> None:
        try:
            await self.check(name, schedule)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next comparison has to come
            log.error("comparison failed", sink=name, error=error_message(error))

    async def check(self, name: str, schedule: Schedule) -> bool:
        """Compare this sink if it is due and nobody else does; whether a comparison was made."""
        if not await self._is_due(name, schedule) or not await self._take_lease(name):
            return False
        renewing = asyncio.create_task(self._keep_lease(name))
        try:
            return await self._compare(name, schedule)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._db.write(lambda session: leases.release(session, _lease(name), owner=self._owner))

    async def _compare(self, name: str, schedule: Schedule) -> bool:
        try:
            comparison = await self._comparer.compare(name)
        except Exception as error:  # noqa: BLE001 - adapters are foreign code; the row says what it was
            reason, next_at = error_message(error), self._next(schedule)
            await self._db.write(
                lambda session: drift.record_failure(session, name, error=reason, next_at=next_at)
            )
            log.warning("comparison not made", sink=name, error=reason)
            return False
        if not await self._db.write(lambda session: self._record(session, comparison, schedule)):
            return False
        drifted = [item for item in comparison.items if _has_drifted(item)]
        log.info(
            "compared",
            sink=name,
            compared=comparison.compared,
            drifted=len(drifted),
            duration_seconds=round(comparison.seconds, 3),
        )
        await self._repair(name, [item for item in drifted if schedule.repairs(item)])
        return True

    async def _repair(self, name: str, items: Sequence[Item]) -> None:
        if not items:
            return
        if not await self._allows(name, len(items)):
            log.warning("drift not repaired, the guard holds it", sink=name, items=len(items))
            return
        asks = tuple(map(Ask.of, items))
        operation_id = await self._applier.begin(Wanted((name,), asks), kind="drift")
        log.info("repairing drift", sink=name, items=len(items), operation_id=operation_id)

    async def _is_due(self, name: str, schedule: Schedule) -> bool:
        """Whether it is time; one that is new waits its turn, as one whose turn lies too far ahead by now."""
        now = self._clock.now()
        row = await self._db.read(lambda session: drift.check_of(session, name))
        if row is not None and row.next_at <= now + schedule.every * (1 + SPREAD):
            return row.next_at <= now
        next_at = self._next(schedule)

        def plan(session: Session) -> None:
            drift.plan_first(session, name, at=next_at)
            found = drift.check_of(session, name)
            if found is not None:
                found.next_at = min(found.next_at, next_at)

        await self._db.write(plan)
        return False

    async def _take_lease(self, name: str) -> bool:
        now = self._clock.now()
        return await self._db.write(
            lambda session: leases.acquire(session, _lease(name), owner=self._owner, now=now, length=LEASE)
        )

    async def _keep_lease(self, name: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY.total_seconds())
            await self._db.write(lambda session: self._hold_lease(session, name))

    def _hold_lease(self, session: Session, name: str) -> bool:
        now = self._clock.now()
        return leases.renew(session, _lease(name), owner=self._owner, now=now, length=LEASE)

    def _record(self, session: Session, comparison: Comparison, schedule: Schedule) -> bool:
        """Keep what was found; False if the lease was lost, for then somebody else's look counts."""
        if not self._hold_lease(session, comparison.sink):
            return False
        now = self._clock.now()
        check = DriftCheckRow(
            sink=comparison.sink,
            next_at=self._next(schedule),
            checked_at=now,
            compared=comparison.compared,
        )
        found = [_row(item, now) for item in comparison.items if _has_drifted(item)]
        drift.record_check(session, check, found)
        return True

    def _next(self, schedule: Schedule) -> datetime:
        return self._clock.now() + schedule.every * (1 - SPREAD + 2 * SPREAD * self._chance())


def _lease(sink: str) -> str:
    return f"drift:{sink}"


def _has_drifted(item: Item) -> bool:
    """What a delivery has given up is told as that; what is on its way is told as lag."""
    return item.is_due and item.cause not in FOR_A_PERSON


def _row(item: Item, now: datetime) -> DriftRow:
    return DriftRow(
        sink=item.sink,
        key=item.key,
        part=item.part,
        external_id=item.external_id or "",
        booking_id=item.booking_id,
        action=item.action,
        cause=item.cause,
        members=[difference.name for difference in item.differences],
        since=now,
    )
