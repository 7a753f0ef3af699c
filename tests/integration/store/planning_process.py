"""A process that books, moves and cancels on one ledger at random, beside others that do the same.

Says `ready` and begins when it is told to; then prints what each call was told, one line each.
"""

import asyncio
import random
import sys
from contextlib import closing
from datetime import timedelta

from adapters.api import AdapterContext, Receipt
from adapters.errors import TransientError
from adapters.resources.config import ResourcesConfig
from adapters.resources.sink import ResourcesSink
from adapters.testing import sample_booking
from events import Booking
from hub.clock import ManualClock
from hub.store.database import Database
from hub.store.ledger import StoreLedger
from tests.integration.store.rows import NOW

SINK = "rooms"
CONFIG = ResourcesConfig.model_validate(
    {
        "pools": {"room": ["Atelier", "Galerie"], "beamer": ["Beamer 1"]},
        "assign": [
            {"meeting_type": "talk", "needs": {"room": 1, "beamer": 1}, "setup": "10m", "teardown": "10m"},
            {"meeting_type": "*", "needs": {"room": 1}},
        ],
    }
)
BOOKINGS, AT_ONCE = 12, 4


def state(key: str, position: int, choice: random.Random) -> Booking:
    """One booking within a day of six hours, so that all want the same rooms."""
    start = NOW + timedelta(hours=choice.randrange(6))
    booking = sample_booking(
        booking_id=key, start=start, end=start + timedelta(hours=choice.choice((1, 1, 2))), position=position
    )
    kind = booking.meeting_type.model_copy(update={"slug": choice.choice(("talk", "demo"))})
    booking = booking.model_copy(update={"meeting_type": kind, "time_position": position})
    return booking.cancelled(None) if choice.random() < 0.25 else booking


async def plan(url: str, name: str, rounds: int) -> None:
    choice = random.Random(name)
    with closing(Database.open(url)) as database:
        clock = ManualClock(NOW)
        context = AdapterContext(
            instance=SINK,
            installation_id="i1",
            clock=clock.now,
            ledger=StoreLedger(database, SINK, clock=clock),
        )
        sink = ResourcesSink(CONFIG, context)
        receipts: dict[str, Receipt | None] = {}

        async def bring(key: str, position: int) -> None:
            wanted = state(key, position, choice)
            while True:
                try:
                    receipts[key] = await sink.sync(wanted, "", receipts.get(key))
                except TransientError:
                    continue
                break
            told = receipts[key]
            sys.stdout.write(f"{key} {told.external_id if told else '-'}\n")

        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for number in range(rounds):
            keys = choice.sample(range(BOOKINGS), AT_ONCE)
            await asyncio.gather(
                *(bring(f"{name}-{key}", 1 + AT_ONCE * number + place) for place, key in enumerate(keys))
            )


if __name__ == "__main__":
    asyncio.run(plan(sys.argv[1], sys.argv[2], int(sys.argv[3])))
