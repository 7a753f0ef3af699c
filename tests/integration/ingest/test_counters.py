"""From webhooks in any order to the numbers a CRM shows, through every part there is between."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from adapters.api import AdapterContext
from adapters.http import HttpClient
from adapters.hubspot.config import HubSpotConfig
from adapters.hubspot.simulator import config, create_app
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import SimulatedSide, SimulatorServer
from hub.delivery import DeliveryEngine, RunningSink
from hub.projections.current import current_booking, current_contact
from hub.projections.reader import Hooks, Reader
from hub.projections.sinks import SinkRegistration
from hub.store import deliveries, sinks
from hub.store.deliveries import OPEN_STATES, DeliveryFilter
from tests.integration.ingest.column import NOW, Column, sample, until

CRM = "crm"
TYPO, RIGHT = "ilse@kunde.exmaple", "ilse@kunde.example"
SAMPLE: dict[str, Any] = json.loads(sample("booking_created.flat"))


def webhook(booking: str, minute: int, *, mail: str = TYPO, no_show: bool | None = None) -> dict[str, Any]:
    """What the provider says of a booking this many minutes after it was made."""
    person = SAMPLE["attendees"][0] | {"email": mail} | ({} if no_show is None else {"noShow": no_show})
    kind = "booking_created" if minute == 0 else "booking_rescheduled"
    return SAMPLE | {
        "webhookType": kind,
        "id": booking,
        "attendees": [person],
        "updatedAt": f"2026-10-12T08:{minute:02}:00Z",
    }


WEBHOOKS = (
    *(webhook(f"b{number}", 0) for number in range(1, 6)),
    webhook("b1", 1, no_show=True),
    webhook("b2", 1, no_show=True),
    webhook("b2", 2, no_show=True, mail=RIGHT),
    webhook("b3", 1, no_show=True),
    webhook("b3", 2, no_show=False),
)
WANTED = {
    TYPO: {"hub_booking_count": "4", "hub_no_show_count": "1"},
    RIGHT: {"hub_booking_count": "1", "hub_no_show_count": "1"},
}


@pytest.fixture
def account() -> Iterator[SimulatedSide]:
    server = SimulatorServer(create_app())
    server.start()
    yield SimulatedSide(server, create_app())
    server.stop()


@asynccontextmanager
async def delivering(column: Column, account: SimulatedSide) -> AsyncIterator[Reader]:
    """Reader and engine behind the column, with the CRM as their only sink."""
    context = AdapterContext(CRM, "installation-1", column.clock.now, http=HttpClient())
    sink = HubSpotSink(HubSpotConfig.model_validate(config(account.url)), context)
    engine = DeliveryEngine(
        column.database,
        [RunningSink(CRM, sink)],
        column.clock,
        load_booking=current_booking,
        load_contact=current_contact,
        load_envelope=column.log.at,
        owner="hub-1",
        alone=True,
        poll=timedelta(milliseconds=20),
    )
    reader = Reader(
        column.log,
        column.database,
        clock=column.clock,
        registrations=[SinkRegistration(CRM, "contact")],
        hooks=Hooks(on_batch=lambda _: engine.wake()),
    )
    await column.database.write(
        lambda session: sinks.see(session, CRM, type="hubspot", start_position=0, now=NOW)
    )
    reading = asyncio.create_task(reader.run())
    await engine.start()
    try:
        yield reader
    finally:
        await engine.stop()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def delivered(column: Column, reader: Reader) -> None:
    """Wait until every fact is read and its rows are in a final state."""

    async def is_done() -> bool:
        state = await column.log.state()
        wanted = DeliveryFilter(sink=CRM, states=OPEN_STATES)
        page = await column.database.read(lambda session: deliveries.listing(session, wanted, limit=1))
        return reader.position == state.last and not page.items

    await until(is_done)


def counts(account: SimulatedSide) -> Mapping[str, Mapping[str, str]]:
    return {
        contact["email"]: {name: contact.get(name, "") for name in WANTED[TYPO]}
        for contact in account.objects().values()
    }


@pytest.mark.parametrize("seed", range(4))
async def test_both_contacts_show_their_own_numbers(
    column: Column, account: SimulatedSide, seed: int
) -> None:
    webhooks = [*WEBHOOKS, *WEBHOOKS[::2]]
    random.Random(seed).shuffle(webhooks)
    account.fault(kind="lost_reply", on="contacts.update", times=2)
    async with delivering(column, account) as reader:
        for body in webhooks:
            assert (await column.send(body)).status == 200
        await column.settled()
        await delivered(column, reader)
    assert counts(account) == WANTED
