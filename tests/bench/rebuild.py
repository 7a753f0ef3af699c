"""Rebuild against a bare loop of get, decode, unseal, fold and bulk write over the same log."""

import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from random import Random

from adapters.registry import load_adapter
from events import Booking, BookingEvent, Envelope
from events.derive import derive
from hub.clock import SystemClock
from hub.ingest.contacts import with_contacts
from hub.log import EmbeddedServer, EventLog, Privacy, connect, open_streams
from hub.projections.reader import Reader
from hub.projections.rebuild import Rebuilder
from hub.store.database import Database
from hub.store.migrate import migrate
from tests.e2e.life import Life

EVENTS = 20_000
PER_BOOKING = 4
ROUNDS = 3
AT_ONCE = 40


async def compare_rebuild(folder: Path, say: Callable[[str], None]) -> None:
    say(f"rebuild of {EVENTS} events, {PER_BOOKING} per booking, {ROUNDS} rounds")
    async with AsyncExitStack() as stack:
        nats = EmbeddedServer(folder / "rebuild")
        (folder / "rebuild").mkdir()
        stack.push_async_callback(nats.stop)
        connection = await connect(await nats.start())
        stack.push_async_callback(connection.close)
        await open_streams(connection, prefix="hub", installation_id="bench", events_known=False)
        privacy = Privacy(connection, "hub")
        await privacy.load()
        log = EventLog(connection, privacy, "hub")
        await fill(log, privacy)
        database = Database.open(f"sqlite:///{folder / 'rebuild' / 'hub.db'}")
        stack.callback(database.close)
        migrate(database)
        clock = SystemClock()
        reader = Reader(log, database, clock=clock)
        await reader.prepare()
        while await reader.step():
            pass
        ratios, rates = [], []
        for number in range(ROUNDS):
            floor = await bare_loop(log, folder / f"bare-{number}.db")
            built = await Rebuilder(log, database, clock=clock).rebuild()
            assert built.position == EVENTS
            rates.append((floor, EVENTS / built.seconds))
            ratios.append(EVENTS / built.seconds / floor)
        floor, rate = (statistics.median(column) for column in zip(*rates, strict=True))
        say(f"  bare loop: get, decode, unseal, fold, bulk write {floor:8.0f}/s")
        ratio = statistics.median(ratios)
        say(f"  rebuild                                          {rate:8.0f}/s   ratio {ratio:.2f}")


async def fill(log: EventLog, privacy: Privacy) -> None:
    """A log of bookings that were made, moved and cancelled."""
    adapter = load_adapter("meetergo")
    assert adapter.source is not None
    assert adapter.source_config is not None
    source = adapter.source(adapter.source_config(), instance="meetergo")

    async def write(number: int) -> None:
        life = Life(number, Random(number))
        facts: list[BookingEvent] = []
        state: Booking | None = None
        for webhook in (life.created(), life.moved(), life.moved(), life.cancelled()):
            shown = source.read(webhook, received_at=life.now).snapshot
            assert shown is not None
            facts += derive(state, with_contacts(shown, state, privacy))
            state = facts[-1].booking
        batch = [Envelope.of(fact, provenance="webhook", causation_id="r_bench") for fact in facts]
        await log.append(batch, expected={("meetergo", life.booking_id): 0})

    numbers = range(EVENTS // PER_BOOKING)
    for first in numbers[::AT_ONCE]:
        await asyncio.gather(*(write(number) for number in numbers[first : first + AT_ONCE]))
    assert (await log.state()).last == EVENTS


async def bare_loop(log: EventLog, file: Path) -> float:
    """Events per second of the least that any rebuild has to do."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("create table bookings (booking_id text primary key, position int, state text)")
        began, position = time.perf_counter(), 0
        while envelopes := await log.read(position, 1_000):
            newest = {envelope.booking_id: envelope for envelope in envelopes}
            connection.executemany(
                "insert or replace into bookings values (?, ?, ?)",
                [
                    (key, envelope.position, json.dumps(envelope.to_message()["data"]["booking"]))
                    for key, envelope in newest.items()
                ],
            )
            connection.commit()
            position = envelopes[-1].position
        return position / (time.perf_counter() - began)
