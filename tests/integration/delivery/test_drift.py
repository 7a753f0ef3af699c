"""Comparisons by schedule: when they come, what they leave, what they repair unasked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.delivery.drift import LEASE, DriftWatch, Schedule
from hub.store import drift, guard, leases
from hub.store.tables import DriftCheckRow
from tests.integration.delivery.desk import SINK, Desk
from tests.integration.delivery.targets import Calendar, Entry
from tests.integration.delivery.world import World, eventually

HOURLY = Schedule(timedelta(hours=1))


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


@pytest.fixture
def desk(world: World, calendar: Calendar) -> Desk:
    return Desk(world, calendar)


def watch(desk: Desk, *, owner: str = "hub-1", allowed: bool = True) -> DriftWatch:
    async def allows(sink: str, changes: int) -> bool:
        return allowed

    return DriftWatch(
        desk.comparer,
        desk.applier,
        desk.world.db,
        desk.world.clock,
        schedules=dict,
        allows=allows,
        owner=owner,
        chance=lambda: 0.5,
    )


async def checked(desk: Desk, watching: DriftWatch, schedule: Schedule = HOURLY) -> DriftCheckRow:
    """The sink is due and is compared."""
    desk.world.advance(timedelta(hours=2))
    assert await watching.check(SINK, schedule)
    await desk.applier.wait()
    row = await desk.world.db.read(lambda session: drift.check_of(session, SINK))
    assert row is not None
    return row


async def piles(desk: Desk) -> dict[str, int]:
    found = await desk.world.db.read(drift.piles)
    return {cause: count for (_, cause), (count, _) in found.items()}


async def test_a_check_comes_when_it_is_due_and_tells_what_it_found(desk: Desk) -> None:
    await desk.showing(3)
    watching = watch(desk)
    assert not await watching.check(SINK, HOURLY), "a new sink waits its turn"
    desk.world.advance(timedelta(minutes=59))
    assert not await watching.check(SINK, HOURLY)
    desk.calendar.delete("calendar-1/b0/")
    desk.edit("b1")
    row = await checked(desk, watching)
    now = desk.world.clock.now()
    assert (row.checked_at, row.next_at, row.compared) == (now, now + timedelta(hours=1), 3)
    assert await piles(desk) == {"deleted_by_hand": 1, "edited_by_hand": 1}
    assert not await watching.check(SINK, HOURLY)
    assert desk.calendar.entries["calendar-1/b1/"].note == "mine", "reported, not touched"
    await desk.apply()
    assert await piles(desk) == {}, "a repair settles what it repaired"
    desk.edit("b1")
    await checked(desk, watching)
    desk.edit("b1", note="")
    await checked(desk, watching)
    assert await piles(desk) == {}, "gone when a later look finds nothing"


async def test_what_nobody_repaired_is_known_since_it_was_first_found(desk: Desk) -> None:
    await desk.showing(1)
    watching = watch(desk)
    await watching.check(SINK, HOURLY)
    desk.edit("b0")
    await checked(desk, watching)
    first = desk.world.clock.now()
    await checked(desk, watching)
    found = await desk.world.db.read(drift.piles)
    assert found == {(SINK, "edited_by_hand"): (1, first)}


@pytest.mark.parametrize(
    ("schedule", "left"),
    [
        (replace(HOURLY, restore=True), {"unknown_booking": 1}),
        (replace(HOURLY, repair=True), {"edited_by_hand": 1}),
        (replace(HOURLY, repair=True, restore=True), {}),
    ],
    ids=["hand edits", "the rest", "everything"],
)
async def test_what_may_be_repaired_unasked_is(desk: Desk, schedule: Schedule, left: dict[str, int]) -> None:
    await desk.showing(2)
    watching = watch(desk)
    await watching.check(SINK, schedule)
    desk.edit("b0")
    desk.calendar.entries["calendar-1/gone/"] = Entry("gone", "some day", 3)
    await checked(desk, watching, schedule)
    assert await piles(desk) == left
    rows = [row for row in await desk.world.rows(SINK) if row.cause]
    assert all((row.cause or "").startswith("drift:") for row in rows)
    assert {row.guard for row in rows} == {"watched"}
    used = await desk.world.db.read(lambda session: guard.used(session, SINK, now=desk.world.clock.now()))
    assert used == len(rows) > 0


async def test_the_guard_stands_before_a_repair_nobody_asked_for(desk: Desk) -> None:
    await desk.showing(1)
    watching = watch(desk, allowed=False)
    schedule = replace(HOURLY, repair=True, restore=True)
    await watching.check(SINK, schedule)
    desk.edit("b0")
    await checked(desk, watching, schedule)
    assert desk.calendar.entries["calendar-1/b0/"].note == "mine"
    assert await piles(desk) == {"edited_by_hand": 1}


async def test_what_was_given_up_is_not_repaired_unasked(desk: Desk) -> None:
    await desk.deliver()
    desk.calendar.faults.always("b1", "permanent")
    await desk.world.see("b1")
    await desk.world.become(SINK, "dead")
    watching = watch(desk)
    schedule = replace(HOURLY, repair=True, restore=True)
    await watching.check(SINK, schedule)
    await checked(desk, watching, schedule)
    assert await piles(desk) == {}
    assert len(await desk.world.attempts(SINK)) == 1


async def test_of_two_hubs_one_compares(desk: Desk) -> None:
    await desk.showing(1)
    first, second = watch(desk), watch(desk, owner="hub-2")
    await first.check(SINK, HOURLY)
    desk.world.advance(timedelta(hours=2))
    looks = desk.calendar.looks
    assert sorted(await asyncio.gather(first.check(SINK, HOURLY), second.check(SINK, HOURLY))) == [
        False,
        True,
    ]
    assert desk.calendar.looks == looks + 1
    held = await desk.world.db.read(
        lambda session: leases.holder(session, f"drift:{SINK}", now=desk.world.clock.now(), length=LEASE)
    )
    assert held is None


async def test_a_look_whose_lease_was_lost_counts_for_nothing(desk: Desk) -> None:
    await desk.showing(1)
    watching = watch(desk)
    await watching.check(SINK, HOURLY)
    desk.edit("b0")

    async def stall() -> None:
        desk.world.advance(timedelta(hours=1))

    desk.calendar.while_looking = stall
    desk.world.advance(timedelta(hours=2))
    assert not await watching.check(SINK, HOURLY)
    assert await piles(desk) == {}


async def test_a_target_that_is_away_is_compared_later_and_what_was_found_stands(desk: Desk) -> None:
    await desk.showing(1)
    watching = watch(desk)
    await watching.check(SINK, HOURLY)
    desk.edit("b0")
    await checked(desk, watching)
    desk.calendar.credentials_valid = False
    desk.world.advance(timedelta(hours=2))
    assert not await watching.check(SINK, HOURLY)
    row = await desk.world.db.read(lambda session: drift.check_of(session, SINK))
    assert row is not None
    assert (row.error, row.next_at) == (
        "401 the token has expired",
        desk.world.clock.now() + timedelta(hours=1),
    )
    assert await piles(desk) == {"edited_by_hand": 1}
    desk.calendar.credentials_valid = True
    assert (await checked(desk, watching)).error is None


async def test_the_watch_compares_by_itself_and_ends_when_told(desk: Desk) -> None:
    await desk.showing(1)
    desk.edit("b0")
    soon = Schedule(timedelta(milliseconds=40))
    watching = watch(desk)
    watching._schedules = lambda: {SINK: soon}
    running = asyncio.create_task(watching.run())

    async def found() -> bool:
        desk.world.advance(timedelta(milliseconds=30))
        return await piles(desk) == {"edited_by_hand": 1}

    await eventually(found)
    watching._schedules = dict

    async def forgotten() -> bool:
        return await piles(desk) == {}

    await eventually(forgotten)
    running.cancel()
    assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], asyncio.CancelledError)
