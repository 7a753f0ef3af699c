"""A process that dies between any two steps: the next one ends where the first would have."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from hub.delivery import RunningSink
from hub.store.database import Database
from tests.factories import NOON
from tests.integration.delivery.crash import Crash, Crashes, MortalDatabase
from tests.integration.delivery.targets import (
    Calendar,
    CalendarMirror,
    Chat,
    ChatReactor,
    OutsideSystem,
    UnsafeChatReactor,
)
from tests.integration.delivery.world import GRACE, World, eventually, hosts, later

MOST_STEPS = 200


async def die_and_restart(
    world: World,
    db: Database,
    outside: OutsideSystem,
    make: Callable[[], RunningSink],
    *,
    at: int,
) -> bool:
    """Run a process until it has died at this step, then another to the end; False if the first one lived."""
    crashes = Crashes(at)
    outside.crashes = crashes
    first = world.engine(make(), db=MortalDatabase(db, crashes))
    name = make().name

    async def over() -> bool:
        return crashes.crashed or await ended(world, name)

    with suppress(Crash):
        await first.start()
        await eventually(over)
    with suppress(Crash):
        await first.stop(within=timedelta(0))
    outside.crashes = Crashes()
    outside.busy.clear()

    second = world.engine(make(), alone=True)
    await second.start()
    await eventually(lambda: ended(world, name))
    await second.stop()
    world.engines.clear()
    return crashes.crashed


async def ended(world: World, sink: str) -> bool:
    """Nothing goes on any more: what is left is for a person."""
    return {"pending", "sending", "parked"}.isdisjoint(await world.states_of(sink))


async def for_every_step(world: World, run: Callable[[str, int], Awaitable[bool]]) -> int:
    """Let a process die at its first step, its second and so on; each has a sink and bookings of its own."""
    # SQLite tries each step; what differs on PostgreSQL is the database, so some of them are enough.
    for at in range(1, MOST_STEPS, 1 if world.db.dialect == "sqlite" else 4):
        world.registrations.clear()
        world.advance(timedelta(seconds=1))
        if not await run(f"sink-{at}", at):
            return at
    raise AssertionError(f"still not through after {MOST_STEPS} steps")


async def test_calendar_ends_in_the_desired_state(world: World, db: Database) -> None:
    async def run(sink: str, at: int) -> bool:
        world.register(sink, "booking", grace=timedelta(0))
        calendar = Calendar()
        moved, cancelled, created = (f"{name}-{at}" for name in ("moved", "cancelled", "created"))
        for booking, *there in ((moved, "anna", "bert"), (cancelled, "anna")):
            [created_fact] = await world.see(booking, hosts=hosts(*there))
            for host in there:
                receipt = calendar.enter(booking, host, at=NOON, position=created_fact.position)
                await world.hold(sink, booking, host, receipt)
        await world.see(moved, hosts=hosts("bert", "cleo"), **later(at))
        await world.see(moved, hosts=hosts("bert", "cleo"), **later(at + 1))
        await world.see(cancelled, hosts=hosts("anna"), cancelled=True)
        await world.see(created, hosts=hosts("dora"))

        died = await die_and_restart(world, db, calendar, lambda: mirror(sink, calendar), at=at)
        wanted = {
            f"calendar-1/{moved}/bert": later(at + 1)["start"].isoformat(),
            f"calendar-1/{moved}/cleo": later(at + 1)["start"].isoformat(),
            f"calendar-1/{created}/dora": later(0)["start"].isoformat(),
        }
        assert {entry_id: entry.start for entry_id, entry in calendar.entries.items()} == wanted
        assert {row.external_id for row in await world.receipts(sink)} == set(wanted)
        assert set(await world.states_of(sink)) == {"delivered", "covered"}
        return died

    def mirror(sink: str, calendar: Calendar) -> RunningSink:
        return RunningSink(sink, CalendarMirror(calendar, world.context(sink), per_host=True))

    assert await for_every_step(world, run) > 10


@pytest.mark.parametrize("kind", [ChatReactor, UnsafeChatReactor], ids=["safe", "unsafe"])
async def test_no_message_is_sent_twice(world: World, db: Database, kind: type[ChatReactor]) -> None:
    async def run(sink: str, at: int) -> bool:
        world.register(sink, "reactor", grace=timedelta(0))
        chat = Chat()
        for booking in (f"b-{at}", f"c-{at}"):
            await world.see(booking)
            await world.see(booking, **later(at))
        died = await die_and_restart(
            world, db, chat, lambda: RunningSink(sink, kind(chat, world.context(sink))), at=at
        )
        states = await world.states_of(sink)
        assert len(chat.sent) == len(set(chat.sent))
        if kind is ChatReactor:
            assert states == ["delivered"] * 4
            assert len(chat.sent) == 4
            assert chat.of(f"b-{at}") == ["BookingCreated", "BookingRescheduled"]
        else:
            assert set(states) <= {"delivered", "uncertain"}
            assert len(chat.calls) == len(chat.sent) >= states.count("delivered")
        return died

    assert await for_every_step(world, run) > 5


async def test_restart_of_one_of_several_waits_for_the_claims_of_the_dead(world: World, db: Database) -> None:
    world.register("calendar", "booking")
    calendar = Calendar()

    def mirror() -> RunningSink:
        return RunningSink("calendar", CalendarMirror(calendar, world.context("calendar")))

    crashes = Crashes()
    calendar.crashes = crashes
    first = world.engine(mirror(), db=MortalDatabase(db, crashes))
    await first.start()
    calendar.gate = asyncio.Event()
    await world.see("b1")
    await world.become("calendar", "sending")
    crashes.at = crashes.steps
    with suppress(Crash):
        await first.stop(within=timedelta(0))
    calendar.gate, calendar.crashes = None, Crashes()
    calendar.busy.clear()

    await world.engine(mirror()).start()
    world.advance(GRACE)
    await asyncio.sleep(0.08)
    assert await world.states_of("calendar") == ["sending"]
    world.advance(mirror().lease)
    await world.become("calendar", "delivered")
    [row] = await world.rows("calendar")
    assert row.attempts == 2


async def test_hub_that_comes_back_goes_on_with_what_it_had_in_hand(world: World, db: Database) -> None:
    world.register("calendar", "booking")
    calendar = Calendar()

    def mirror() -> RunningSink:
        return RunningSink("calendar", CalendarMirror(calendar, world.context("calendar")))

    crashes = Crashes()
    first = world.engine(mirror(), db=MortalDatabase(db, crashes), owner="hub-one")
    await first.start()
    calendar.gate = asyncio.Event()
    await world.see("b1")
    await world.become("calendar", "sending")
    crashes.at = crashes.steps
    with suppress(Crash):
        await first.stop(within=timedelta(0))
    calendar.gate = None
    calendar.busy.clear()
    await world.engine(mirror(), owner="hub").start()
    await asyncio.sleep(0.08)
    assert await world.states_of("calendar") == ["sending"]
    await world.engine(mirror(), owner="hub-one").start()
    await world.become("calendar", "delivered")


async def test_row_whose_every_attempt_ends_its_process_is_parked(world: World, db: Database) -> None:
    world.register("calendar", "booking")
    calendar = Calendar()
    calendar.gate = asyncio.Event()
    await world.see("b1")
    for lost in range(20):
        engine = world.engine(
            RunningSink("calendar", CalendarMirror(calendar, world.context("calendar"))), alone=True
        )
        await engine.start()

        async def under_way(lost: int = lost) -> bool:
            [row] = await world.rows("calendar")
            return (row.state, row.attempts) == ("sending", lost)

        await eventually(under_way)
        await engine.stop(within=timedelta(0))
    calendar.gate = None
    last = world.engine(
        RunningSink("calendar", CalendarMirror(calendar, world.context("calendar"))), alone=True
    )
    await last.start()
    await world.become("calendar", "parked")
    [row] = await world.rows("calendar")
    assert row.error_class == "WorkerLostError"
    assert not calendar.entries
