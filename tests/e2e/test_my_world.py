"""The whole column against a Google Calendar nobody here wrote: right entries at the end, no doubles."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.google_calendar.my_world import OWNER, MyWorld, World
from tests.e2e.harness import Hub, instant
from tests.e2e.life import Life

KINDS = (
    "timeout_after_commit",
    "truncated",
    "duplicate_commit",
    "rate_limit",
    "server_error",
    "unavailable",
    "transport_error",
    "bad_gateway",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MyWorld]:
    running = MyWorld(tmp_path_factory.mktemp("myworld"))
    yield running
    running.stop()


@pytest.fixture
def world(server: MyWorld) -> Iterator[World]:
    made = World(server)
    yield made
    made.close()


@pytest.fixture
def hub(tmp_path: Path, world: World) -> Iterator[Hub]:
    sink = {
        "type": "google_calendar",
        "grace": "0s",
        "retry": {"first": "100ms", "max": "1s", "attempts": 100},
        "timeout": "5s",
        "config": {
            "base_url": world.url,
            "credentials": {"access_token": world.token},
            "calendar": OWNER,
        },
    }
    made = Hub(tmp_path, sinks={"team-calendar": sink})
    try:
        yield made.start()
    finally:
        made.close()


def bring(hub: Hub, webhook: dict[str, Any]) -> None:
    assert hub.post(webhook).status_code == 200
    hub.settle()


def starts(world: World) -> list[float]:
    return sorted(instant(event["start"]["dateTime"]) for event in world.shown())


def test_whatever_goes_wrong_there_the_calendar_follows(hub: Hub, world: World) -> None:
    active: list[Life] = []
    for number, kind in enumerate(KINDS):
        moved, cancelled = (Life(2 * number + n, random.Random(n)) for n in range(2))
        world.fault("insert", kind)
        bring(hub, moved.created())
        bring(hub, cancelled.created())
        world.fault("update", kind)
        bring(hub, moved.moved())
        world.fault("delete", kind)
        bring(hub, cancelled.cancelled())
        active.append(moved)
        assert world.met(kind), kind
        assert starts(world) == sorted(instant(life.ends_in["start"]) for life in active), kind
    assert len({event["id"] for event in world.events()}) == len(world.events()) == 2 * len(KINDS)


def test_an_entry_deleted_by_hand_comes_back_with_the_next_change(hub: Hub, world: World) -> None:
    life = Life(1, random.Random(1))
    bring(hub, life.created())
    (entry,) = world.shown()
    world.delete_by_hand(entry["id"])
    bring(hub, life.moved())
    (again,) = world.shown()
    assert instant(again["start"]["dateTime"]) == instant(life.ends_in["start"])
    told = json.loads(hub.cli("why", life.booking_id, "--json").stdout)
    assert told["pending"] == []
    bring(hub, life.cancelled())
    assert world.shown() == []
