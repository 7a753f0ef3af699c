"""Asks the sources by schedule: their history first, then again and again what changed.

Each source by itself: one that does not answer delays no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError, StoreError
from hub.polling.plan import Plan, Plans
from hub.polling.registration import Registration
from hub.polling.runs import Runs
from hub.store import polls, sources
from hub.store.database import Database

LOOK_EVERY = timedelta(seconds=1)
REPEATED_AFTER = timedelta(seconds=5)
"""When somebody else is at it, or a list has to wait for its history."""
REGISTRATION_EVERY = timedelta(hours=6)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=15)
"""After a failure; doubled each time. Polls need none: the next one comes in its turn."""

Kind = Literal["poll", "backfill", "registration"]
Job = Callable[[str, Plan], Awaitable[timedelta | None]]
"""Does one thing for a source, and says when it has its turn again."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turn:
    """When one thing may be tried next, and how long it waits after its next failure."""

    at: datetime | None
    pause: timedelta = FIRST_PAUSE

    def is_due(self, now: datetime) -> bool:
        return self.at is not None and self.at <= now

    @property
    def has_failed(self) -> bool:
        """Whether it waits because it failed."""
        return self.pause > FIRST_PAUSE

    def ended(self, now: datetime, again: timedelta | None) -> None:
        """It went well; None: it has no turn until somebody gives it one."""
        self.at, self.pause = (None if again is None else now + again), FIRST_PAUSE

    def failed(self, now: datetime, *, longest: timedelta) -> None:
        self.at = now + min(self.pause, longest)
        self.pause = min(self.pause * 2, LONGEST_PAUSE)


class PollWatch:
    """Looks again and again what is due, until cancelled; of several hubs on one store one does it."""

    def __init__(
        self, runs: Runs, registration: Registration, database: Database, clock: Clock, *, plans: Plans
    ) -> None:
        self._runs = runs
        self._registration = registration
        self._database = database
        self._clock = clock
        self._plans = plans
        self._jobs: Mapping[Kind, Job] = {
            "poll": self._poll,
            "backfill": self._fill,
            "registration": self._register,
        }
        self._running: dict[tuple[Kind, str], asyncio.Task[None]] = {}
        self._turns: dict[tuple[Kind, str], _Turn] = {}
        self._addresses: dict[str, str] = {}
        self._soon: set[str] = set()
        self._woken = asyncio.Event()

    def poll_soon(self) -> None:
        """Poll every source without waiting for its turn."""
        self._soon |= self._plans().keys()
        self._woken.set()

    async def run(self) -> None:
        """Ends only by cancellation."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._begin_due()
                except StoreError as error:
                    _log.error("schedule_unreadable", error=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY.total_seconds()):
                        await self._woken.wait()
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin_due(self) -> None:
        plans, now = self._plans(), self._clock.now()
        halted, known = await self._database.read(
            lambda session: (sources.halted(session), polls.every(session))
        )
        for source, plan in plans.items():
            if source in halted:
                continue
            if plan.fills_back:
                self._begin("backfill", source, plan, now)
            if plan.has_door:
                self._give_new_address_its_turn(source, now)
                self._begin("registration", source, plan, now)
            polled_at = known[source].polled_at if source in known else None
            if source in self._soon:
                self._begin("poll", source, plan, now, at_once=True)
            elif _is_due(plan, polled_at, now):
                self._begin("poll", source, plan, now)

    def _begin(self, kind: Kind, source: str, plan: Plan, now: datetime, *, at_once: bool = False) -> None:
        key = kind, source
        turn = self._turns.setdefault(key, _Turn(now))
        if key in self._running or not (turn.is_due(now) or (at_once and not turn.has_failed)):
            return
        task = asyncio.create_task(self._guarded(kind, source, plan), name=f"{kind} {source}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _guarded(self, kind: Kind, source: str, plan: Plan) -> None:
        turn = self._turns[kind, source]
        longest = plan.poll.every if kind == "poll" and plan.poll.every else LONGEST_PAUSE
        try:
            again = await self._jobs[kind](source, plan)
        except (AdapterError, HubError) as error:
            _log.warning("not_asked", source=source, part=kind, error=str(error))
            turn.failed(self._clock.now(), longest=longest)
        except Exception as error:  # noqa: BLE001 - adapters are foreign code, and the next turn has to come
            _log.error("asking_failed", source=source, part=kind, error=type(error).__name__)
            turn.failed(self._clock.now(), longest=longest)
        else:
            turn.ended(self._clock.now(), again)

    async def _poll(self, source: str, plan: Plan) -> timedelta | None:
        wanted = source in self._soon
        self._soon.discard(source)
        try:
            polled = await self._runs.poll_in_turn(source, plan)
        except (AdapterError, HubError):
            if wanted:
                self._soon.add(source)
            raise
        if polled is not None and (polled.lists or polled.left_out):
            self._give_new_lists_their_history(source)
        return timedelta(0) if polled is not None and polled.lists else REPEATED_AFTER

    def _give_new_lists_their_history(self, source: str) -> None:
        """A host may have been shown, by this poll or by a webhook, whose list nobody has read."""
        filling = self._turns.get(("backfill", source))
        if filling is not None and filling.at is None:
            filling.at = self._clock.now()

    async def _fill(self, source: str, plan: Plan) -> timedelta | None:
        outcome = await self._runs.fill_in_turn(source, plan)
        if outcome == "busy":
            return REPEATED_AFTER
        if outcome == "read" and plan.poll.every:
            # Polls have left these lists alone until now.
            self._soon.add(source)
            self._woken.set()
        return None

    async def _register(self, source: str, plan: Plan) -> timedelta | None:
        if self._registration.address_or_none(source) is None:
            return None
        if plan.register:
            done = await self._registration.connect(source)
            _log.info("webhook_registered", source=source, made=done.made, removed=done.removed)
        else:
            await self._registration.look(source)
        return REGISTRATION_EVERY

    def _give_new_address_its_turn(self, source: str, now: datetime) -> None:
        address = self._registration.address_or_none(source) or ""
        if self._addresses.get(source) != address:
            self._addresses[source] = address
            self._turns["registration", source] = _Turn(now)


def _is_due(plan: Plan, polled_at: datetime | None, now: datetime) -> bool:
    """One that lies ahead of now was made by another clock: it does not keep polls away."""
    if not plan.poll.every:
        return False
    return polled_at is None or abs(now - polled_at) >= plan.poll.every
