"""A booking is read from its provider, and nothing old overwrites what somebody else has written."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.api import Reading
from adapters.errors import RefusalError, TransientError
from events import BookingSnapshot
from events.state import Host
from hub.clock import ManualClock
from hub.errors import ConcurrencyError
from hub.ingest.appending import Appender, UnstorableError
from hub.ingest.lookup import Looked, Lookup, NoProviderError
from hub.log import EventLog, Privacy
from hub.telemetry import Metrics
from tests.factories import CREATED, at, attendee, snapshot
from tests.fake_provider import FakeProvider, reading_of

SOURCE = "meetergo"


def row(**overrides: Any) -> BookingSnapshot:
    """As the API shows the booking."""
    return snapshot(origin="api", **overrides)


class World:
    """A log, a provider, and the lookup between them."""

    def __init__(self, log: EventLog, privacy: Privacy) -> None:
        self.log = log
        self.metrics = Metrics(version="test", sources=[SOURCE])
        self.appender = Appender(log, privacy, metrics=self.metrics)
        self.provider = FakeProvider()
        self.lookup = Lookup(
            {SOURCE: self.provider},
            log=log,
            appender=self.appender,
            clock=ManualClock(CREATED),
            metrics=self.metrics,
        )

    async def wrote(self, shown: BookingSnapshot) -> None:
        """Somebody else appends what this shows."""
        head = await self.appender.head(SOURCE, shown.provider_id)
        await self.appender.settle(shown, head=head, provenance="command")

    async def facts(self) -> list[str]:
        return [envelope.type for envelope in await self.log.read(0, 1000)]

    async def look(self, **options: Any) -> Looked:
        return await self.lookup.look(SOURCE, "b1", **options)


@pytest.fixture
def world(event_log: EventLog, privacy: Privacy) -> World:
    return World(event_log, privacy)


async def test_a_look_appends_what_is_new_with_its_provenance_and_cause(world: World) -> None:
    world.provider.shows["b1"] = row()
    looked = await world.look(provenance="poll", causation_id="poll-7")
    assert (looked.booking_id, looked.facts, looked.position) == ("b1", ("BookingCreated",), 1)
    assert looked.state is not None
    assert (looked.state.status, looked.missing) == ("active", False)
    (created,) = await world.log.read(0, 10)
    assert (created.provenance, created.causation_id) == ("poll", "poll-7")
    again = await world.look()
    assert (again.facts, again.position, again.state) == ((), 1, looked.state)


async def test_what_is_not_there_is_missing_and_changes_nothing(world: World) -> None:
    looked = await world.look()
    assert (looked.missing, looked.booking_id, looked.position, looked.reading) == (True, None, 0, None)
    await world.wrote(row())
    looked = await world.look()
    assert (looked.missing, looked.booking_id, looked.position) == (True, "b1", 1)
    assert await world.facts() == ["BookingCreated"]


async def test_an_answer_that_cannot_be_read_adds_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(*_: object, **__: object) -> Reading:
        return Reading("unreadable", "appointment", reason="start: missing")

    monkeypatch.setattr(world.provider, "fetch", unreadable)
    looked = await world.look()
    assert looked.reading is not None
    assert (looked.reading.reason, looked.missing, looked.facts) == ("start: missing", False, ())


async def test_the_hosts_are_asked_one_after_the_other_until_one_sees_it(world: World) -> None:
    hosts = (Host(id="mara"), Host(id="deniz"))
    await world.wrote(row(hosts=hosts))
    world.provider.hosts_see = {"deniz": frozenset({"b1"})}
    world.provider.shows["b1"] = row(hosts=hosts)
    looked = await world.look(host="jon")
    assert not looked.missing
    assert world.provider.fetched == [("b1", "jon"), ("b1", "mara"), ("b1", "deniz")]
    world.provider.fetched.clear()
    await world.look(host="deniz")
    assert world.provider.fetched == [("b1", "deniz")]


async def test_what_nobody_may_see_is_refused(world: World) -> None:
    world.provider.shows["b1"] = RefusalError("appointment: 403", code="forbidden")
    with pytest.raises(RefusalError):
        await world.look()
    world.provider.shows["b1"] = TransientError("appointment: 503")
    with pytest.raises(TransientError):
        await world.look()
    assert await world.facts() == []


async def test_a_source_without_an_api_is_said(world: World) -> None:
    with pytest.raises(NoProviderError, match="counter"):
        await world.lookup.look("counter", "b1")


async def test_an_id_that_no_subject_can_hold_is_refused_before_anybody_is_asked(world: World) -> None:
    long = "ö" * 1000
    with pytest.raises(UnstorableError, match="too long"):
        await world.lookup.look(SOURCE, long)
    with pytest.raises(UnstorableError, match="too long"):
        await world.lookup.seen(SOURCE, reading_of(row(provider_id=long)), before=0, provenance="poll")
    assert world.provider.fetched == []


async def test_an_answer_that_was_outrun_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer was on its way while our own command marked a no-show and wrote it down."""
    await world.wrote(row())
    world.provider.shows["b1"] = row(title="Renamed", attendees=[attendee(no_show=False)])
    fetch = world.provider.fetch

    async def outrun(provider_id: str, **options: Any) -> Reading | None:
        reading = await fetch(provider_id, **options)
        if len(world.provider.fetched) == 1:
            world.provider.shows["b1"] = row(title="Renamed", attendees=[attendee(no_show=True)])
            await world.wrote(row(attendees=[attendee(no_show=True)]))
        return reading

    monkeypatch.setattr(world.provider, "fetch", outrun)
    looked = await world.look()
    assert looked.state is not None
    assert (looked.state.title, looked.state.attendees[0].no_show) == ("Renamed", True)
    assert await world.facts() == ["BookingCreated", "AttendeeNoShow", "BookingDetailsChanged"]
    assert len(world.provider.fetched) == 2


