"""Polls and backfills of the stand-in for meetergo, over HTTP."""

import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.errors import TransientError
from adapters.http import HttpClient
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.mapping import read_webhook
from adapters.meetergo.provider import MeetergoProvider
from adapters.meetergo.simulated.company import DENIZ, FIRST_TALK, MARA
from adapters.meetergo.simulated.state import Appointment, Attendee, Cancellation, Key, State
from adapters.provider import Window
from adapters.testing import SimulatorServer
from hub.log import EventLog, Privacy
from hub.store.database import Database
from tests.contract.meetergo.stand_in import MONDAY, Listener, StandIn, at
from tests.integration.polling.test_backfills import ignore
from tests.integration.polling.world import NOW, SOURCE, TOKEN, World, settings_of
from tests.waiting import until

NEAR = Window(NOW - timedelta(days=7), NOW + timedelta(days=7))
ADDRESS = f"https://hub.studio.example/webhooks/meetergo/{TOKEN}"


@pytest.fixture
def meetergo(meetergo_server: SimulatorServer) -> StandIn:
    """Its clock goes, since it counts the requests of a minute by it."""
    began = time.monotonic()
    return StandIn(meetergo_server, clock=lambda: MONDAY + timedelta(seconds=time.monotonic() - began))


@pytest.fixture
def token(meetergo: StandIn) -> str:
    """Mara's own token for this test only, for a key's budget of requests is shared by the process."""
    token = f"rgo-{uuid4().hex}"
    meetergo.ask("POST", "/_keys", token=token, owner=MARA)
    return token


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(timeout=timedelta(seconds=30))
    yield client
    await client.aclose()


@pytest.fixture
async def world(
    tmp_path: Path,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
    meetergo: StandIn,
    token: str,
    http: HttpClient,
) -> AsyncIterator[World]:
    provider = provider_of(meetergo, http, token)
    built = World.build(event_log, privacy, database, provider, settings_of(tmp_path))
    built.start()
    yield built
    await built.stop()


def provider_of(meetergo: StandIn, http: HttpClient, key: str) -> MeetergoProvider:
    settings = ApiSettings.model_validate({"base_url": meetergo.url, "key": key})
    return MeetergoProvider(http, settings, source=SOURCE)


async def test_one_change_is_one_event_however_often_it_is_told(
    world: World, meetergo: StandIn, listener: Listener, listener_server: SimulatorServer
) -> None:
    meetergo.subscribe(listener_server.url)
    booked = meetergo.book(at(27, 9))["id"]
    meetergo.move(booked, at(28, 9))
    meetergo.deliver(everything=True)
    bodies = listener.bodies()
    for number, body in enumerate([*bodies, *bodies]):
        shown = read_webhook(body, source=SOURCE, received_at=NOW)
        assert shown.snapshot is not None
        await world.settle(shown.snapshot, causation_id=f"r_{number}")
    await world.watched_before()
    await world.poll()
    await world.backfiller().plan(SOURCE, begin=NOW - timedelta(days=30), end=NOW + timedelta(days=60))
    await world.backfiller().run(SOURCE, ignore)
    told = [one for one in await world.facts(booked) if one.type in ("BookingCreated", "BookingRescheduled")]
    assert [(one.type, one.provenance) for one in told] == [
        ("BookingCreated", "webhook"),
        ("BookingRescheduled", "webhook"),
    ]


async def test_what_retention_took_away_is_missing_and_not_cancelled(world: World, meetergo: StandIn) -> None:
    old, new = meetergo.book(NOW - timedelta(days=3))["id"], meetergo.book(at(27, 9))["id"]
    await world.watched_before()
    await world.poll()
    rows = world.deliveries("calendar")
    meetergo.switch(retention_days=0.01)
    polled = await world.poll()
    assert polled.problems == []
    assert world.absent() == {old: True}
    assert [world.booking(one).status for one in (old, new)] == ["active", "active"]
    assert world.deliveries("calendar") == rows


@pytest.mark.parametrize("kind", ["status", "truncated", "disconnect"])
async def test_a_provider_that_fails_changes_nothing(world: World, meetergo: StandIn, kind: str) -> None:
    booked = meetergo.book(at(27, 9))["id"]
    await world.watched_before()
    await world.poll()
    before = (await world.log.state()).last
    meetergo.fault(kind=kind, status=500, times=None)
    with pytest.raises(TransientError):
        await world.poll()
    meetergo.restore()
    assert (await world.log.state()).last == before
    assert world.booking(booked).status == "active"
    last = world.last_poll()
    assert last is not None
    assert last.error


async def test_a_page_from_before_our_own_mark_does_not_take_it_back(world: World, meetergo: StandIn) -> None:
    """A replica that lags shows the booking without the mark, and `updatedAt` is the same."""
    booked = meetergo.book(NOW - timedelta(days=1))
    (guest,) = booked["attendees"]
    other = meetergo.book(NOW - timedelta(days=2))
    meetergo.ask("POST", "/_no_show", attendee=other["attendees"][0])
    await world.watched_before()
    await world.poll()
    before = await world.lookup.position()
    page = [one async for one in world.provider.listed(NEAR)]
    await world.provider.mark_no_show(guest, host=MARA)
    await world.lookup.look(SOURCE, booked["id"], provenance="command", causation_id="c_1")
    for reading in page[0]:
        await world.lookup.seen(SOURCE, reading, before=before, provenance="poll", causation_id="p_9")
    await world.poll()
    marks = [one for one in await world.facts(booked["id"]) if "NoShow" in one.type]
    assert [(one.type, one.provenance) for one in marks] == [("AttendeeNoShow", "command")]


