"""Somebody who compares a calendar with what is wanted there, and repairs it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hub.delivery import RunningSink
from hub.delivery.applying import Applier, Ask, Wanted
from hub.delivery.comparison import BuildSink, Comparer, Comparison
from hub.delivery.plan import Item
from hub.delivery.sinks import Wants, wants_everything
from hub.store import operations
from hub.store.tables import OperationRow
from tests.integration.delivery.targets import Calendar, CalendarMirror
from tests.integration.delivery.world import World, later, no_pause

SINK = "team-calendar"


class Desk:
    """Somebody who compares and repairs, at a process that also delivers unless told otherwise."""

    def __init__(self, world: World, calendar: Calendar, **options: Any) -> None:
        self.world = world
        self.calendar = calendar
        self.options = {"trusting": True} | options
        self.start: Any = "upcoming"
        self.wants: Wants = wants_everything
        self.comparer = self.comparer_of(self.build)
        self.applier = self.applier_of(self.comparer)

    def comparer_of(self, build: BuildSink) -> Comparer:
        return Comparer(
            self.world.db,
            self.world.clock,
            build=build,
            start_of=lambda _: self.start,
            log_end=lambda: self.end_of_log(),
            sleep=no_pause,
        )

    def applier_of(self, comparer: Comparer) -> Applier:
        return Applier(
            comparer,
            self.world.db,
            self.world.clock,
            wake=self._wake,
            look_every=timedelta(milliseconds=10),
        )

    async def build(self, name: str) -> RunningSink | None:
        mirror = CalendarMirror(self.calendar, self.world.context(name), **self.options)
        return RunningSink(name, mirror, wants=lambda *asked: self.wants(*asked))

    async def end_of_log(self) -> int | None:
        return len(self.world.log)

    def _wake(self) -> None:
        for engine in self.world.engines:
            engine.wake()

    async def deliver(self) -> None:
        running = await self.build(SINK)
        assert running is not None
        await self.world.engine(running).start()

    async def plan(self, **options: Any) -> Comparison:
        return await self.comparer.compare(SINK, **options)

    async def differences(self, **options: Any) -> list[tuple[str, str, str]]:
        """What is not in step, as key, action and cause."""
        found = (await self.plan(**options)).items
        return [(item.key, item.action, item.cause) for item in found if item.action != "none"]

    async def apply(self, items: Sequence[Item] | None = None) -> OperationRow:
        asks = None if items is None else tuple(map(Ask.of, items))
        operation_id = await self.applier.begin(Wanted((SINK,), asks))
        await self.applier.wait()
        row = await self.world.db.read(lambda session: operations.get(session, operation_id))
        assert row is not None
        return row

    async def showing(self, count: int) -> None:
        """So many bookings, all of them delivered."""
        await self.deliver()
        for number in range(count):
            await self.world.see(f"b{number}", **later(number))
        await self.world.settled(SINK)

    def edit(self, key: str, **members: Any) -> None:
        name = f"calendar-1/{key}/"
        entry = self.calendar.entries[name]
        self.calendar.entries[name] = replace(entry, **{"note": "mine"} | members)
