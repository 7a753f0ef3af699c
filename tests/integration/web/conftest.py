"""One hub per test; on SQLite unless a test asks for both databases."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.web.world import World, copy_of, make_empty_store
from tests.postgres import fresh_database


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> AsyncIterator[World]:
    with ExitStack() as stack:
        if getattr(request, "param", "sqlite") == "postgresql":
            url = stack.enter_context(fresh_database())
        else:
            url = copy_of(empty_store, tmp_path)
        async with World(tmp_path, url) as made:
            yield made
