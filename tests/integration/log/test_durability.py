"""What was acknowledged survives `kill -9` of the server; what a damaged disk takes away is noticed."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hub.errors import ConcurrencyError, GapError, LogUnavailableError
from hub.log import EventLog, InboxLog, LogConnection, Privacy, connect, open_streams, set_epoch
from tests.integration.log.samples import moves
from tests.integration.log.test_inbox import receipt
from tests.nats_process import NatsProcess
from tests.waiting import until

KILLS = 5
WRITERS = 6
BATCH = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def connection(server: NatsProcess) -> AsyncIterator[LogConnection]:
    async with await connect(server.address) as connection:
        await open_streams(connection, prefix="hub", installation_id="i1", events_known=False)
        yield connection


@pytest.fixture
async def log(connection: LogConnection) -> EventLog:
    privacy = Privacy(connection, "hub")
    await privacy.load()
    return EventLog(connection, privacy, "hub")


async def restart(server: NatsProcess, connection: LogConnection) -> None:
    """Start the killed server and wait until this client is back."""
    before = connection.reconnects
    await asyncio.to_thread(server.start)
    await until(lambda: connection.reconnects > before)


class Load:
    """Appends histories batch by batch and stores receipts, as fast as it can, through every outage."""

    def __init__(self, log: EventLog, inbox: InboxLog) -> None:
        self._log = log
        self._inbox = inbox
        self._numbers = iter(range(1_000_000))
        self.acknowledged: dict[int, str] = {}
        self.receipts: dict[int, str] = {}
        self.retries = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._append()) for _ in range(WRITERS)]
        self._tasks += [asyncio.create_task(self._receive()) for _ in range(WRITERS)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError(f"a writer ended: {outcome!r}")

    async def _append(self) -> None:
        while True:
            provider_id = f"b{next(self._numbers)}"
            history = moves(provider_id, 2 * BATCH)
            for batch in (history[:BATCH], history[BATCH:]):
                await self._append_once(provider_id, batch)

    async def _append_once(self, provider_id: str, batch: list) -> None:  # type: ignore[type-arg]
        """As the pipeline does it: the outcome of a lost answer is read, not guessed."""
        while True:
            with suppress(LogUnavailableError):
                head, version = await self._log.head("meetergo", provider_id)
                if head is not None and head.event_id == batch[-1].event_id:
                    first = version - len(batch) + 1
                else:
                    with suppress(ConcurrencyError):
                        appended = await self._log.append(
                            batch, expected={("meetergo", provider_id): version}
                        )
                        first = appended.first_position
                        self.acknowledged |= {first + at: one.event_id for at, one in enumerate(batch)}
                        return
                    continue
                self.acknowledged |= {first + at: one.event_id for at, one in enumerate(batch)}
                return
            self.retries += 1
            await asyncio.sleep(0.02)

    async def _receive(self) -> None:
        while True:
            made = receipt(next(self._numbers), body=random.randbytes(300))
            self.receipts[await self._inbox.store(made)] = made.receipt_id


@pytest.mark.parametrize("kills", [KILLS, pytest.param(200, marks=pytest.mark.slow)])
async def test_kill_of_the_server_under_load_loses_and_halves_nothing(
    server: NatsProcess, connection: LogConnection, log: EventLog, kills: int
) -> None:
    inbox = InboxLog(connection, "hub", patience=120)
    load = Load(log, inbox)
    load.start()
    for _ in range(kills):
        enough = len(load.acknowledged) + len(load.receipts) + random.randint(20, 300)
        await until(lambda goal=enough: len(load.acknowledged) + len(load.receipts) >= goal)  # type: ignore[misc]
        server.kill()
        await restart(server, connection)
    await load.stop()
    await inbox.close()
    assert load.retries

    state = await log.state()
    assert (state.first, state.events) == (1, state.last)
    stored: dict[int, str] = {}
    sizes: dict[str, int] = {}
    while page := await log.read(len(stored), 1000):
        stored |= {envelope.position: envelope.event_id for envelope in page}
        for envelope in page:
            sizes[envelope.provider_id] = sizes.get(envelope.provider_id, 0) + 1
    assert {at: stored.get(at) for at in load.acknowledged} == load.acknowledged
    assert len(set(stored.values())) == len(stored), "a fact is stored twice"
    assert {provider_id: size for provider_id, size in sizes.items() if size % BATCH} == {}

    found: dict[int, str] = {}
    while receipts := await inbox.read(max(found, default=0), 1000):
        found |= {one.sequence: one.receipt_id for one in receipts}
    assert {at: found.get(at) for at in load.receipts} == load.receipts


async def test_readers_are_told_at_once_that_the_server_is_gone(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    await log.append(moves("b1", 2), expected={("meetergo", "b1"): 0})
    server.kill()
    await until(lambda: not connection.is_connected)
    with pytest.raises(LogUnavailableError):
        await log.read(0, 10)
    with pytest.raises(LogUnavailableError):
        await log.head("meetergo", "b1")
    with pytest.raises(LogUnavailableError):
        await log.append(moves("b2", 1), expected={("meetergo", "b2"): 0})
    await restart(server, connection)
    assert [envelope.position for envelope in await log.read(0, 10)] == [1, 2]


async def test_a_stopped_server_bounds_every_call(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    """Not even a server that keeps the connection and answers nothing holds a caller for ever."""
    await log.append(moves("b1", 1), expected={("meetergo", "b1"): 0})
    os.kill(server.pid, 19)
    try:
        async with asyncio.timeout(30):
            outcomes = await asyncio.gather(
                log.read(0, 10),
                log.head("meetergo", "b1"),
                log.append(moves("b2", 2), expected={("meetergo", "b2"): 0}),
                log.state(),
                return_exceptions=True,
            )
    finally:
        os.kill(server.pid, 18)
    assert {type(outcome) for outcome in outcomes} == {LogUnavailableError}
    # What was given up may still happen: the outcome is unknown, so the history is read again.
    await until(lambda: connection.is_connected)
    head, version = None, 0
    async with asyncio.timeout(60):
        while head is None:
            with suppress(LogUnavailableError, ConcurrencyError):
                head, version = await log.head("meetergo", "b2")
                if head is None:
                    await log.append(moves("b2", 2), expected={("meetergo", "b2"): version})
    assert len(await log.history("meetergo", "b2")) == 2


async def test_a_tail_cut_off_after_a_kill_gives_positions_to_other_events(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    """The server starts without a word and counts on from what is left, even inside a batch."""
    for number in range(10):
        await log.append(moves(f"b{number}", 3), expected={("meetergo", f"b{number}"): 0})
    before, checkpoint = await log.state(), await log.event_id_at(30)
    server.kill()
    block = server.blocks("HUB_EVENTS")[-1]
    os.truncate(block, block.stat().st_size - 5000)
    await restart(server, connection)

    after = await log.state()
    assert after.created_at == before.created_at
    assert after.last == after.events < 30
    assert await log.event_id_at(30) is None
    survivors = await log.read(0, 100)
    assert [envelope.position for envelope in survivors] == list(range(1, after.last + 1))
    await log.append(moves("new", 5), expected={("meetergo", "new"): 0})
    assert await log.event_id_at(30) not in (None, checkpoint)

    # Deriving again appends the lost facts with the ids they had.
    again = moves("b9", 3)
    head, version = await log.head("meetergo", "b9")
    known = 0 if head is None else [one.event_id for one in again].index(head.event_id) + 1
    await log.append(again[known:], expected={("meetergo", "b9"): version})
    assert [one.event_id for one in await log.history("meetergo", "b9")] == [one.event_id for one in again]


async def test_a_tail_cut_off_after_a_clean_stop_leaves_a_hole_that_readers_refuse_until_accepted(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    """Its index remembers the last position, so the server goes on after the hole."""
    for number in range(10):
        await log.append(moves(f"b{number}", 3), expected={("meetergo", f"b{number}"): 0})
    server.stop()
    block = server.blocks("HUB_EVENTS")[-1]
    os.truncate(block, block.stat().st_size - 5000)
    await restart(server, connection)

    state = await log.state()
    assert (state.last, state.events, state.missing) == (30, 27, 3)
    assert await log.event_id_at(30) is None
    assert len(await log.read(0, 100)) == 27
    await log.append(moves("new", 2), expected={("meetergo", "new"): 0})
    with pytest.raises(GapError, match="28 to 30"):
        await log.read(27, 100)
    with pytest.raises(GapError):
        await log.read(0, 100)

    assert await log.accept_losses() == (range(28, 31),)
    assert [envelope.position for envelope in await log.read(27, 100)] == [31, 32]
    assert len(await log.read(0, 100)) == 29
    state = await log.state()
    assert (state.events, state.missing) == (29, 0)
    assert await log.accept_losses() == (range(28, 31),)


async def test_a_new_epoch_accepts_what_is_lost(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    for number in range(4):
        await log.append(moves(f"b{number}", 3), expected={("meetergo", f"b{number}"): 0})
    server.stop()
    block = server.blocks("HUB_EVENTS")[-1]
    os.truncate(block, block.stat().st_size - 10)
    await restart(server, connection)
    await log.append(moves("new", 1), expected={("meetergo", "new"): 0})
    assert (await log.state()).missing == 1
    await set_epoch(connection, prefix="hub", epoch=2)
    assert (await log.state()).missing == 0
    assert [envelope.position for envelope in await log.read(0, 100)] == [*range(1, 12), 13]


async def test_a_log_emptied_from_outside_is_missing_everything(
    connection: LogConnection, log: EventLog
) -> None:
    """A limit set by somebody else deletes even from a stream that denies deletes."""
    await log.append(moves("b1", 3), expected={("meetergo", "b1"): 0})
    config = (await connection.api("STREAM.INFO.HUB_EVENTS"))["config"]
    await connection.api(
        "STREAM.UPDATE.HUB_EVENTS",
        {**config, "max_msgs": 1, "discard": "old", "discard_new_per_subject": False},
    )

    async def emptied() -> bool:
        return (await log.state()).events == 1

    await until(emptied)
    assert (await log.state()).missing == 2
    with pytest.raises(GapError):
        await log.read(0, 10)


async def test_a_sound_log_has_nothing_to_accept(
    server: NatsProcess, connection: LogConnection, log: EventLog
) -> None:
    await log.append(moves("b1", 2), expected={("meetergo", "b1"): 0})
    assert await log.accept_losses() == ()
    assert (await log.state()).missing == 0
