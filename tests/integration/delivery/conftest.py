"""The delivery's world on both databases."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.database import Database
from tests.integration.delivery.world import World
from tests.stores import DIALECTS, empty_store


@pytest.fixture(params=DIALECTS)
def delivery_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """The address of a migrated, empty store."""
    with empty_store(request.param, tmp_path, migrated_file) as url:
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
