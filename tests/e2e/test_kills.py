"""`kill -9` of the hub and of nats-server at random moments under load: nothing lost, nothing doubled."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, instant, wait_until
from tests.e2e.life import in_the_end
from tests.e2e.provider import Provider

PARTS: dict[str, Callable[[Hub], bool]] = {"hub": Hub.kill, "nats-server": Hub.kill_nats}


def kill_at_random(hub: Hub, kill: Callable[[Hub], bool], *, times: int, seed: int) -> None:
    chance = random.Random(seed)
    killed = 0
    while killed < times:
        threading.Event().wait(chance.uniform(0.05, 1.5))
        killed += kill(hub)
        if hub.process is None:
            hub.start(ready=False)
            if chance.random() < 0.7:
                wait_until(hub.is_ready, within=120, what="readiness after a kill")


def assert_nothing_lost_or_doubled(hub: Hub, provider: Provider, calendar: CalendarStandIn) -> None:
    assert {receipt["receipt_id"] for receipt in hub.items("inbox")} >= set(provider.receipts)
    bookings = {booking["booking_id"]: booking for booking in hub.items("bookings")}
    for life in provider.lives:
        assert in_the_end(bookings[life.booking_id]) == life.ends_in
    events = hub.items("events")
    assert len({event["event_id"] for event in events}) == len(events)
    assert sorted(event["position"] for event in events) == list(range(1, len(events) + 1))
    moves = Counter(
        (event["booking_id"], event["data"]["start"])
        for event in events
        if event["type"] == "BookingRescheduled"
    )
    assert not {key: times for key, times in moves.items() if times > 1}
    active = [life for life in provider.lives if not life.cancelled_at]
    entries = calendar.entries()
    assert active
    assert Counter(instant(entry["start"]["dateTime"]) for entry in entries) == Counter(
        instant(life.ends_in["start"]) for life in active
    )
    assert hub.cli("rebuild", "--verify").returncode == 0


def soak(folder: Path, part: str, *, kills: int, bookings: int) -> None:
    with calendar_stand_in(folder) as calendar:
        hub = Hub(folder, sinks={"team-calendar": calendar.sink})
        try:
            hub.start()
            provider = Provider([hub.door], bookings=bookings, seed=kills)
            provider.start()
            kill_at_random(hub, PARTS[part], times=kills, seed=kills)
            wait_until(hub.is_ready, within=120, what="readiness after the last kill")
            provider.stop()
            hub.settle(within=300)
            assert_nothing_lost_or_doubled(hub, provider, calendar)
            print(  # noqa: T201 - the figure of the soak
                f"\n{part}: {kills} kills, {len(provider.receipts)} webhooks answered, "
                f"{len(provider.lives)} bookings, {len(hub.items('events'))} facts, "
                f"{len(calendar.entries())} calendar entries, {len(calendar.calls())} calendar calls"
            )
        finally:
            hub.close()


@pytest.mark.parametrize("part", PARTS)
def test_killed_a_few_times(tmp_path: Path, part: str) -> None:
    soak(tmp_path, part, kills=10, bookings=40)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_killed_200_times(tmp_path: Path, part: str) -> None:
    soak(tmp_path, part, kills=200, bookings=400)
