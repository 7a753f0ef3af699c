"""The same on a real nats-server: it is killed, its newest block is cut, its stream is made anew."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from events import Envelope
from hub.clock import SystemClock
from hub.errors import LogError
from hub.log import EventLog, LogConnection, Privacy, connect, open_streams
from hub.log.subjects import stream_name
from hub.projections.compare import Difference
from hub.projections.reader import Hooks, Reader
from hub.projections.rebuild import Rebuilder
from hub.projections.sinks import SinkRegistration
from hub.store import installation
from hub.store.database import Database
from tests.contract.projections.kit import deliveries, eventually, live_rows, many, read_all
from tests.nats_process import NatsProcess

CHAT = SinkRegistration("chat", "reactor")


async def append(log: EventLog, envelopes: Sequence[Envelope]) -> None:
    """One fact after the other, each at the version its history has now."""
    for envelope in envelopes:
        history = (envelope.source, envelope.provider_id)
        _, version = await log.head(*history)
        await log.append([envelope], expected={history: version})


async def opened(connection: LogConnection, prefix: str) -> EventLog:
    await open_streams(connection, prefix=prefix, installation_id="test-installation", events_known=False)
    privacy = Privacy(connection, prefix)
    await privacy.load()
    return EventLog(connection, privacy, prefix)


async def verified(log: EventLog, database: Database) -> tuple[Difference, ...]:
    return await Rebuilder(log, database, clock=SystemClock()).verify()


async def test_the_log_is_followed_and_rebuilt(event_log: EventLog, database: Database) -> None:
    envelopes = many(20, per_booking=2)
    reader = Reader(event_log, database, clock=SystemClock(), registrations=[CHAT])
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.state == "reading")
    await append(event_log, envelopes)
    await eventually(lambda: reader.position == 40)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert await reader.measure() == reader.lag
    assert reader.lag.events == 0
    assert [row.event_id for row in deliveries(database)] == [envelope.event_id for envelope in envelopes]
    assert await verified(event_log, database) == ()
    before = live_rows(database)
    await Rebuilder(event_log, database, clock=SystemClock()).rebuild()
    assert live_rows(database) == before


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def own_connection(own_server: NatsProcess) -> AsyncIterator[LogConnection]:
    connection = await connect(own_server.address)
    yield connection
    await connection.close()


async def test_a_cut_block_is_noticed_while_the_hub_runs_and_nothing_is_skipped(
    own_server: NatsProcess, own_connection: LogConnection, prefix: str, sqlite_database: Database
) -> None:
    clock, envelopes = SystemClock(), many(60, per_booking=1)
    sqlite_database.write_now(lambda session: installation.get_or_create(session, now=clock.now()))
    log = await opened(own_connection, prefix)
    hooks = Hooks(reconnects=lambda: own_connection.reconnects)
    reader = Reader(log, sqlite_database, clock=clock, registrations=[CHAT], hooks=hooks)
    await append(log, envelopes[:40])
    running = asyncio.create_task(reader.run())
    await eventually(lambda: reader.position == 40)

    own_server.kill()
    newest = own_server.blocks(stream_name(prefix, "events"))[-1]
    os.truncate(newest, newest.stat().st_size - 4_000)
    own_server.start()
    await eventually(lambda: reader.divergence is not None)
    divergence = reader.divergence
    assert divergence is not None
    assert 0 < divergence.last_agreeing_position < 40
    assert divergence.since is not None

    last = (await log.state()).last
    assert last == divergence.last_agreeing_position
    # New facts take the positions of the lost ones, which come back behind them.
    await append(log, [*envelopes[40:60], *envelopes[last:40]])
    await eventually(lambda: reader.position == 60)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert await verified(log, sqlite_database) == ()
    found = deliveries(sqlite_database)
    assert {row.event_id for row in found} == {envelope.event_id for envelope in envelopes}
    assert {row.state for row in found} == {"pending"}
    row = sqlite_database.read_now(installation.get)
    assert row is not None
    assert row.epoch == 2


async def test_a_stream_made_anew_is_noticed_at_the_start(
    connection: LogConnection, prefix: str, sqlite_database: Database
) -> None:
    clock, envelopes = SystemClock(), many(30, per_booking=1)
    log = await opened(connection, prefix)
    await append(log, envelopes[:12])
    await read_all(Reader(log, sqlite_database, clock=clock))
    with suppress(LogError):
        await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'events')}")
    log = await opened(connection, prefix)
    await append(log, envelopes[12:30])
    reader = Reader(log, sqlite_database, clock=clock)
    assert await read_all(reader) == 18
    assert reader.divergence is not None
    assert reader.divergence.last_agreeing_position == 0
    assert await verified(log, sqlite_database) == ()
