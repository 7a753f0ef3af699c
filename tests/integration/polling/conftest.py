"""A world around a provider that can go wrong, on SQLite and streams of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.log import EventLog, Privacy
from hub.store.database import Database
from tests.integration.polling.provider import ListProvider
from tests.integration.polling.world import World, settings_of


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
def provider() -> ListProvider:
    return ListProvider()


@pytest.fixture
async def world(
    tmp_path: Path, event_log: EventLog, privacy: Privacy, database: Database, provider: ListProvider
) -> AsyncIterator[World]:
    """A running world; nothing is asked before the test says so."""
    built = World.build(event_log, privacy, database, provider, settings_of(tmp_path))
    built.start()
    yield built
    await built.stop()
