"""The servers these tests talk to, each started once."""

from collections.abc import Iterator

import pytest

from adapters.caldav.simulator import create_app
from adapters.testing import SimulatorServer
from tests.contract.caldav.independent import Radicale, Xandikos
from tests.contract.caldav.stand_in import CalendarServer


@pytest.fixture(scope="session")
def calendar_server() -> Iterator[CalendarServer]:
    server = CalendarServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def route() -> Iterator[SimulatorServer]:
    """Where requests to an independent server pass, so that they can go wrong."""
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    server = Radicale(tmp_path_factory.mktemp("radicale"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def xandikos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xandikos]:
    server = Xandikos(tmp_path_factory.mktemp("xandikos"))
    yield server
    server.stop()