async def test_a_no_show_nothing_tells_of_is_found(world: World, meetergo: StandIn) -> None:
    booked = meetergo.book(NOW - timedelta(days=1))
    await world.watched_before()
    await world.poll()
    meetergo.ask("POST", "/_no_show", attendee=booked["attendees"][0])
    await world.poll()
    assert (await world.types(booked["id"]))[-1] == "AttendeeNoShow"


async def test_a_platform_key_reads_the_list_of_every_known_host(
    world: World, meetergo: StandIn, http: HttpClient
) -> None:
    key = f"ak_live:5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10:{uuid4().hex}"
    meetergo.ask("POST", "/_keys", token=key)
    provider = provider_of(meetergo, http, key)
    first = meetergo.book(at(27, 9))["id"]
    group = meetergo.book(at(27, 12), kind="sprechstunde-gruppe", who="Jon")["id"]
    world.providers[SOURCE] = provider
    for one, host in ((first, MARA), (group, DENIZ)):
        await world.lookup.look(SOURCE, one, host=host)
    meetergo.move(first, at(28, 9))
    meetergo.move(group, at(28, 12))
    polled = await world.poll(provider=provider)
    assert [row.host for row in world.lists()] == sorted((MARA, DENIZ))
    assert polled.problems == []
    assert [world.booking(one).start for one in (first, group)] == [at(28, 9), at(28, 12)]


async def test_our_address_is_entered_once(world: World, meetergo: StandIn) -> None:
    meetergo.subscribe("https://zapier.example")
    await world.sourcing.registration.connect(SOURCE)
    again = await world.sourcing.registration.connect(SOURCE)
    assert (again.made, again.removed) == (False, 0)
    known = await world.provider.subscriptions()
    assert [one.endpoint for one in known] == ["https://zapier.example/hook", ADDRESS]
    done = await world.sourcing.registration.disconnect(SOURCE)
    assert done.removed == 1
    known = await world.provider.subscriptions()
    assert [one.endpoint for one in known] == ["https://zapier.example/hook"]


async def test_a_history_is_read_by_pages_and_nobody_acts_on_it(
    world: World, meetergo: StandIn, token: str
) -> None:
    spread(meetergo, token, 320)
    meetergo.forget_calls()
    await fill(world)
    assert meetergo.made() == ["appointments"] * 16, "a page for each of the months"
    assert world.deliveries("chat") == {"skipped": 400}
    (row,) = world.lists()
    assert (row.history_bookings, row.history_facts) == (320, 400)


@pytest.mark.slow
async def test_ten_thousand_bookings_are_read_within_the_budget(
    world: World, meetergo: StandIn, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spread(meetergo, token, 10_000)
    meetergo.forget_calls()
    began = time.monotonic()
    await fill(world, within=600)
    seconds = time.monotonic() - began
    (row,) = world.lists()
    calls, rows = meetergo.called(), world.deliveries("chat")
    acted_on = rows.total() - rows["skipped"]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{row.history_bookings} bookings, {row.history_facts} facts: {len(calls)} requests in "
            f"{seconds:.0f} s, {acted_on} effects of a reactor\n"
        )
    assert (row.history_bookings, row.history_incomplete) == (10_000, 0)
    assert {call["status"] for call in calls} == {200}, "nobody was told to wait"
    assert len(calls) <= 120
    assert (rows.total(), acted_on) == (12_500, 0)


def spread(meetergo: StandIn, token: str, count: int) -> None:
    """A company with so many bookings from 89 days ago to 363 days ahead, every fourth of them cancelled."""
    app = meetergo.app
    state: State = app.state  # type: ignore[attr-defined]
    begin, step = NOW - timedelta(days=89), timedelta(days=452) / count
    made = datetime(2026, 7, 1, tzinfo=UTC)
    for number in range(count):
        start = (begin + number * step).replace(microsecond=0)
        cancel = Cancellation(source="attendee", by="a", at=made) if number % 4 == 0 else None
        one = Appointment(
            id=f"00000000-0000-4000-8000-{number:012d}",
            secret=uuid4().hex,
            kind_id=FIRST_TALK,
            start=start,
            end=start + timedelta(minutes=45),
            host_ids=(MARA,),
            attendees=(Attendee(id=f"a-{number}", email=f"a{number}@kunde.example", fullname="A. Kunde"),),
            created_at=made,
            updated_at=made,
            cancel=cancel,
        )
        state.appointments[one.id] = one
    state.keys[token] = Key(token=token, owner=MARA)


async def fill(world: World, *, within: float = 60) -> None:
    """The backfill of a first start, and until the projections show it."""
    assert await world.sourcing.runs.fill_in_turn(SOURCE, world.plan()) == "read"
    last = (await world.log.state()).last
    await until(lambda: world.reader.position >= last, within=within)
