"""A running column on SQLite and streams of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.store.database import Database
from hub.store.migrate import migrate
from tests.integration.ingest.column import Column


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'hub.db'}")
    migrate(opened)
    yield opened
    opened.close()


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
