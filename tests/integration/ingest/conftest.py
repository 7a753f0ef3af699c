"""A running column on SQLite and streams of its own."""

from collections.abc import AsyncIterator

import pytest

from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.store.database import Database
from tests.integration.ingest.column import Column


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
async def resting(
    connection: LogConnection, inbox_log: InboxLog, event_log: EventLog, privacy: Privacy, database: Database
) -> Column:
    """A column that was not started."""
    return Column.build(connection, inbox_log, event_log, privacy, database)


@pytest.fixture
async def column(resting: Column) -> AsyncIterator[Column]:
    """A running column."""
    await resting.start()
    yield resting
    await resting.stop()
