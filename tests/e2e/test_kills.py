"""`kill -9` of the hub and of nats-server at random moments under load: nothing lost, nothing doubled."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, instant, wait_until
from tests.e2e.life import Life, in_the_end

PARTS: dict[str, Callable[[Hub], bool]] = {"hub": Hub.kill, "nats-server": Hub.kill_nats}
THREADS = 4


class Provider:
    """Posts the webhooks of many bookings from several threads and repeats each until it is answered 200.

    Until it is stopped there are always `bookings` that are not cancelled: a new one follows each that is.
    """

    def __init__(self, hub: Hub, *, bookings: int, seed: int) -> None:
        self.lives: list[Life] = []
        self.receipts: list[str] = []
        self._hub = hub
        self._bookings = bookings
        self._seed = seed
        self._numbers = count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._tend, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new webhooks; those under way are still repeated until they are answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    def _tend(self) -> None:
        """Every thread tends its own bookings, so the webhooks of one booking are sent one by one."""
        with httpx.Client(timeout=20) as client:
            lives = [self._born(client) for _ in range(self._bookings // THREADS)]
            chance = random.Random(lives[0].number)
            while not self._stop.wait(chance.expovariate(20)):
                index = chance.randrange(len(lives))
                webhook = lives[index].change()
                if webhook is None:
                    lives[index] = self._born(client)
                else:
                    self._post(client, webhook, twice=chance.random() < 0.2)

    def _born(self, client: httpx.Client) -> Life:
        number = next(self._numbers)
        life = Life(number, random.Random(self._seed * 100_000 + number))
        self.lives.append(life)
        self._post(client, life.created())
        return life

    def _post(self, client: httpx.Client, webhook: dict[str, Any], *, twice: bool = False) -> None:
        body = json.dumps(webhook).encode()
        for _ in range(1 + twice):
            while not self._accepted(client, body):
                threading.Event().wait(0.05)

    def _accepted(self, client: httpx.Client, body: bytes) -> bool:
        try:
            answer = client.post(self._hub.door, content=body)
        except httpx.TransportError:
            return False
        if answer.status_code == 200:
            self.receipts.append(answer.json()["receipt"])
        return answer.status_code == 200


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
            provider = Provider(hub, bookings=bookings, seed=kills)
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
