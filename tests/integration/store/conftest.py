"""The store's fixtures: every test that asks for `database` or `store_url` runs on both databases."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.database import Database
from hub.store.migrate import migrate
from tests.postgres import fresh_database

DIALECTS = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables, to be copied."""
    file = tmp_path_factory.mktemp("store") / "migrated.db"
    with closing(Database.open(f"sqlite:///{file}")) as database:
        migrate(database)
    return file


@pytest.fixture(params=DIALECTS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
    else:
        with fresh_database(migrated=False) as url:
            yield url


@pytest.fixture(params=DIALECTS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """The address of a migrated, empty store."""
    if request.param == "sqlite":
        file = tmp_path / "hub.db"
        shutil.copy(migrated_file, file)
        yield f"sqlite:///{file}"
    else:
        with fresh_database() as url:
            yield url


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An open store."""
    with closing(Database.open(store_url)) as opened:
        yield opened


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
def sqlite_file(tmp_path: Path, migrated_file: Path) -> Path:
    """A migrated, empty store in a file, for what only SQLite has."""
    file = tmp_path / "hub.db"
    shutil.copy(migrated_file, file)
    return file
