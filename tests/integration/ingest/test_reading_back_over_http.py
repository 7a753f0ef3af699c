"""`verify: fetch` against the stand-in for meetergo: its webhooks at our door, its appointments over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.http import HttpClient
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.provider import MeetergoProvider
from adapters.testing import SimulatorServer
from hub.ingest.verdicts import MANY
from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.store import sources
from hub.store.database import Database
from tests.contract.meetergo.stand_in import DENIZ, Listener, StandIn, at
from tests.integration.ingest.column import SOURCE, Column, until


@pytest.fixture
def meetergo(
    meetergo_server: SimulatorServer, listener: Listener, listener_server: SimulatorServer
) -> StandIn:
    stand_in = StandIn(meetergo_server)
    stand_in.subscribe(listener_server.url)
    return stand_in


@pytest.fixture
def key(meetergo: StandIn) -> str:
    """A platform key of this test's own, for a key's budget of requests is shared by the process."""
    token = f"ak_live:5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10:{uuid4().hex}"
    meetergo.ask("POST", "/_keys", token=token)
    return token


@pytest.fixture
async def column(
    connection: LogConnection,
    inbox_log: InboxLog,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
    meetergo: StandIn,
    key: str,
) -> AsyncIterator[Column]:
    http = HttpClient(timeout=timedelta(seconds=5))
    settings = ApiSettings.model_validate({"base_url": meetergo.url, "key": key})
    provider = MeetergoProvider(http, settings, source=SOURCE)
    built = Column.build(connection, inbox_log, event_log, privacy, database, provider=provider)
    await built.start()
    yield built
    await built.stop()
    await http.aclose()


async def deliver(column: Column, meetergo: StandIn, listener: Listener) -> list[dict[str, Any]]:
    """Bring the webhooks that are on their way to our door."""
    meetergo.deliver(everything=True)
    bodies = listener.bodies()
    for body in bodies:
        await column.send(body)
    return bodies


async def test_a_life_is_told_by_the_api_and_by_no_payload(
    column: Column, meetergo: StandIn, listener: Listener
) -> None:
    booked = meetergo.book(at(27, 9))
    for act in (
        lambda: None,
        lambda: meetergo.move(booked["id"], at(28, 10)),
        lambda: meetergo.cancel(booked["id"], by="attendee", reason="passt nicht"),
    ):
        act()
        meetergo.advance(60)
        for body in await deliver(column, meetergo, listener):
            # What anybody could have written: only the id and the type are believed.
            await column.send(body | {"meetingTypeSlug": "forged"})
        await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingRescheduled", "BookingCancelled"]
    events = await column.events()
    assert {event.provenance for event in events} == {"webhook"}
    assert len({event.causation_id for event in events}) == 3
    newest = events[-1].booking
    assert newest is not None
    assert newest.meeting_type is not None
    assert (newest.meeting_type.slug, newest.version_origin) == ("erstgespraech", "api")
    assert (newest.cancel and newest.cancel.reason) == "passt nicht"


async def test_nothing_of_an_answer_that_is_secret_is_stored(
    column: Column, meetergo: StandIn, listener: Listener
) -> None:
    booked = meetergo.book(at(27, 9))
    secret = json.loads(meetergo.raw(f"/v4/appointment/{booked['id']}").content)["secret"]
    await deliver(column, meetergo, listener)
    await column.settled()
    (event,) = await column.events()
    assert len(secret) > 8
    assert secret not in json.dumps(event.to_message())
    (receipt,) = await column.inbox.read(0, 10)
    assert secret.encode() not in receipt.body


async def test_a_replica_that_lags_is_asked_again(
    column: Column, meetergo: StandIn, listener: Listener
) -> None:
    booked = meetergo.book(at(27, 9))
    await deliver(column, meetergo, listener)
    await column.settled()
    meetergo.switch(lag_seconds=30)
    meetergo.advance(300)
    meetergo.move(booked["id"], at(28, 10))
    await deliver(column, meetergo, listener)

    async def is_asked_again() -> bool:
        return bool(await column.dirty()) and len(await column.events()) == 1

    await until(is_asked_again)
    meetergo.advance(31)

    async def has_caught_up() -> bool:
        column.clock.advance(timedelta(seconds=20))
        column.verification.wake()
        return not await column.dirty()

    await until(has_caught_up)
    assert await column.facts() == ["BookingCreated", "BookingRescheduled"]


async def test_a_booking_of_another_host_is_fetched_on_behalf_of_that_host(
    column: Column, meetergo: StandIn, listener: Listener
) -> None:
    booked = meetergo.book(at(27, 15), kind="sprechstunde-gruppe")
    await deliver(column, meetergo, listener)
    await column.settled()
    assert await column.facts() == ["BookingCreated"]
    fetched = [call for call in meetergo.called() if call["call"] == "appointment"]
    assert [(call["id"], call["user"], call["status"]) for call in fetched] == [(booked["id"], DENIZ, 200)]


async def test_many_bookings_cost_a_few_requests(
    column: Column, meetergo: StandIn, listener: Listener
) -> None:
    await column.rest()
    count = 3 * MANY
    for number in range(count):
        meetergo.book(at(27, 6) + timedelta(minutes=10 * number), who=f"Gast{number}")
    await deliver(column, meetergo, listener)

    async def all_marked() -> bool:
        return await column.dirty() == count

    await until(all_marked)
    meetergo.forget_calls()
    column.work()
    await column.settled()
    assert meetergo.calls() == 1
    assert (await column.facts()).count("BookingCreated") == count


async def test_a_key_that_expired_pauses_the_source_until_there_is_a_new_one(
    column: Column, meetergo: StandIn, listener: Listener, key: str
) -> None:
    meetergo.ask("POST", "/_keys", token=key, expires_at=at(1, 0).isoformat())
    meetergo.book(at(27, 9))
    await deliver(column, meetergo, listener)

    async def is_paused() -> bool:
        row = await column.database.read(lambda session: sources.get(session, SOURCE))
        return row is not None and row.state == "auth_failed"

    await until(is_paused)
    assert await column.dirty() == 1
    meetergo.ask("POST", "/_keys", token=key)
    await column.database.write(
        lambda session: sources.set_state(session, SOURCE, state="running", reason=None)
    )
    column.verification.wake()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]
