"""A week of a company's bookings with everything going wrong: in the end the log says what the provider says.

The week is pressed into minutes: as many bookings and changes as it has, of meetings over the coming
months. The provider's clock is the hub's, and so is its limit of 100 requests a minute.
"""

import random
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.meetergo.simulated.company import PLATFORM_KEY
from tests.e2e.company import SINGLES, Company, MeetergoProcess, Week
from tests.e2e.harness import WEBHOOK_TOKEN, CalendarStandIn, Hub, calendar_stand_in, instant, wait_until
from tests.e2e.provider_truth import Json, Told, assert_each_fact_once, at_the_hub, at_the_provider, counted

AHEAD = timedelta(days=90)

FAILURES: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "html"},
    {"kind": "lost_reply"},
    {"kind": "truncated"},
    {"kind": "disconnect"},
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens and how fast; `pause` lies between two changes, `rest` between two of one booking."""

    bookings: int
    changes: int
    kills: int
    pause: float
    rest: float
    late_seconds: float
    poll_every: str
    requests_per_minute: int = 100


SMALL = Size(
    bookings=30,
    changes=150,
    kills=3,
    pause=0.05,
    rest=1.2,
    late_seconds=3,
    poll_every="2s",
    requests_per_minute=10_000,
)
"""The provider allows more, for it remembers what the hub asked before it was killed."""

WHOLE = Size(bookings=500, changes=3000, kills=50, pause=0.17, rest=2, late_seconds=45, poll_every="30s")


def hub_of(folder: Path, meetergo: MeetergoProcess, calendar: CalendarStandIn, size: Size) -> Hub:
    meetergo_source = {
        "type": "meetergo",
        "webhook": {"token": WEBHOOK_TOKEN},
        "verify": "fetch",
        "poll": {"every": size.poll_every, "past": "7d", "ahead": f"{AHEAD.days}d"},
        "backfill": {"past": "30d", "ahead": "120d"},
        "config": {"base_url": meetergo.url, "key": PLATFORM_KEY},
    }
    return Hub(folder, sources={"meetergo": meetergo_source}, sinks={"team-calendar": calendar.sink})


def source(hub: Hub) -> Json:
    found: Json = hub.api("sources/meetergo")
    return found


def begin(hub: Hub, meetergo: MeetergoProcess, company: Company, size: Size) -> datetime:
    """Bookings of the time before are read back, as soon as a webhook of each host has shown whom to ask."""
    for number in range(size.bookings // 5):
        company.book(past=number % 3 == 0)
    hub.start()
    since = datetime.now(UTC)
    meetergo.subscribe_door(hub.door)
    for kind in SINGLES:
        company.book(kind=kind)
    wait_until(
        lambda: (
            len(hub.items("bookings")) == len(company.meetings)
            and (source(hub)["backfill"] or {}).get("state") == "done"
        ),
        within=120,
        what="the bookings of the time before",
    )
    return since


def break_everything(meetergo: MeetergoProcess, size: Size) -> None:
    """What goes wrong from here on; 5 % of the answers to reading fail, at random."""
    meetergo.switch(
        lost=0.2,
        doubled=0.2,
        reordered=0.2,
        late=0.2,
        late_seconds=size.late_seconds,
        lag_seconds=0.5,
        no_show_member="noShowAt",
        requests_per_minute=size.requests_per_minute,
    )
    chance = random.Random(size.changes)
    for call in ("appointment", "appointments"):
        for number in range(size.changes * 2):
            if chance.random() < 0.05:
                meetergo.fault(on=call, skip=number, **chance.choice(FAILURES))


def kill_under_load(hub: Hub, week: Week, size: Size) -> None:
    """End the hub at random moments of the load, the last time when all of it is made.

    A start takes moments of a real week, which would be hours of this one. So the load goes on for a moment
    with nobody there, and then most often waits.
    """
    chance = random.Random(size.kills)
    load = size.bookings + size.changes
    for reached in [*sorted(chance.sample(range(load // 4, load), size.kills - 1)), load]:
        wait_until(lambda at=reached: week.made >= at or not week.is_alive(), within=1800, what="more load")
        threading.Event().wait(chance.uniform(0, 0.5))
        hub.kill()
        hub.start(ready=False)
        if chance.random() < 0.8:
            threading.Event().wait(chance.uniform(0, 1))
            week.quiet.set()
            wait_until(hub.is_ready, within=120, what="readiness after a kill")
            week.quiet.clear()


def catch_up(hub: Hub, meetergo: MeetergoProcess) -> None:
    """Have the last webhooks come, what they mark read back, and a poll see all that none told of."""
    wait_until(hub.is_ready, within=120, what="readiness after the last kill")
    meetergo.deliver(everything=True)
    hub.settle(within=600)
    over = datetime.now(UTC).timestamp()
    wait_until(
        lambda: (at := source(hub)["poll"]["succeeded_at"]) and instant(at) > over,
        within=600,
        what="a whole poll",
    )
    hub.settle(within=600)


def is_in_window(appointment: Json) -> bool:
    return instant(appointment["start"]) < (datetime.now(UTC) + AHEAD).timestamp()


def assert_same_state(hub: Hub, calendar: CalendarStandIn, appointments: dict[str, Json]) -> None:
    """Every booking a poll looks at is as the provider has it, and the calendar shows those to come."""
    bookings = {booking["booking_id"]: at_the_hub(booking) for booking in hub.items("bookings")}
    wanted = {one: at_the_provider(found) for one, found in appointments.items() if is_in_window(found)}
    assert {one: (bookings.get(one), want) for one, want in wanted.items() if bookings.get(one) != want} == {}
    assert len(wanted) > len(appointments) / 2
    beyond = {one: booking for one, booking in bookings.items() if one not in wanted}
    now = datetime.now(UTC).timestamp()
    entries = Counter(
        (booking["start"], booking["end"])
        for booking in (wanted | beyond).values()
        if booking["status"] == "active" and booking["end"] > now
    )
    assert entries == Counter(
        (instant(entry["start"]["dateTime"]), instant(entry["end"]["dateTime"]))
        for entry in calendar.entries()
    )


def live(folder: Path, size: Size) -> None:
    began = time.monotonic()
    with (
        calendar_stand_in(folder) as calendar,
        closing(MeetergoProcess(folder)) as meetergo,
        closing(hub_of(folder, meetergo, calendar, size)) as hub,
    ):
        company = Company(meetergo, seed=size.changes, rest=timedelta(seconds=size.rest))
        since = begin(hub, meetergo, company, size)
        break_everything(meetergo, size)
        week = Week(company, bookings=size.bookings, changes=size.changes, pause=size.pause)
        week.start()
        kill_under_load(hub, week, size)
        week.finish(within=600)
        catch_up(hub, meetergo)

        assert_same_state(hub, calendar, meetergo.appointments())
        events = hub.items("events")
        assert_each_fact_once(events, company.meetings)
        told, shown = Told(hub, meetergo, company.meetings, since=since), source(hub)["webhooks"]
        should = sum(1 for _ in counted(events, since=shown["since"]))
        by_poll = told.first_seen_by_poll(events, since=shown["since"])
        assert (shown["expected"], shown["lost"]) == (should, by_poll)
        assert f"webhooks lost: {by_poll} of {should}\n" in hub.cli("sources", "show", "meetergo").stdout
        assert by_poll > 0
        assert hub.cli("rebuild", "--verify").returncode == 0
        provenances = Counter(event["provenance"] for event in events)
        calls = Counter(call["status"] for call in meetergo.calls() if call["call"].startswith("appointment"))
        print(  # noqa: T201 - the figures of the soak
            f"\n{size.kills} kills, {len(company.meetings)} bookings, {company.changes} changes, "
            f"webhooks {told.webhooks}, {len(events)} facts {dict(provenances)}, webhooks lost {by_poll} "
            f"of {should}, calls {dict(calls)}, {time.monotonic() - began:.0f} s"
        )


def test_a_small_week(tmp_path: Path) -> None:
    live(tmp_path, SMALL)


@pytest.mark.slow
def test_a_whole_week(tmp_path: Path) -> None:
    live(tmp_path, WHOLE)
