"""The servers these tests talk to, each started once."""

from collections.abc import Iterator

import pytest

from tests.contract.google_calendar.my_world import MyWorld, World
from tests.contract.google_calendar.stand_in import CalendarServer


@pytest.fixture(scope="session")
def calendar_server() -> Iterator[CalendarServer]:
    server = CalendarServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def my_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MyWorld]:
    server = MyWorld(tmp_path_factory.mktemp("myworld"))
    yield server
    server.stop()


@pytest.fixture
def world(my_world: MyWorld) -> Iterator[World]:
    world = World(my_world)
    yield world
    world.close()
