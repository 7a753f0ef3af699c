"""The server these tests talk to, started once, and sinks on an account of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from adapters.hubspot.simulator import create_app
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import SimulatorServer
from tests.contract.hubspot.stand_in import Account, context, sink_on


@pytest.fixture(scope="session")
def hubspot_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(hubspot_server: SimulatorServer) -> Account:
    return Account(hubspot_server)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., HubSpotSink]]:
    """Makes sinks on an account, whose connections end with the test."""
    made: list[HubSpotSink] = []

    def make(account: Account, **contact: Any) -> HubSpotSink:
        made.append(sink_on(account, context(), **contact))
        return made[-1]

    yield make
    for sink in made:
        await sink.context.http.aclose()


@pytest.fixture
def sink(account: Account, make: Callable[..., HubSpotSink]) -> HubSpotSink:
    return make(account)
