"""A thousand bookings and their calendar entries with one process; `status` counts the lag down to zero."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, instant, wait_until
from tests.e2e.life import Life

BOOKINGS = 1000


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[CalendarStandIn]:
    with calendar_stand_in(tmp_path) as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path, calendar: CalendarStandIn) -> Iterator[Hub]:
    made = Hub(tmp_path, sinks={"team-calendar": calendar.sink})
    try:
        yield made.start()
    finally:
        made.close()


def lags(hub: Hub) -> list[tuple[int, float]]:
    """Events and seconds that each projection and sink is behind."""
    status = hub.api("status")
    return [(one["lag_events"], one["lag_seconds"]) for one in parts(status)]


def parts(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [*status["projections"].values(), *status["sinks"].values()]


def test_a_thousand_facts_become_a_thousand_entries(hub: Hub, calendar: CalendarStandIn) -> None:
    lives = [Life(number, random.Random(number)) for number in range(BOOKINGS)]
    # Nothing can be written at first, so that there is a lag to be seen.
    calendar.fault(kind="status", on="insert", status=503, times=None)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as threads:
        answers = threads.map(
            lambda life: client.post(hub.door, content=json.dumps(life.created()).encode()).status_code, lives
        )
        assert set(answers) == {200}
    behind = wait_until(
        lambda: [lag for lag in lags(hub) if lag[0] >= BOOKINGS and lag[1] > 0], what="a lag of all bookings"
    )
    assert behind == [(BOOKINGS, behind[0][1])]
    calendar.heal()
    hub.settle(within=300)
    assert set(lags(hub)) == {(0, 0)}
    assert [event["type"] for event in hub.items("events")] == ["BookingCreated"] * BOOKINGS
    starts = sorted(instant(life.ends_in["start"]) for life in lives)
    assert sorted(instant(entry["start"]["dateTime"]) for entry in calendar.entries()) == starts
    inserted = [call for call in calendar.calls() if call["call"] == "insert" and call["status"] == 200]
    assert len(inserted) == BOOKINGS
    assert hub.process is not None
    assert [child.pid for child in psutil.Process(hub.process.pid).children()] == [hub.nats_pid()]
