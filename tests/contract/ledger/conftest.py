"""A ledger in memory and one in each kind of store; every example gets a sink of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from adapters.ledger import Ledger
from adapters.ledger_in_memory import MemoryLedger
from hub.clock import ManualClock
from hub.store.database import Database
from hub.store.ledger import StoreLedger
from hub.store.migrate import migrate
from tests.contract.ledger.entries import NINE
from tests.postgres import fresh_database

MakeLedger = Callable[[], Ledger]
SINKS = count(1)


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def new_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeLedger]:
    """Makes an empty ledger."""
    if request.param == "memory":
        yield MemoryLedger
        return
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'hub.db'}")
            migrate(database)
        else:
            database = Database.open(stack.enter_context(fresh_database()))
        stack.callback(database.close)
        yield lambda: StoreLedger(database, f"rooms-{next(SINKS)}", clock=ManualClock(NINE))


@pytest.fixture
def ledger(new_ledger: MakeLedger) -> Ledger:
    return new_ledger()
