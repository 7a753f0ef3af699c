"""A disk that takes no more writes: nothing acknowledged is lost, and room alone brings everything back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import hub.log.writes as writes
from hub.errors import LogError, LogUnavailableError
from hub.log import EmbeddedServer, LogConnection, connect, kept_storing, open_streams
from hub.log.publish import Message, store
from hub.log.server_files import ServerFiles
from hub.log.streams import stream_state
from tests.waiting import until

STREAM = "HUB_INBOX"
FULL_AT = 20_000


class Disk:
    """The limit of a file's size stands in for a disk: the server gets the same kind of error from it."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.full = False

    def fill(self) -> None:
        self.full = True
        self._limit(FULL_AT)

    def free(self) -> None:
        self.full = False
        self._limit(psutil.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._server.pid is not None
        psutil.Process(self._server.pid).rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def disk(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(server)
    monkeypatch.setattr(ServerFiles, "take_a_trial_write", lambda _: not disk.full)
    monkeypatch.setattr(writes, "_SECONDS", 1.5)
    return disk


@pytest.fixture
async def connection(server: EmbeddedServer) -> AsyncIterator[LogConnection]:
    async with await connect(server.address) as connection:
        await open_streams(connection, prefix="hub", installation_id="i1", events_known=False)
        yield connection


async def put(connection: LogConnection, number: int) -> int:
    return await store(connection, STREAM, [Message(f"hub.inbox.{number}", bytes(3000), {})], timeout=2.0)


async def fill(connection: LogConnection, disk: Disk) -> int:
    """Store until the disk is full and the server was found out; the position of the last that was stored."""
    disk.fill()
    last = 0
    while not connection.writes.stalled:
        with suppress(LogUnavailableError):
            last = await put(connection, last)
    return last


async def test_a_server_that_stores_nothing_is_found_out_and_can_still_be_read(
    disk: Disk, connection: LogConnection
) -> None:
    assert connection.writes.problem is None
    last = await fill(connection, disk)
    assert STREAM in (connection.writes.problem or "")
    state = await stream_state(connection, STREAM)
    assert state is not None
    assert state.last == last > 0


async def test_room_on_the_disk_is_enough_to_store_again(
    server: EmbeddedServer, disk: Disk, connection: LogConnection
) -> None:
    async with kept_storing(server, connection):
        last = await fill(connection, disk)
        disk.free()
        await until(lambda: server.restarts == 1 and connection.is_connected)
        assert await stored_again(connection) > last
        assert connection.writes.problem is None


async def test_a_server_on_a_full_disk_is_left_running(
    server: EmbeddedServer, disk: Disk, connection: LogConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(ServerFiles, "take_a_trial_write", lambda _: looks.append(disk.full))
    async with kept_storing(server, connection):
        await fill(connection, disk)
        await until(lambda: len(looks) >= 2)
        assert all(looks)
        assert await stream_state(connection, STREAM)
    assert server.restarts == 0


async def stored_again(connection: LogConnection) -> int:
    """Where the next message stands; the streams may still be on their way back."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await put(connection, 0)
            except LogError:
                await asyncio.sleep(0.05)


def test_a_trial_write_tells_a_disk_that_takes_none(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    assert not files.take_a_trial_write()
    files.prepare()
    assert files.take_a_trial_write()
    assert list(files.folder.iterdir()) == []
