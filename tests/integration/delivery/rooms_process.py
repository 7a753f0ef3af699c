"""A process that delivers one sink of rooms from a store, until its standard input is closed."""

import asyncio
import json
import sys
from contextlib import closing
from typing import Any

from adapters.api import AdapterContext
from adapters.resources.config import ResourcesConfig
from adapters.resources.sink import ResourcesSink
from events import Envelope
from hub.clock import Clock, ManualClock
from hub.delivery import DeliveryEngine, RunningSink
from hub.projections.current import current_booking, current_contact
from hub.store.database import Database
from hub.store.ledger import StoreLedger
from tests.integration.delivery.world import POLL, TODAY

SINK = "rooms"


def rooms(db: Database, clock: Clock, config: dict[str, Any], *, epoch: int = 1) -> RunningSink:
    """The sink as the hub builds it."""
    context = AdapterContext(
        instance=SINK,
        installation_id="i1",
        clock=clock.now,
        epoch=epoch,
        ledger=StoreLedger(db, SINK, clock=clock),
    )
    return RunningSink(SINK, ResourcesSink(ResourcesConfig.model_validate(config), context))


async def no_envelope(position: int) -> Envelope | None:
    """A mirror needs none."""
    return None


async def deliver(url: str, config: dict[str, Any], name: str) -> None:
    clock = ManualClock(TODAY)
    with closing(Database.open(url)) as db:
        engine = DeliveryEngine(
            db,
            [rooms(db, clock, config)],
            clock,
            load_booking=current_booking,
            load_contact=current_contact,
            load_envelope=no_envelope,
            owner=name,
            poll=POLL,
        )
        await engine.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        await engine.stop()


if __name__ == "__main__":
    asyncio.run(deliver(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]))
