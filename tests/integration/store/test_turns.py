"""Of all hubs on one store one reads the bookings of a source back."""

from datetime import timedelta

from hub.clock import ManualClock
from hub.ingest.turns import LENGTH, Turns
from hub.store.database import Database
from tests.factories import NOON

SOURCE = "meetergo"


async def test_one_hub_has_the_turn_until_it_leaves(database: Database) -> None:
    clock = ManualClock(NOON)
    one, other = (Turns(database, clock=clock, owner=owner) for owner in ("one", "other"))
    assert await one.has(SOURCE)
    assert not await other.has(SOURCE)
    assert await other.has("counter")
    for _ in range(5):
        clock.advance(LENGTH * 0.8)
        assert await one.has(SOURCE)
        assert not await other.has(SOURCE)
    await one.leave()
    assert await other.has(SOURCE)
    assert not await one.has(SOURCE)


async def test_a_dead_hub_is_waited_for_by_the_others_only(database: Database) -> None:
    clock = ManualClock(NOON)
    assert await Turns(database, clock=clock, owner="one").has(SOURCE)
    assert await Turns(database, clock=clock, owner="one").has(SOURCE)
    other = Turns(database, clock=clock, owner="other")
    assert not await other.has(SOURCE)
    clock.advance(LENGTH + timedelta(seconds=1))
    assert await other.has(SOURCE)
    await Turns(database, clock=clock, owner="one").leave()
    assert await other.has(SOURCE)


async def test_a_turn_taken_while_the_clock_was_ahead_is_over_when_it_is_set_right(
    database: Database,
) -> None:
    clock = ManualClock(NOON + timedelta(hours=2))
    one, other = (Turns(database, clock=clock, owner=owner) for owner in ("one", "other"))
    assert await one.has(SOURCE)
    clock.advance(-timedelta(hours=2))
    assert await other.has(SOURCE)
    assert not await one.has(SOURCE)
