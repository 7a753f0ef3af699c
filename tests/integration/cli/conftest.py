"""A served hub per test; commands find it by the environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.served import serving
from tests.integration.web.world import World


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    made = World(tmp_path, sqlite_url)
    yield made
    made.database.close()


@pytest.fixture
def hub(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The same, answering on a port that the environment names."""
    monkeypatch.setenv("BOOKINGHUB_TOKEN", world.token("admin"))
    with serving(world) as url:
        monkeypatch.setenv("BOOKINGHUB_URL", url)
        yield world


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration in the default place, and nothing running."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hub.yaml").write_text("hub: {timezone: Europe/Berlin, data_dir: ../data}\n")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path
