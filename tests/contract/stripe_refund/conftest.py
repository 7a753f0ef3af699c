"""A web server for the stand-in, used again by all tests of this folder, and a desk of one's own on it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.stripe_refund.simulator import create_app
from adapters.testing import SimulatorServer
from tests.contract.stripe_refund.desk import Desk


@pytest.fixture(scope="module")
def stripe_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def desk(stripe_server: SimulatorServer) -> AsyncIterator[Desk]:
    desk = Desk(stripe_server)
    yield desk
    await desk.close()
