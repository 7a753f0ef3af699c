"""Rooms through the delivery engine: nobody has one twice, and whoever waits gets it when it is free."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from adapters.ledger import LedgerEntry
from hub.store import ledger, recalls
from hub.store.database import Database
from hub.store.tables import LedgerEntryRow
from tests.integration.delivery.crash import Crash, Crashes, MortalDatabase
from tests.integration.delivery.rooms_process import SINK, rooms
from tests.integration.delivery.world import GRACE, World, eventually, later

MOST_STEPS = 200
ROOT = Path(__file__).parents[3]
ONE_ROOM: dict[str, Any] = {
    "pools": {"room": ["Atelier"]},
    "assign": [{"meeting_type": "erst*", "needs": {"room": 1}, "setup": "10m", "teardown": "10m"}],
}
TWO_ROOMS = ONE_ROOM | {"pools": {"room": ["Atelier", "Galerie"]}}


@pytest.fixture
async def other_db(delivery_url: str, world: World) -> AsyncIterator[Database]:
    """The same store as another process opens it; its engines stop before it closes."""
    with closing(Database.open(delivery_url)) as database:
        yield database
        await world.stop_all()


async def started(
    world: World, config: dict[str, Any], *, db: Database | None = None, epoch: int = 1
) -> None:
    sink = rooms(db or world.db, world.clock, config, epoch=epoch)
    await world.engine(sink, db=db, epoch=epoch).start()


async def entries(world: World) -> dict[str, LedgerEntry]:
    def read(session: Any) -> dict[str, LedgerEntry]:
        found = session.exec(select(LedgerEntryRow).where(LedgerEntryRow.sink == SINK))
        return {row.key: ledger.entry_of(row) for row in found}

    return await world.db.read(read)


async def held(world: World) -> dict[str, list[str]]:
    return {key: sorted(one.names) for key, one in (await entries(world)).items() if one.state == "held"}


async def waiting(world: World) -> list[str]:
    found = [one for one in (await entries(world)).values() if one.state == "waiting"]
    return [one.key for one in sorted(found, key=lambda one: one.line)]


async def conflicts(world: World) -> int:
    found = await world.db.read(lambda session: ledger.conflicts(session, now=world.clock.now()))
    return found[SINK].count if SINK in found else 0


async def told(world: World) -> dict[str, str]:
    """What the hub knows of each booking's room."""
    return {receipt.key: receipt.external_id for receipt in await world.receipts(SINK)}


async def test_of_eight_bookings_of_the_last_room_one_gets_it_and_the_next_in_line_when_it_is_free(
    world: World,
) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    await world.record(fact for n in range(8) for fact in world.derive(f"b{n}"))
    await world.settled(SINK)
    line = [f"b{n}" for n in range(1, 8)]
    assert await held(world) == {"b0": ["Atelier"]}
    assert await waiting(world) == line
    assert await conflicts(world) == 7
    outcomes = {row.key: row.outcome for row in await world.rows(SINK)}
    assert outcomes == {"b0": "created"} | dict.fromkeys(line, "waits for room")

    for winner, waits in zip(range(8), range(7, -1, -1), strict=True):
        assert await conflicts(world) == waits
        await world.see(f"b{winner}", cancelled=True)
        world.advance(GRACE)
        await world.settled(SINK)
        following = {f"b{winner + 1}": ["Atelier"]} if waits else {}
        assert await held(world) == following
        assert (await told(world)) == {key: f"Atelier/{key}" for key in following} | {
            key: f"waiting/{key}" for key in line[winner + 1 :]
        }


