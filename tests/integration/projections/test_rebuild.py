"""A new generation from the first event: equal to the one that was fed, and safe to kill at any moment."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import update
from sqlmodel import Session, col

from events import Envelope
from hub.clock import ManualClock, SystemClock
from hub.errors import LogError
from hub.projections import PROJECTIONS, VERSIONS
from hub.projections.errors import LogMismatchError, RebuildLostError, RebuildRunningError
from hub.projections.generations import delete_some, left_over, live_checkpoint
from hub.projections.reader import Reader
from hub.projections.rebuild import LEASE, LEASE_LENGTH, Progress, Rebuilder
from hub.projections.sinks import SinkRegistration
from hub.store import checkpoints, leases
from hub.store.database import Database
from hub.store.tables import BookingRow, CheckpointRow, ContactRow
from tests.contract.projections.kit import (
    MemoryLog,
    deliveries,
    eventually,
    histories,
    live_rows,
    many,
    read_all,
    rows,
)

CALENDAR = SinkRegistration("calendar", "booking")


def generation(database: Database) -> int:
    live = database.read_now(live_checkpoint)
    assert live is not None
    return live.generation


def stored_generations(database: Database) -> set[int]:
    """Every generation that any table holds a row of."""

    def read(session: Session) -> set[int]:
        numbers = {row.generation for row in checkpoints.every(session)}
        return {n for n in (*numbers, *range(1, 12)) if any(rows(session, n).values()) or n in numbers}

    return database.read_now(read)


async def test_a_rebuild_takes_over_and_leaves_nothing_behind(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(300, per_booking=4, people=30))
    reader = Reader(log, database, clock=clock, registrations=[CALENDAR])
    await read_all(reader)
    before, queued = live_rows(database), len(deliveries(database))
    seen: list[Progress] = []
    built = await Rebuilder(log, database, clock=clock).rebuild(progress=seen.append)
    assert (built.generation, built.position) == (2, 1_200)
    assert live_rows(database) == before
    assert stored_generations(database) == {2}
    assert [progress.done for progress in seen] == [1_000, 1_200]
    assert {progress.total for progress in seen} == {1_200}
    assert seen[-1].remaining_seconds == 0
    assert len(deliveries(database)) == queued
    log.append(many(305, per_booking=1)[300:])
    assert await reader.step() > 0
    assert await reader.step() == 5
    assert reader.generation == 2


async def test_the_reader_goes_on_while_a_rebuild_runs_and_no_delivery_is_lost(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(100, per_booking=8)
    log.append(envelopes[:500])
    reader = Reader(log, database, clock=clock, registrations=[CALENDAR])
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.position == 500)
    rebuilding = asyncio.create_task(Rebuilder(log, database, clock=clock).rebuild())
    for first in range(500, 800, 12):
        log.append(envelopes[first : first + 12])
        await asyncio.sleep(0.002)
    await rebuilding
    await eventually(lambda: reader.position == 800)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert generation(database) == 2
    assert [row.event_id for row in deliveries(database)] == [envelope.event_id for envelope in envelopes]
    assert await Rebuilder(log, database, clock=clock).verify() == ()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(envelopes=histories(max_steps=20))
async def test_whatever_happened_a_rebuild_equals_what_was_fed(
    sqlite_database: Database, envelopes: list[Envelope]
) -> None:
    clock, log = ManualClock(envelopes[0].occurred_at), MemoryLog()
    log.append(envelopes)
    sqlite_database.write_now(_empty)
    reader = Reader(log, sqlite_database, clock=clock)
    reader._batch = 3
    await read_all(reader)
    assert await Rebuilder(log, sqlite_database, clock=clock).verify() == ()


def _empty(session: Session) -> None:
    session.exec(update(CheckpointRow).values(live=False))
    for generation in left_over(session):
        while delete_some(session, generation):
            pass


async def test_verify_shows_what_differs_and_switches_nothing(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(40, per_booking=2, people=5))
    reader = Reader(log, database, clock=clock)
    await read_all(reader)
    rebuilder = Rebuilder(log, database, clock=clock)
    assert await rebuilder.verify(pause=reader.paused) == ()

    def tamper(session: Session) -> None:
        session.exec(update(BookingRow).where(col(BookingRow.booking_id) == "b7").values(title="Other"))
        contact = session.get_one(ContactRow, (1, "c-p3@kunde.example"))
        session.delete(contact)

    database.write_now(tamper)
    found = {difference.table: difference for difference in await rebuilder.verify()}
    assert sorted(found) == ["bookings", "contacts"]
    assert (found["bookings"].key, found["bookings"].columns) == (("b7",), ("title",))
    assert found["contacts"].key == ("c-p3@kunde.example",)
    assert found["contacts"].live is None
    assert generation(database) == 1
    assert stored_generations(database) == {1}


async def test_a_second_rebuild_at_the_same_time_is_refused(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    await read_all(Reader(log, sqlite_database, clock=clock))
    async with Rebuilder(log, sqlite_database, clock=clock).alone():
        with pytest.raises(RebuildRunningError):
            await Rebuilder(log, sqlite_database, clock=clock).rebuild()
        await Rebuilder(log, sqlite_database, clock=clock).clean()
    await Rebuilder(log, sqlite_database, clock=clock).rebuild()


async def test_a_rebuild_that_lost_its_lease_writes_nothing_more(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(1_010, per_booking=1))
    await read_all(Reader(log, sqlite_database, clock=clock))

    def fall_asleep(_: Progress) -> None:
        clock.advance(2 * LEASE_LENGTH)

    with pytest.raises(RebuildLostError):
        await Rebuilder(log, sqlite_database, clock=clock).rebuild(progress=fall_asleep)
    assert generation(sqlite_database) == 1
    await Rebuilder(log, sqlite_database, clock=clock).clean()
    assert stored_generations(sqlite_database) == {1}


@pytest.fixture
def rebuilding(sqlite_url: str) -> Iterator["subprocess.Popen[str]"]:
    script = Path(__file__).with_name("rebuild_forever.py")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')",
            sqlite_url,
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    yield process
    process.kill()
    process.communicate()


async def test_a_killed_rebuild_leaves_the_old_generation_serving(
    sqlite_url: str, log: MemoryLog, clock: ManualClock, request: pytest.FixtureRequest
) -> None:
    log.append(many(300, per_booking=2))
    database = Database.open(sqlite_url)
    await read_all(Reader(log, database, clock=clock))
    before = live_rows(database)
    database.close()

    process: subprocess.Popen[str] = request.getfixturevalue("rebuilding")
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 200:
            break
    process.kill()
    process.wait()

    database = Database.open(sqlite_url)
    assert generation(database) == 1
    assert database.read_now(left_over) == [2]
    assert live_rows(database) == before
    # Its lease has to run out first, for nobody knows that it is dead.
    now = database.read_now(
        lambda session: leases.holder(session, LEASE, now=SystemClock().now(), length=LEASE_LENGTH)
    )
    assert now is not None
    later = ManualClock(clock.now() + timedelta(days=36_500))
    reader = Reader(log, database, clock=later)
    await reader.prepare()
    assert stored_generations(database) == {1}
    assert live_rows(database) == before
    assert await Rebuilder(log, database, clock=later).verify() == ()
    database.close()


async def test_rows_of_other_code_are_rebuilt_at_the_start(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(20, per_booking=1))
    await read_all(Reader(log, database, clock=clock))
    before = live_rows(database)

    def older(session: Session) -> None:
        session.exec(update(CheckpointRow).values(versions={**VERSIONS, "contacts": 0}))
        session.exec(update(ContactRow).values(name="of another version"))

    database.write_now(older)
    reader = Reader(log, database, clock=clock)
    await reader.prepare()
    assert generation(database) == 2
    assert live_rows(database) == before
    assert await Rebuilder(log, database, clock=clock).outdated() == ()
    await reader.prepare()
    assert generation(database) == 2


async def test_a_rebuild_never_serves_events_the_reader_has_not_queued(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(50, per_booking=1)
    log.append(envelopes[:30])
    reader = Reader(log, sqlite_database, clock=clock, registrations=[CALENDAR])
    await read_all(reader)
    log.append(envelopes[30:])
    built = await Rebuilder(log, sqlite_database, clock=clock).rebuild()
    assert built.position == 30
    await read_all(reader)
    assert len(deliveries(sqlite_database)) == 50


async def test_a_rebuild_over_another_log_serves_nothing(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(20, per_booking=1)
    log.append(envelopes[:10])
    await read_all(Reader(log, sqlite_database, clock=clock))
    log.make_anew()
    log.append(envelopes[10:])
    with pytest.raises(LogMismatchError):
        await Rebuilder(log, sqlite_database, clock=clock).rebuild()
    log.cut(4)
    with pytest.raises(LogError):
        await Rebuilder(log, sqlite_database, clock=clock).rebuild()
    assert generation(sqlite_database) == 1


def test_the_versions_are_those_of_the_projections() -> None:
    assert {projection.name: projection.version for projection in PROJECTIONS} == VERSIONS
