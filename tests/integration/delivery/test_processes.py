"""Several processes on one store share the work: one call at a time per key, in order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta

import pytest

from hub.delivery import RunningSink
from hub.store.database import Database
from tests.integration.delivery.targets import Calendar, CalendarMirror, Chat, ChatReactor
from tests.integration.delivery.world import World, eventually, later


@pytest.fixture
async def other_db(delivery_url: str, world: World) -> AsyncIterator[Database]:
    """The same store as another process opens it; its engines stop before it closes."""
    with closing(Database.open(delivery_url)) as database:
        yield database
        await world.stop_all()


class Counting:
    """Counts what an engine delivers."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.most_in_flight = 0
        self.covered = 0

    def attempted(self, sink: str, *, outcome: str, duration: timedelta) -> None:
        self.outcomes[outcome] += 1

    def delivered(self, sink: str, *, covered: int, latency: timedelta) -> None:
        self.covered += covered

    def in_flight(self, sink: str, *, keys: int) -> None:
        self.most_in_flight = max(self.most_in_flight, keys)


async def test_two_processes_keep_the_order_of_every_key(world: World, other_db: Database) -> None:
    for sink, kind in (("calendar", "booking"), ("chat", "reactor")):
        world.register(sink, kind)  # type: ignore[arg-type]
    calendar, chat = Calendar(), Chat()
    calendar.gate = asyncio.Event()
    shares = []
    for db in (world.db, other_db):
        share = Counting()
        shares.append(share)
        sinks = (
            RunningSink("calendar", CalendarMirror(calendar, world.context("calendar")), concurrency=3),
            RunningSink("chat", ChatReactor(chat, world.context("chat")), concurrency=3),
        )
        await world.engine(*sinks, db=db, observer=share).start()
    for change in range(4):
        await world.record(fact for n in range(15) for fact in world.derive(f"b{n}", **later(change)))

    async def both_at_work() -> bool:
        return len(calendar.busy) == 2 * 3

    await eventually(both_at_work)
    calendar.gate.set()
    await world.settled("calendar")
    await world.settled("chat")

    assert calendar.overlaps == []
    assert chat.overlaps == []
    for booking in (f"b{n}" for n in range(15)):
        assert chat.of(booking) == ["BookingCreated"] + ["BookingRescheduled"] * 3
        assert calendar.history[booking] == sorted(calendar.history[booking])
    assert {entry.start for entry in calendar.entries.values()} == {later(3)["start"].isoformat()}
    assert [share.outcomes["delivered"] > 0 for share in shares] == [True, True]
    assert all(share.outcomes.keys() == {"delivered"} for share in shares)
    assert all(1 <= share.most_in_flight <= 3 for share in shares)


async def test_claim_of_a_long_call_is_renewed(world: World, other_db: Database) -> None:
    world.register("calendar", "booking")
    calendar = Calendar()
    calendar.gate = asyncio.Event()
    running = RunningSink("calendar", CalendarMirror(calendar, world.context("calendar")))
    await world.engine(running, renew_every=timedelta(milliseconds=10)).start()
    await world.see("b1")
    await world.become("calendar", "sending")
    await world.engine(running, db=other_db).start()
    for _ in range(4):
        world.clock.advance(running.lease / 2)
        until = world.clock.now() + running.lease

        async def renewed(until: object = until) -> bool:
            return [claim.until for claim in await world.claims()] == [until]

        await eventually(renewed)
    calendar.gate.set()
    await world.become("calendar", "delivered")
    assert calendar.tries["b1"] == 1


async def test_result_of_a_lost_claim_is_discarded(world: World, other_db: Database) -> None:
    world.register("calendar", "booking")
    slow, quick = Calendar(), Calendar()
    slow.gate = asyncio.Event()
    share = Counting()
    first = RunningSink("calendar", CalendarMirror(slow, world.context("calendar"), target="slow"))
    await world.engine(first, observer=share, renew_every=timedelta(days=1)).start()
    await world.see("b1")
    await eventually(lambda: called(slow))
    world.engines[0].wake()

    # The first process sleeps over its lease, another one takes the key over.
    world.clock.advance(first.lease)
    second = RunningSink("calendar", CalendarMirror(quick, world.context("calendar"), target="quick"))
    await world.engine(second, db=other_db).start()
    await world.become("calendar", "delivered")
    slow.gate.set()

    async def discarded() -> bool:
        return share.outcomes["lost_claim"] == 1

    await eventually(discarded)
    assert [receipt.target for receipt in await world.receipts("calendar")] == ["quick"]
    assert len(await world.attempts("calendar")) == 1


async def called(calendar: Calendar) -> bool:
    return sum(calendar.tries.values()) > 0