async def test_the_story_of_who_got_the_room_tells_it(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    await world.see("b0")
    await world.see("b1")
    await world.settled(SINK)
    (cancelled,) = await world.see("b0", cancelled=True)
    world.advance(GRACE)
    await world.become(SINK, "delivered", "delivered", key="b1")
    first, second = await world.rows(SINK, "b1")
    assert (first.outcome, first.cause) == ("waits for room", None)
    assert (second.outcome, second.cause) == ("created", recalls.CAPACITY_FREED)
    assert (second.event_id, second.booking_id) == (cancelled.event_id, "b1")
    story = [one for one in await world.attempts(SINK) if one.booking_id == "b1"]
    assert [(one.outcome, one.message) for one in story] == [
        ("waits for room", "waiting/b1"),
        ("created", "Atelier/b1"),
    ]


async def test_a_move_follows_and_lets_the_next_one_in(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    for key in ("b0", "b1", "b2"):
        await world.see(key)
    await world.see("b1", **later(3))
    await world.settled(SINK)
    assert await held(world) == {"b0": ["Atelier"], "b1": ["Atelier"]}
    await world.see("b0", **later(3))
    await world.settled(SINK)
    assert await held(world) == {"b1": ["Atelier"], "b2": ["Atelier"]}
    assert await waiting(world) == ["b0"]


async def test_two_engines_on_one_store_never_give_the_room_out_twice(
    world: World, other_db: Database
) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    await started(world, ONE_ROOM, db=other_db)
    alive = [f"b{n}" for n in range(16)]
    await world.record(fact for key in alive for fact in world.derive(key))
    await world.settled(SINK)
    while alive:
        (winner,) = await held(world)
        line = await waiting(world)
        assert sorted([winner, *line]) == sorted(alive)
        assert line == sorted(line, key=lambda key: int(key[1:]))
        alive.remove(winner)
        await world.see(winner, cancelled=True)
        world.advance(GRACE)
        await world.settled(SINK)
        assert list(await held(world)) == line[:1]
        assert {key: f"Atelier/{key}" for key in line[:1]}.items() <= (await told(world)).items()


@contextmanager
def processes(url: str, *names: str) -> Iterator[None]:
    """Real processes that deliver, ended by closing their input."""
    with ExitStack() as stack:
        running = []
        for name in names:
            arguments = [url, json.dumps(ONE_ROOM), name]
            command = [sys.executable, "-m", "tests.integration.delivery.rooms_process", *arguments]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            running.append(stack.enter_context(process))
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield
        for process in running:
            process.communicate(timeout=60)
            assert process.returncode == 0


@pytest.mark.parametrize("delivery_url", ["postgresql"], indirect=True)
async def test_two_processes_on_postgresql_share_the_last_room_out_one_by_one(
    world: World, delivery_url: str
) -> None:
    world.register(SINK, "booking", grace=timedelta(0))
    alive = [f"b{n}" for n in range(8)]
    with processes(delivery_url, "first", "second"):
        await world.record(fact for key in alive for fact in world.derive(key))
        await world.settled(SINK)
        while alive:
            (winner,) = await held(world)
            line = await waiting(world)
            assert sorted([winner, *line]) == sorted(alive)
            assert await conflicts(world) == len(line)
            alive.remove(winner)
            await world.see(winner, cancelled=True)
            await world.settled(SINK)
            assert await held(world) == {key: ["Atelier"] for key in line[:1]}
            assert await told(world) == {
                key: f"Atelier/{key}" if key in line[:1] else f"waiting/{key}" for key in line
            }


async def test_a_longer_pool_serves_the_line_and_a_shorter_one_makes_wait(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    for key in ("b0", "b1", "b2"):
        await world.see(key)
    # The newest fact of the first in line is the last of all: its place is that of its booking.
    await world.see("b1", title="Another title")
    await world.settled(SINK)
    await world.stop_all()

    await started(world, TWO_ROOMS)
    await world.settled(SINK)

    async def longer() -> bool:
        return await told(world) == {"b0": "Atelier/b0", "b1": "Galerie/b1", "b2": "waiting/b2"}

    await eventually(longer)
    assert {row.cause for row in await world.rows(SINK)} > {recalls.PLANNED_AGAIN}
    await world.stop_all()

    await started(world, ONE_ROOM)

    async def shorter() -> bool:
        return await told(world) == {"b0": "Atelier/b0", "b1": "waiting/b1", "b2": "waiting/b2"}

    await eventually(shorter)


async def test_an_unchanged_configuration_calls_nobody_again(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    await world.see("b0")
    await world.settled(SINK)
    await world.stop_all()
    await started(world, ONE_ROOM)
    await world.see("b1", **later(5))
    await world.settled(SINK)
    assert [one.booking_id for one in await world.attempts(SINK)] == ["b0", "b1"]


async def test_a_lost_ledger_is_made_again_by_who_asked_first(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, TWO_ROOMS)
    for n in range(4):
        await world.see(f"b{n}")
    for n in (1, 0):
        await world.see(f"b{n}", title="Another title")
    await world.settled(SINK)
    before = await held(world), await waiting(world)
    await world.stop_all()

    def lose(session: Any) -> None:
        for table in ("ledger_entries", "ledgers"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")

    await world.db.write(lose)
    await started(world, TWO_ROOMS)

    async def made_again() -> bool:
        return (await held(world), await waiting(world)) == before

    await eventually(made_again)
    assert before == ({"b0": ["Atelier"], "b1": ["Galerie"]}, ["b2", "b3"])


async def test_a_process_killed_between_any_two_steps_leaves_the_plan_whole(
    world: World, db: Database
) -> None:
    """One gives the room up, one moves to its time, one waits: the next process ends what was begun."""
    world.register(SINK, "booking", grace=timedelta(0))
    for at in range(1, MOST_STEPS):
        moved, gone, waits = (f"{name}-{at}" for name in ("moved", "gone", "waits"))
        start = later(4 * at)
        for key in (gone, waits):
            await world.see(key, **start)
        await world.see(moved, **later(4 * at + 2))
        await started(world, ONE_ROOM)
        await world.settled(SINK)
        await world.stop_all()
        world.engines.clear()
        await world.see(moved, **start)
        await world.see(gone, cancelled=True)

        crashes = Crashes(at)
        dying = MortalDatabase(db, crashes)
        first = world.engine(rooms(dying, world.clock, ONE_ROOM), db=dying)

        async def over(crashes: Crashes = crashes) -> bool:
            return crashes.crashed or await world.open_rows(SINK) == 0

        with suppress(Crash):
            await first.start()
            await eventually(over)
        with suppress(Crash):
            await first.stop(within=timedelta(0))
        world.engines.clear()
        await world.engine(rooms(db, world.clock, ONE_ROOM), alone=True).start()
        await world.settled(SINK)
        await world.stop_all()
        world.engines.clear()

        plan = await entries(world)
        assert [plan[key].state for key in (moved, gone, waits)] == ["waiting", "released", "held"]
        known = await told(world)
        assert (known.get(gone), known[waits], known[moved]) == (None, f"Atelier/{waits}", f"waiting/{moved}")
        if not crashes.crashed:
            assert at > 5
            return
    raise AssertionError(f"still not through after {MOST_STEPS} steps")


async def test_after_a_recovery_of_the_log_positions_of_the_old_one_block_nothing(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM, epoch=9)
    await world.see("b0")
    await world.settled(SINK)
    await world.stop_all()
    await started(world, ONE_ROOM, epoch=10)
    await world.see("b0", **later(2))
    await world.settled(SINK)
    entry = (await entries(world))["b0"]
    assert (entry.epoch, entry.start) == (10, later(2)["start"])


async def test_when_a_booking_ends_nothing_has_to_happen(world: World) -> None:
    world.register(SINK, "booking")
    await started(world, ONE_ROOM)
    await world.see("b0")
    await world.see("b1")
    await world.settled(SINK)
    world.advance(timedelta(days=10))
    assert await conflicts(world) == 0
    assert await held(world) == {"b0": ["Atelier"]}
    assert len(await world.attempts(SINK)) == 2