async def test_a_stale_api_read_is_never_derived_again_by_the_appender(world: World) -> None:
    head = await world.appender.head(SOURCE, "b1")
    await world.wrote(row())
    with pytest.raises(ConcurrencyError):
        await world.appender.settle(row(title="Old"), head=head)
    settled = await world.appender.settle(snapshot(title="New", version=at(1)), head=head)
    assert settled.facts == ("BookingDetailsChanged",)


async def test_a_row_requested_before_our_own_command_and_worked_after_it_undoes_nothing(
    world: World,
) -> None:
    await world.wrote(row())
    before = await world.lookup.position()
    stale = reading_of(row(attendees=[attendee(no_show=False)]))
    marked = row(attendees=[attendee(no_show=True)])
    world.provider.shows["b1"] = marked
    await world.wrote(marked)
    looked = await world.lookup.seen(SOURCE, stale, before=before, provenance="poll")
    assert looked.state is not None
    assert looked.state.attendees[0].no_show
    assert await world.facts() == ["BookingCreated", "AttendeeNoShow"]
    assert world.provider.fetched == [("b1", None)]


async def test_a_row_is_enough_where_nobody_wrote_since_it_was_requested(world: World) -> None:
    await world.wrote(row())
    await world.wrote(row(provider_id="b2"))
    before = await world.lookup.position()
    moved = row(start=CREATED + timedelta(days=20), rescheduled_at=at(5), version=at(5))
    looked = await world.lookup.seen(
        SOURCE, reading_of(moved), before=before, provenance="backfill", causation_id="backfill-1"
    )
    assert looked.facts == ("BookingRescheduled",)
    assert (looked.position, world.provider.fetched) == (3, [])
    newest = (await world.log.read(2, 1))[0]
    assert (newest.provenance, newest.causation_id) == ("backfill", "backfill-1")


async def test_an_unreadable_row_adds_nothing(world: World) -> None:
    reading = Reading("unreadable", "appointment", reason="start: missing")
    looked = await world.lookup.seen(SOURCE, reading, before=0, provenance="poll")
    assert (looked.facts, looked.reading) == ((), reading)


async def test_a_fact_keeps_the_provenance_of_whoever_brought_it_first(world: World) -> None:
    """Webhook and fetch, its redelivery, the poll and a backfill of the same change."""
    world.provider.shows["b1"] = row()
    await world.look(provenance="webhook", causation_id="r_1")
    await world.look(provenance="webhook", causation_id="r_2")
    before = await world.lookup.position()
    await world.lookup.seen(SOURCE, reading_of(row()), before=before, provenance="poll")
    await world.lookup.seen(SOURCE, reading_of(row()), before=before, provenance="backfill")
    (only,) = await world.log.read(0, 10)
    assert (only.provenance, only.causation_id) == ("webhook", "r_1")
