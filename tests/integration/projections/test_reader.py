"""Following the log: one transaction per batch, however many readers there are and whatever fails."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psutil
import pytest

from events import BookingCreated, Envelope
from hub.clock import ManualClock
from hub.projections.errors import LogMismatchError
from hub.projections.reader import Hooks, Lag, Reader
from hub.projections.sinks import SinkRegistration
from hub.store.database import Database
from tests.contract.projections.kit import (
    MemoryLog,
    apply,
    deliveries,
    eventually,
    live_rows,
    many,
    read_all,
    recorded,
    rows,
)

CALENDAR = SinkRegistration("calendar", "booking")


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_was_read_is_in_all_tables_and_the_checkpoint_names_its_last_event(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(400, per_booking=2))
    seen: list[Envelope] = []
    reader = Reader(log, database, clock=clock, hooks=Hooks(on_batch=seen.extend))
    assert await read_all(reader) == 800
    assert reader.position == 800
    assert await reader.measure() == Lag()
    assert [envelope.position for envelope in seen] == list(range(1, 801))
    database.write_now(lambda session: apply(session, log.events, 99, sizes=[100]))
    assert live_rows(database) == database.read_now(lambda session: rows(session, 99))


async def test_a_running_reader_hears_the_doorbell(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(20, per_booking=1)
    reader = Reader(log, sqlite_database, clock=clock)
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.state == "reading" and bool(log.bells))
    for envelope in envelopes:
        log.append([envelope])
        await eventually(lambda: reader.position == len(log.events))
    await stop(running)
    assert all(bell.closed for bell in log.bells)


async def test_two_readers_on_one_store_take_turns(
    store_url: str, database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    other = Database.open(store_url)
    readers = [Reader(log, opened, clock=clock, registrations=[CALENDAR]) for opened in (database, other)]
    running = [asyncio.create_task(reader.run()) for reader in readers]
    envelopes = many(60, per_booking=4)
    for first in range(0, len(envelopes), 7):
        log.append(envelopes[first : first + 7])
        await asyncio.sleep(0)
    await eventually(lambda: all(reader.position == len(envelopes) for reader in readers))
    for task in running:
        await stop(task)
    other.close()
    assert [row.event_id for row in deliveries(database)] == [envelope.event_id for envelope in envelopes]
    database.write_now(lambda session: apply(session, log.events, 99, sizes=[100]))
    assert live_rows(database) == database.read_now(lambda session: rows(session, 99))


async def test_an_unknown_event_stops_the_reader_after_all_events_before_it(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(30, per_booking=1))
    log.unreadable = {18}
    reader = Reader(log, sqlite_database, clock=clock)
    await asyncio.wait_for(reader.run(), 60)
    assert reader.state == "stopped"
    assert reader.reason is not None
    assert "BookingDuplicated is unknown" in reader.reason
    assert reader.position == 17
    assert await reader.measure() == Lag(
        13, (clock.now() - log.events[17].recorded_at) / timedelta(seconds=1)
    )


@pytest.mark.parametrize("trouble", ["away", "gap"])
async def test_trouble_with_the_log_is_waited_out(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock, trouble: str
) -> None:
    log.append(many(10, per_booking=1))
    log.away, log.missing = trouble == "away", {7} if trouble == "gap" else set()
    reader = Reader(log, sqlite_database, clock=clock)
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.state == "waiting")
    assert reader.reason is not None
    log.away, log.missing = False, set()
    await eventually(lambda: reader.position == 10)
    assert reader.state == "reading"
    await stop(running)


async def test_another_event_at_the_checkpoint_is_noticed_before_anything_is_applied(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(12, per_booking=1)
    log.append(envelopes[:6])
    reader = Reader(log, sqlite_database, clock=clock)
    await read_all(reader)
    log.cut(5)
    with pytest.raises(LogMismatchError):
        await reader.step()
    log.append(envelopes[7:])
    with pytest.raises(LogMismatchError):
        await reader.step()
    assert len(live_rows(sqlite_database)["timeline"]) == 6


async def test_a_reconnect_lets_the_checkpoint_be_verified_again(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    envelopes = many(20, per_booking=1)
    log.append(envelopes[:8])
    reconnects = [0]
    reader = Reader(log, sqlite_database, clock=clock, hooks=Hooks(reconnects=lambda: reconnects[0]))
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.position == 8)
    log.make_anew()
    log.append(envelopes[:8])
    reconnects[0] += 1
    await eventually(lambda: reader.divergence is not None and reader.position == 8)
    await stop(running)


async def test_a_paused_reader_reads_nothing(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    reader = Reader(log, sqlite_database, clock=clock)
    await read_all(reader)
    log.append(many(3, per_booking=1))
    async with reader.paused():
        step = asyncio.create_task(reader.step())
        await asyncio.sleep(0.02)
        assert not step.done()
    assert await step == 3


class EndlessLog(MemoryLog):
    """A log too long to be kept: every event is made when it is asked for."""

    def __init__(self, last: int) -> None:
        super().__init__()
        created = many(1, per_booking=1)[0].event
        assert isinstance(created, BookingCreated)
        self._created, self._last = created, last

    async def read(self, after: int, limit: int) -> list[Envelope]:
        return [self._at(position) for position in range(after + 1, min(after + limit, self._last) + 1)]

    async def event_id_at(self, position: int) -> str | None:
        return self._at(position).event_id

    def _at(self, position: int) -> Envelope:
        booking_id = f"b{position % 997}"
        state = self._created.booking.model_copy(update={"booking_id": booking_id})
        event = self._created.model_copy(update={"booking": state})
        return recorded(event, position, event_id=f"e{position}")


async def test_memory_does_not_grow_with_the_history(sqlite_database: Database, clock: ManualClock) -> None:
    log, process = EndlessLog(10_000), psutil.Process()
    reader = Reader(log, sqlite_database, clock=clock, registrations=[replace(CALENDAR)])
    await reader.prepare()
    while reader.position < 2_500:
        await reader.step()
    before = process.memory_info().rss
    while reader.position < 10_000:
        await reader.step()
    assert process.memory_info().rss - before < 12 << 20
