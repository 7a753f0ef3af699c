"""The text of a feed, as two readers that nobody here wrote understand it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import vobject
from icalendar import Calendar

from adapters.api import AdapterContext
from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import feed_of, shown_content
from adapters.ics_feed.sink import IcsFeedSink
from adapters.publishing import MemoryPublication
from adapters.testing import sample_booking, sample_states
from events import Booking
from events.state import Host

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()
TOKEN = "not-a-real-token-of-a-feed"
NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def config(**members: Any) -> IcsFeedConfig:
    return IcsFeedConfig.model_validate({"token": TOKEN, "name": "Küche, Bad; 日本"} | members)


def sink(publication: MemoryPublication, clock: Clock, *, epoch: int = 1, **members: Any) -> IcsFeedSink:
    context = AdapterContext(
        instance="feed",
        installation_id="installation",
        clock=clock,
        epoch=epoch,
        timezone="Europe/Berlin",
        publication=publication,
    )
    return IcsFeedSink(config(**members), context)


async def text_of(bookings: Sequence[Booking], audience: str | None = None, **members: Any) -> str:
    publication = MemoryPublication()
    mirror = sink(publication, Clock(), **members)
    for booking in bookings:
        await mirror.sync(booking, "", None)
    contents = [document.content or "" for document in publication.shown()]
    return feed_of(config(**members)).render(contents, audience)


def others(count: int) -> list[Booking]:
    return [sample_booking(booking_id=f"b-{number}", notes="viel " * 40) for number in range(count)]


async def test_icalendar_reads_what_was_meant() -> None:
    calendar = Calendar.from_ical(await text_of([BOOKED, *others(3)]))
    assert not calendar.errors
    assert str(calendar["METHOD"]) == "PUBLISH"
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(minutes=15)
    events = calendar.walk("VEVENT")
    assert len(events) == 4
    assert all(not event.errors for event in events)
    assert events[-1]["SUMMARY"] == "Erstgespräch: Quendolin, Bo"
    assert events[-1].start == BOOKED.start
    assert len({str(event["UID"]) for event in events}) == 4


async def test_vobject_reads_what_was_meant() -> None:
    calendar = vobject.readOne(await text_of([BOOKED, *others(3)]))
    assert calendar.method.value == "PUBLISH"
    assert calendar.x_wr_calname.value == "Küche, Bad; 日本"
    by_title = {event.summary.value: event for event in calendar.vevent_list}
    event = by_title["Erstgespräch: Quendolin, Bo"]
    assert (event.dtstart.value, event.dtend.value) == (BOOKED.start, BOOKED.end)
    assert event.location.value == BOOKED.link
    assert event.transp.value == "TRANSPARENT"
    assert len(calendar.vevent_list) == 4


async def test_a_marked_cancellation_is_told_to_readers() -> None:
    calendar = vobject.readOne(await text_of([BOOKED, CANCELLED], on_cancel="mark"))
    assert calendar.vevent.status.value == "CANCELLED"
    assert calendar.vevent.summary.value.startswith("Cancelled: ")


async def test_lines_are_ended_and_folded_as_the_standard_asks() -> None:
    text = await text_of([BOOKED, *others(2)])
    lines = text.split("\r\n")
    assert "\n" not in "".join(lines)
    assert lines[-1] == ""
    assert max(len(line.encode()) for line in lines) <= 75


async def test_a_feed_says_nothing_of_where_it_comes_from() -> None:
    text = await text_of([BOOKED])
    assert "BOOKINGHUB-" not in text.replace("bookinghub-", "")
    assert "installation" not in text


async def test_an_audience_stands_in_the_name() -> None:
    text = await text_of([], audience="mara@studio.example\r\nEVIL:1")
    assert "EVIL" not in [line.partition(":")[0] for line in text.split("\r\n")]
    assert "mara@studio.example" in text


async def test_hosts_are_the_audiences() -> None:
    publication = MemoryPublication()
    hosts = (Host(id="h-1", email=" Mara@Studio.example"), Host(id="H-2", name="No Address"))
    mirror = sink(publication, Clock())
    await mirror.sync(BOOKED.model_copy(update={"hosts": hosts}), "", None)
    (document,) = publication.shown()
    assert document.audiences == ("mara@studio.example", "h-2")
    await mirror.sync(MOVED.model_copy(update={"hosts": hosts[:1]}), "", None)
    (document,) = publication.shown()
    assert document.audiences == ("mara@studio.example",)


async def test_what_has_not_changed_keeps_its_text_and_its_time() -> None:
    publication, clock = MemoryPublication(), Clock()
    mirror = sink(publication, clock)
    receipt = await mirror.sync(BOOKED, "", None)
    (before,) = publication.shown()
    clock.now += timedelta(hours=1)
    again = await mirror.sync(BOOKED.model_copy(update={"position": 99}), "", receipt)
    (after,) = publication.shown()
    assert again is not None
    assert (again.detail, again.position) == ("unchanged", 99)
    assert (after.content, after.changed_at, after.position) == (before.content, before.changed_at, 99)


async def test_revisions_rise_over_withdrawal_and_recovery() -> None:
    publication, clock = MemoryPublication(), Clock()
    revisions = []
    states = [(1, CHANGED), (1, CANCELLED), (1, BOOKED.model_copy(update={"position": 40})), (2, MOVED)]
    for epoch, state in states:
        await sink(publication, clock, epoch=epoch).sync(state, "", None)
        found = await publication.find(BOOKED.booking_id, "")
        assert found is not None
        revisions.append(found.sequence)
    assert revisions == [19, 19, 40, 41]


async def test_an_erased_person_vanishes_from_the_feed() -> None:
    publication, clock = MemoryPublication(), Clock()
    mirror = sink(publication, clock)
    receipt = await mirror.sync(BOOKED, "", None)
    nobody = [a.model_copy(update={"name": None, "email": None, "phone": None}) for a in BOOKED.attendees]
    erased = BOOKED.model_copy(update={"attendees": tuple(nobody), "notes": None})
    again = await mirror.sync(erased, "", receipt)
    assert again is not None
    assert again.detail == "changed"
    (document,) = publication.shown()
    assert "Quendolin" not in str(document)
    assert "parkt im Hof" not in str(document)


async def test_a_withdrawn_entry_holds_nothing_of_the_booking() -> None:
    publication, clock = MemoryPublication(), Clock()
    mirror = sink(publication, clock)
    await mirror.sync(BOOKED, "", None)
    assert await mirror.sync(CANCELLED, "", None) is None
    left = await publication.find(BOOKED.booking_id, "")
    assert "Quendolin" not in str(left)
    assert "mara@" not in str(left)


async def test_what_stands_there_is_read_back_as_it_is_previewed() -> None:
    publication, clock = MemoryPublication(), Clock()
    mirror = sink(publication, clock)
    receipt = await mirror.sync(MISSED, "", None)
    found = await mirror.observe(MISSED.booking_id, "", receipt)
    assert found is not None
    assert (
        found.fields == mirror.preview(MISSED, "") == shown_content(publication.shown()[0].content).fields()
    )
    assert await mirror.survey() == [found]
    await mirror.sync(CANCELLED, "", receipt)
    assert await mirror.observe(MISSED.booking_id, "", None) is None
    assert (await mirror.survey(), mirror.preview(CANCELLED, "")) == ([], {})


async def test_a_receipt_of_another_adapter_is_no_reason_to_fail() -> None:
    mirror = sink(MemoryPublication(), Clock())
    receipt = await mirror.sync(BOOKED, "", None)
    assert receipt is not None
    assert await mirror.sync(None, "", receipt.model_copy(update={"data": {}})) is None
