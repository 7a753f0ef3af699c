"""One hub per test, in front of the provider's stand-in."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.stripe_refund import simulator as stripe_refund
from adapters.testing import SimulatorServer
from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.store.database import Database
from tests.contract.meetergo.stand_in import Listener, StandIn
from tests.contract.stripe_refund.desk import Desk
from tests.integration.commands.world import World, refunding, world_of


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
async def world(
    tmp_path: Path,
    meetergo: StandIn,
    listener: Listener,
    listener_server: SimulatorServer,
    connection: LogConnection,
    inbox_log: InboxLog,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
) -> AsyncIterator[World]:
    log = (connection, inbox_log, event_log, privacy)
    made = world_of(tmp_path, meetergo, listener, listener_server.url, log=log, database=database)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(stripe_refund.create_app())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def stripe(stripe_server: SimulatorServer, world: World) -> AsyncIterator[Desk]:
    """An account on which Ilse has paid 49.00 EUR, and a sink that refunds from it up to 100.00 unasked."""
    desk = Desk(stripe_server)
    desk.account.pay("1", amount=4900, email="ilse@kunde.example")
    refunding(world, desk)
    yield desk
    await desk.close()
