"""A store per test module: examples take a generation each, so none has to clean up."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hub.store.database import Database
from hub.store.migrate import migrate
from tests.postgres import fresh_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An open, migrated store."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            folder: Path = tmp_path_factory.mktemp("store")
            opened = Database.open(f"sqlite:///{folder / 'hub.db'}")
            migrate(opened)
        else:
            opened = Database.open(stack.enter_context(fresh_database()))
        stack.callback(opened.close)
        yield opened
