"""The delivery's world on both databases."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.database import Database
from hub.store.migrate import migrate
from tests.integration.delivery.world import World
from tests.postgres import fresh_database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables, to be copied."""
    file = tmp_path_factory.mktemp("delivery") / "migrated.db"
    with closing(Database.open(f"sqlite:///{file}")) as database:
        migrate(database)
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def delivery_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """The address of a migrated, empty store."""
    if request.param == "sqlite":
        file = tmp_path / "hub.db"
        shutil.copy(migrated_file, file)
        yield f"sqlite:///{file}"
    else:
        with fresh_database() as url:
            yield url


@pytest.fixture
def db(delivery_url: str) -> Iterator[Database]:
    with closing(Database.open(delivery_url)) as database:
        yield database


@pytest.fixture
async def world(db: Database) -> AsyncIterator[World]:
    world = World(db)
    yield world
    await world.stop_all()
