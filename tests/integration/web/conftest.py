"""One hub per test; on SQLite unless a test asks for both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.web.world import World
from tests.stores import empty_store


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> AsyncIterator[World]:
    with empty_store(getattr(request, "param", "sqlite"), tmp_path, migrated_file) as url:
        async with World(tmp_path, url) as made:
            yield made
