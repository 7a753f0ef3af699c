"""The server these tests talk to, started once."""

from collections.abc import Iterator

import pytest

from adapters.hubspot.simulator import create_app
from adapters.testing import SimulatorServer
from tests.contract.hubspot.stand_in import Account


@pytest.fixture(scope="session")
def hubspot_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(hubspot_server: SimulatorServer) -> Account:
    return Account(hubspot_server)
