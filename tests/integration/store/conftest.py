"""Further stores: one without tables, one opened twice, one of a certain kind."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.database import Database
from tests.postgres import fresh_database
from tests.stores import DIALECTS


@pytest.fixture(params=DIALECTS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
    else:
        with fresh_database(migrated=False) as url:
            yield url


@pytest.fixture
def other(store_url: str) -> Iterator[Database]:
    """The same store, opened a second time as another process would."""
    with closing(Database.open(store_url)) as opened:
        yield opened


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The address of a migrated, empty store on PostgreSQL, for what only it has."""
    with fresh_database() as url:
        yield url


@pytest.fixture
def sqlite_file(sqlite_url: str) -> Path:
    """A migrated, empty store in a file, for what only SQLite has."""
    return Path(sqlite_url.removeprefix("sqlite:///"))
