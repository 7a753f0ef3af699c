"""A nats-server for the whole run and a store file to copy; every test has streams and a store of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from hub.errors import LogError
from hub.log import (
    EventLog,
    InboxLog,
    LogConnection,
    OpenedLog,
    Privacy,
    ServerAddress,
    connect,
    open_streams,
)
from hub.log.subjects import stream_name
from hub.store.database import Database
from tests.nats_process import NatsProcess
from tests.stores import DIALECTS, empty_store, migrated_in

INSTALLATION = "test-installation"


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsProcess]:
    """The shared server; a test that kills one starts its own."""
    server = NatsProcess(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.remove()


@pytest.fixture
def nats_address(nats_server: NatsProcess) -> ServerAddress:
    return nats_server.address


@pytest.fixture
def prefix() -> str:
    """Names the subjects and streams of this test only."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
async def connection(nats_address: ServerAddress, prefix: str) -> AsyncIterator[LogConnection]:
    connection = await connect(nats_address)
    yield connection
    for kind in ("events", "inbox", "keys"):
        with suppress(LogError):
            await connection.api(f"STREAM.DELETE.{stream_name(prefix, kind)}")
    await connection.close()


@pytest.fixture
async def streams(connection: LogConnection, prefix: str) -> OpenedLog:
    return await open_streams(connection, prefix=prefix, installation_id=INSTALLATION, events_known=False)


@pytest.fixture
async def privacy(connection: LogConnection, prefix: str, streams: OpenedLog) -> Privacy:
    privacy = Privacy(connection, prefix)
    await privacy.load()
    return privacy


@pytest.fixture
async def event_log(connection: LogConnection, prefix: str, privacy: Privacy) -> EventLog:
    return EventLog(connection, privacy, prefix)


@pytest.fixture
async def inbox_log(connection: LogConnection, prefix: str, streams: OpenedLog) -> AsyncIterator[InboxLog]:
    inbox = InboxLog(connection, prefix)
    yield inbox
    await inbox.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables, to be copied."""
    return migrated_in(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(params=DIALECTS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """The address of a migrated, empty store; every test that asks for it runs on both databases."""
    with empty_store(request.param, tmp_path, migrated_file) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """The same on SQLite alone."""
    with empty_store("sqlite", tmp_path, migrated_file) as url:
        yield url


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An open store, on both databases."""
    with closing(Database.open(store_url)) as opened:
        yield opened


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """An open store on SQLite, for what is alike on both."""
    with closing(Database.open(sqlite_url)) as opened:
        yield opened
