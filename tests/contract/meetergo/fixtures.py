"""meetergo for every test that asks for it: servers started once for a run, an empty company per test."""

from collections.abc import Iterator

import pytest

from adapters.meetergo.simulator import create_app
from adapters.testing import SimulatorServer
from tests.contract.meetergo.stand_in import Listener, StandIn


@pytest.fixture(scope="session")
def meetergo_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def listener_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(Listener())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def meetergo(meetergo_server: SimulatorServer) -> StandIn:
    return StandIn(meetergo_server)


@pytest.fixture
def listener(listener_server: SimulatorServer) -> Listener:
    listener = Listener()
    listener_server.app = listener
    return listener
