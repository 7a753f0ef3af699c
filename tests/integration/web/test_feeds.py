"""Feeds over HTTP: who gets in, what is shown, what need not be fetched again, what is told to whom."""

from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import httpx
import pytest
import structlog
from icalendar import Calendar

from adapters.api import AdapterContext
from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import feed_of
from adapters.ics_feed.sink import IcsFeedSink
from adapters.publishing import Feed, audience_token
from adapters.testing import sample_booking
from events import Booking
from events.state import Host
from hub.store.published import StorePublication
from hub.web.app import build_webhook_app
from tests.integration.web.problems import check_problem
from tests.integration.web.world import NOW, World, on_both_databases

SINK = "team-calendar"
TOKEN = "the-present-token-of-a-feed"
PREVIOUS = "the-previous-token-of-a-feed"
CONFIG = IcsFeedConfig.model_validate({"token": TOKEN, "previous_token": PREVIOUS, "past": "2d"})
ADDRESS = f"/feeds/{SINK}/{TOKEN}.ics"
MARA, DENIZ = "mara@studio.example", "deniz@studio.example"


class Served:
    """A world whose first sink publishes a feed."""

    def __init__(self, world: World, feed: Feed | None = None) -> None:
        self.world = world.using(feeds={SINK: feed or feed_of(CONFIG)})
        # The hub started before anything was published.
        self.world.clock.advance(timedelta(minutes=5))
        context = AdapterContext(
            instance=SINK,
            installation_id="installation",
            clock=self.world.clock.now,
            timezone="Europe/Berlin",
            publication=StorePublication(world.database, SINK),
        )
        self.sink = IcsFeedSink(CONFIG, context)

    async def show(
        self, booking_id: str, *mails: str, begins: datetime | None = None, **members: Any
    ) -> Booking:
        start = begins or NOW + timedelta(days=3)
        hosts = tuple(Host(id=mail, email=mail) for mail in mails or (MARA,))
        booking = sample_booking(
            booking_id=booking_id, start=start, end=start + timedelta(hours=1), hosts=hosts, **members
        )
        await self.sink.sync(booking, "", None)
        return booking

    async def get(self, address: str = ADDRESS, **headers: str) -> httpx.Response:
        return await self.world.client(None).get(address, headers=headers)


@pytest.fixture
def served(world: World) -> Served:
    return Served(world)


