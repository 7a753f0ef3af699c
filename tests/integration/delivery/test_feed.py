"""A feed behind the real deliveries: kept in step without any call to the outside, and able to forget."""

from dataclasses import replace
from datetime import timedelta

import pytest
from icalendar import Calendar

from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import feed_of
from adapters.ics_feed.sink import IcsFeedSink
from events import ContactErased, Envelope
from events.ids import event_id
from hub.delivery import RunningSink
from hub.store import published
from hub.store.published import StorePublication
from tests.factories import attendee
from tests.integration.delivery.world import GRACE, World, later

SINK = "feed"
CONFIG = IcsFeedConfig.model_validate({"token": "a-token-of-some-length"})
GUEST = attendee("a1", name="Quendolin Grün", email="quendolin@kunde.example")


@pytest.fixture
def running(world: World) -> RunningSink:
    world.register(SINK, "booking")
    context = replace(world.context(SINK), publication=StorePublication(world.db, SINK))
    return RunningSink(SINK, IcsFeedSink(CONFIG, context))


async def shown(world: World) -> list[tuple[str, str]]:
    """Start and title of every entry a subscriber sees."""
    now = world.clock.now()
    page = await world.db.read(
        lambda session: published.page(session, sink=SINK, audience=None, now=now, past=CONFIG.past)
    )
    calendar = Calendar.from_ical(feed_of(CONFIG).render(page.contents, None))
    return [(event.start.isoformat(), str(event["SUMMARY"])) for event in calendar.walk("VEVENT")]


async def test_the_feed_follows_the_bookings(world: World, running: RunningSink) -> None:
    await world.engine(running).start()
    await world.see("b1", attendees=(GUEST,))
    await world.see("b2", **later(1))
    await world.settled(SINK)
    await world.see("b1", attendees=(GUEST,), **later(3))
    await world.settled(SINK)
    assert [start for start, _ in await shown(world)] == [
        later(1)["start"].isoformat(),
        later(3)["start"].isoformat(),
    ]
    await world.see("b2", cancelled=True, **later(1))
    world.advance(GRACE + timedelta(seconds=1))
    await world.settled(SINK)
    assert len(await shown(world)) == 1
    outcomes = [row.outcome for row in await world.rows(SINK) if row.state == "delivered"]
    assert outcomes == ["created", "created", "changed", "removed"]
    assert [(receipt.key, receipt.position) for receipt in await world.receipts(SINK)] == [("b1", 3)]


async def test_a_forgotten_person_vanishes_from_the_feed_and_from_what_is_stored(
    world: World, running: RunningSink
) -> None:
    await world.engine(running).start()
    await world.see("b1", attendees=(GUEST, "a2"), notes="parkt im Hof")
    await world.settled(SINK)
    assert "Quendolin" in (await shown(world))[0][1]
    erased = ContactErased(occurred_at=world.clock.now(), contact_id=str(GUEST.contact_id))
    envelope = Envelope(
        event_id=event_id(erased),
        source="meetergo",
        provider_id="",
        booking_id="",
        event=erased,
        provenance="command",
        position=len(world.log) + 1,
        recorded_at=world.clock.now(),
    )
    await world.append([envelope])
    await world.settled(SINK)
    (document,) = await StorePublication(world.db, SINK).every()
    assert "Person a2" in str(document)
    for said in ("Quendolin", "quendolin@", "parkt im Hof"):
        assert said not in str(document)


async def test_a_process_that_starts_again_publishes_nothing_twice(
    world: World, running: RunningSink
) -> None:
    await world.engine(running).start()
    await world.see("b1", attendees=(GUEST,))
    await world.settled(SINK)
    before = await StorePublication(world.db, SINK).every()
    await world.stop_all()
    await world.see("b1", attendees=(GUEST,), metadata={"seen": "again"})
    await world.engine(running).start()
    await world.settled(SINK)
    after = await StorePublication(world.db, SINK).every()
    assert [document.content for document in after] == [document.content for document in before]
    assert after[0].position > before[0].position
