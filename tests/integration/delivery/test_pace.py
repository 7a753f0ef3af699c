"""A sink is never called faster than its rate, however many processes and requests there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from adapters.api import Receipt
from events import Booking
from hub.delivery import RunningSink
from hub.settings import Rate
from hub.store.database import Database
from tests.integration.delivery.targets import Calendar, CalendarMirror
from tests.integration.delivery.world import POLL, World, eventually, hosts

SINK = "team-calendar"
SECOND = timedelta(seconds=1)
POLLS = 6 * POLL.total_seconds()
"""A few polls: for what must not happen there is no condition to wait for."""


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


@pytest.fixture
async def other_db(delivery_url: str, world: World) -> AsyncIterator[Database]:
    """The same store as another process opens it; its engines stop before it closes."""
    with closing(Database.open(delivery_url)) as database:
        yield database
        await world.stop_all()


def running(world: World, calendar: Calendar, rate: Rate, **options: Any) -> RunningSink:
    mirror = CalendarMirror(calendar, world.context(SINK), per_host=options.pop("per_host", False))
    return RunningSink(SINK, mirror, rate=rate, **options)


async def calls(calendar: Calendar, count: int) -> None:
    """Wait for so many calls, and that no more follow."""

    async def holds() -> bool:
        return len(calendar.calls) >= count

    await eventually(holds)
    await asyncio.sleep(POLLS)
    assert len(calendar.calls) == count


async def test_calls_begin_as_tokens_come(world: World, calendar: Calendar) -> None:
    await world.engine(running(world, calendar, Rate(20, SECOND))).start()
    await world.record(fact for n in range(10) for fact in world.derive(f"b{n}"))
    await calls(calendar, 2)
    for done in (3, 4, 5):
        world.advance(timedelta(milliseconds=53))
        await calls(calendar, done)
    world.advance(SECOND)
    await calls(calendar, 7)
    for done in (8, 9, 10):
        world.advance(timedelta(milliseconds=53))
        await calls(calendar, done)
    await world.settled(SINK)


async def test_rate_holds_over_all_processes(world: World, other_db: Database, calendar: Calendar) -> None:
    for db in (world.db, other_db):
        await world.engine(running(world, calendar, Rate(10, SECOND)), db=db).start()
    await world.record(fact for n in range(40) for fact in world.derive(f"b{n}"))

    async def delivered() -> bool:
        world.advance(timedelta(milliseconds=20))
        return await world.open_rows(SINK) == 0

    await eventually(delivered)
    begun = [row.first_attempt_at for row in await world.rows(SINK)]
    for first in begun:
        assert first is not None
        assert sum(first <= moment < first + SECOND for moment in begun if moment) <= 10
    assert len(calendar.calls) == 40


async def test_rate_is_remembered_over_a_restart(world: World, calendar: Calendar) -> None:
    for _ in range(3):
        engine = world.engine(running(world, calendar, Rate(1, timedelta(hours=1))))
        await engine.start()
        await world.record(fact for n in range(3) for fact in world.derive(f"b{n}"))
        await calls(calendar, 1)
        await engine.stop()


async def test_further_parts_and_short_retries_are_paid_for_afterwards(
    world: World, calendar: Calendar
) -> None:
    calendar.faults.fail_next("b1/anna", "transient")
    await world.engine(running(world, calendar, Rate(10, SECOND), per_host=True)).start()
    await world.see("b1", hosts=hosts("anna", "bert", "cleo"))
    await world.become(SINK, "delivered")
    assert sum(calendar.tries.values()) == 4
    await world.see("b2", hosts=hosts("anna"))
    world.advance(timedelta(milliseconds=390))
    await calls(calendar, 3)
    world.advance(timedelta(milliseconds=20))
    await world.settled(SINK)


class Wordy(CalendarMirror):
    """Sends five requests for what others do with one."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        self.context.http.sent += 5
        return await super().sync(booking, part, receipt)


class WordyByItself(CalendarMirror):
    """The same through a client of its own."""

    made = 0

    def requests(self) -> int:
        return self.made

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        self.made += 5
        return await super().sync(booking, part, receipt)


@pytest.mark.parametrize("kind", [Wordy, WordyByItself], ids=["shared client", "own client"])
async def test_requests_of_one_call_are_counted(
    world: World, calendar: Calendar, kind: type[CalendarMirror]
) -> None:
    mirror = kind(calendar, world.context(SINK))
    await world.engine(RunningSink(SINK, mirror, rate=Rate(10, SECOND))).start()
    await world.see("b1")
    await world.become(SINK, "delivered")
    await world.see("b2")
    world.advance(timedelta(milliseconds=490))
    await calls(calendar, 1)
    world.advance(timedelta(milliseconds=20))
    await calls(calendar, 2)


async def test_no_more_calls_at_a_time_than_allowed(world: World, calendar: Calendar) -> None:
    calendar.gate = asyncio.Event()
    mirror = CalendarMirror(calendar, world.context(SINK))
    await world.engine(RunningSink(SINK, mirror, concurrency=2)).start()
    await world.record(fact for n in range(9) for fact in world.derive(f"b{n}"))

    async def two() -> bool:
        return len(calendar.busy) == 2

    await eventually(two)
    await asyncio.sleep(POLLS)
    assert len(calendar.busy) == 2
    calendar.gate.set()
    await world.settled(SINK)