def titles(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return sorted(str(event["SUMMARY"]) for event in Calendar.from_ical(answer.content).walk("VEVENT"))


@on_both_databases
async def test_a_calendar_application_reads_what_was_published(served: Served) -> None:
    assert titles(await served.get()) == []
    await served.show("b1", title="Eins", meeting_type=None)
    answer = await served.get()
    assert titles(answer) == ["Quendolin, Bo"]
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-disposition"] == f'inline; filename="{SINK}.ics"'


async def test_the_previous_token_still_opens_it(served: Served) -> None:
    assert titles(await served.get(f"/feeds/{SINK}/{PREVIOUS}.ics")) == []


@pytest.mark.parametrize(
    "address",
    [
        f"/feeds/{SINK}/wrong-token-of-some-length.ics",
        f"/feeds/{SINK}/{TOKEN}",
        f"/feeds/{SINK}/{TOKEN}.txt",
        f"/feeds/{SINK}/{TOKEN}/.ics",
        f"/feeds/{SINK}/.ics",
        f"/feeds/{SINK}/",
        f"/feeds/{SINK}",
        f"/feeds/crm/{TOKEN}.ics",
        f"/feeds/nobody/{TOKEN}.ics",
        f"/feeds/{SINK}/{audience_token(TOKEN, MARA)}.ics",
        f"/feeds/{SINK}/{audience_token(TOKEN, MARA)}/{DENIZ}.ics",
    ],
    ids=[
        "wrong token",
        "no suffix",
        "another suffix",
        "an empty host",
        "no token",
        "nothing",
        "only the sink",
        "a sink without feed",
        "no such sink",
        "a host's token",
        "another host's token",
    ],
)
async def test_nothing_else_does_and_all_look_alike(served: Served, address: str) -> None:
    await served.show("b1", MARA)
    problem = check_problem(await served.get(address), 404, "not-found")
    assert TOKEN not in str(problem)
    assert MARA not in str(problem)


async def test_a_feed_is_only_read(served: Served) -> None:
    client = served.world.client(None)
    check_problem(await client.post(ADDRESS), 405, "method-not-allowed")
    head = await client.head(ADDRESS)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == (await served.get()).headers["etag"]


@on_both_databases
async def test_a_host_sees_their_own_bookings(served: Served) -> None:
    await served.show("b1", MARA, meeting_type=None, attendees=())
    await served.show("b2", MARA, DENIZ)
    own = audience_token(TOKEN, DENIZ)
    for token in (TOKEN, PREVIOUS, own, audience_token(PREVIOUS, DENIZ)):
        assert titles(await served.get(f"/feeds/{SINK}/{token}/{DENIZ}.ics")) == [
            "Erstgespräch: Quendolin, Bo"
        ]
    assert len(titles(await served.get(f"/feeds/{SINK}/{TOKEN}/Mara@Studio.example.ics"))) == 2
    assert len(titles(await served.get())) == 2
    assert titles(await served.get(f"/feeds/{SINK}/{TOKEN}/nobody@studio.example.ics")) == []


async def test_what_is_long_past_is_not_shown(served: Served) -> None:
    await served.show("recent", begins=NOW - timedelta(days=1, hours=12))
    await served.show("old", begins=NOW - timedelta(days=3))
    assert len(titles(await served.get())) == 1
    served.world.clock.advance(timedelta(days=1))
    assert titles(await served.get()) == []


@on_both_databases
async def test_a_caller_who_has_it_gets_no_second_copy(served: Served) -> None:
    await served.show("b1")
    served.world.clock.advance(timedelta(minutes=1))
    first = await served.get()
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
        {"If-None-Match": etag, "If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
    ):
        again = await served.get(**headers)
        assert (again.status_code, again.content) == (304, b""), headers
        assert (again.headers["etag"], again.headers["last-modified"]) == (etag, modified)
        assert again.headers["cache-control"] == "private, no-cache"
    for headers in (
        {"If-None-Match": '"other"'},
        {"If-None-Match": '"other"', "If-Modified-Since": modified},
        {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
        {"If-Modified-Since": "never"},
        {"If-Modified-Since": "Thu, 01 Jan 99999999999999999999 00:00:00 GMT"},
    ):
        assert (await served.get(**headers)).status_code == 200, headers


async def test_every_change_is_a_new_copy(served: Served) -> None:
    booking = await served.show("b1")
    seen = set()

    async def look() -> None:
        served.world.clock.advance(timedelta(seconds=10))
        answer = await served.get()
        seen.add((answer.headers["etag"], answer.headers["last-modified"]))
        served.world.clock.advance(timedelta(seconds=10))

    await look()
    await served.show("b1", location="Atelier", link=None, position=12)
    await look()
    await served.sink.sync(booking.cancelled(None).model_copy(update={"position": 13}), "", None)
    await look()
    assert len({etag for etag, _ in seen}) == len({modified for _, modified in seen}) == 3


async def test_a_second_change_in_one_second_is_not_missed(served: Served) -> None:
    served.world.clock.advance(timedelta(milliseconds=100))
    await served.show("b1")
    served.world.clock.advance(timedelta(milliseconds=100))
    modified = (await served.get()).headers["last-modified"]
    assert parsedate_to_datetime(modified) <= served.world.clock.now()
    served.world.clock.advance(timedelta(milliseconds=100))
    await served.show("b2")
    served.world.clock.advance(timedelta(seconds=5))
    assert len(titles(await served.get(**{"If-Modified-Since": modified}))) == 2


async def test_a_booking_that_grows_old_changes_the_date_too(served: Served) -> None:
    await served.show("b1", begins=NOW)
    served.world.clock.advance(timedelta(days=1))
    before = (await served.get()).headers["last-modified"]
    served.world.clock.advance(timedelta(days=1, hours=2))
    answer = await served.get(**{"If-Modified-Since": before})
    assert titles(answer) == []
    ended = NOW + timedelta(hours=1) + CONFIG.past
    assert answer.headers["last-modified"] == format_datetime(ended, usegmt=True)


async def test_a_new_configuration_changes_the_date_too(world: World) -> None:
    served = Served(world)
    await served.show("b1")
    served.world.clock.advance(timedelta(minutes=1))
    before = (await served.get()).headers["last-modified"]
    served.world.clock.advance(timedelta(minutes=1))
    renamed = feed_of(CONFIG.model_copy(update={"name": "Another"}))
    served.world.using(feeds={SINK: renamed}, started_at=served.world.clock.now())
    assert (await served.get(**{"If-Modified-Since": before})).status_code == 200


async def test_no_token_and_no_host_is_logged(served: Served) -> None:
    with structlog.testing.capture_logs() as logs:
        await served.get()
        await served.get(f"/feeds/{SINK}/{TOKEN}/{MARA}.ics")
        await served.get(f"/feeds/{SINK}/{TOKEN}x.ics")
        await served.world.client(None).post(ADDRESS)
    told = [entry for entry in logs if entry["event"] == "request"]
    assert [entry["status"] for entry in told] == [200, 200, 404, 405]
    assert {entry["route"] for entry in told} <= {"/feeds/{sink}/{rest:path}", None}
    for secret in (TOKEN, MARA, "mara"):
        assert secret not in str(logs)


async def test_a_store_that_is_away_is_said_so(served: Served) -> None:
    served.world.database.close()
    check_problem(await served.get(), 503, "store-unavailable")


async def test_a_feed_is_on_the_port_to_expose_as_well(served: Served) -> None:
    await served.show("b1")
    app = build_webhook_app(served.world.services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub.test") as client:
        assert len(titles(await client.get(ADDRESS))) == 1
        check_problem(await client.get(f"/feeds/{SINK}/nope.ics"), 404, "not-found")


@on_both_databases
async def test_who_may_act_is_shown_the_addresses(served: Served) -> None:
    await served.show("b1", MARA, DENIZ)
    shown = (await served.world.client("operate").get(f"/api/v1/sinks/{SINK}")).json()
    base = f"https://hub.studio.example/feeds/{SINK}"
    assert shown["address"] == f"{base}/{TOKEN}.ics"
    assert shown["addresses"] == {
        DENIZ: f"{base}/{audience_token(TOKEN, DENIZ)}/{DENIZ}.ics",
        MARA: f"{base}/{audience_token(TOKEN, MARA)}/{MARA}.ics",
    }
    for address in (shown["address"], *shown["addresses"].values()):
        assert len(titles(await served.get(address.removeprefix("https://hub.studio.example")))) == 1


async def test_others_are_not(served: Served) -> None:
    await served.show("b1", MARA)
    reader, operator = served.world.client("read"), served.world.client("operate")
    for answer in (
        await reader.get(f"/api/v1/sinks/{SINK}"),
        await reader.get("/api/v1/sinks"),
        await operator.get("/api/v1/sinks"),
        await operator.post(f"/api/v1/sinks/{SINK}/pause", json={"dry_run": True}),
    ):
        assert "/feeds/" in answer.text
        assert "/***" in answer.text
        assert TOKEN not in answer.text
        assert audience_token(TOKEN, MARA) not in answer.text
    other = (await operator.get("/api/v1/sinks/crm")).json()
    assert (other["address"], other["addresses"]) == (None, None)
