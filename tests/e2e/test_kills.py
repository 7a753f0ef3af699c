"""`kill -9` of the hub and of nats-server at random moments under load: nothing lost, nothing doubled."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, wait_until
from tests.e2e.life import Life, in_the_end

PARTS = {"hub": Hub.kill, "nats-server": Hub.kill_nats}


class Provider:
    """Posts the webhooks of many bookings from several threads and repeats each until it is answered 200."""

    def __init__(self, hub: Hub, *, bookings: int, seed: int) -> None:
        self.lives = [Life(number, random.Random(seed * 1_000 + number)) for number in range(bookings)]
        self.answered = 0
        self._hub = hub
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, threads: int = 4) -> None:
        """Every thread tends its own bookings, so the webhooks of one booking are sent one by one."""
        for number in range(threads):
            thread = threading.Thread(target=self._tend, args=(self.lives[number::threads],), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """No new webhooks; those under way are still repeated until they are answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    def _tend(self, lives: list[Life]) -> None:
        chance = random.Random(lives[0].number)
        with httpx.Client(timeout=20) as client:
            for life in lives:
                self._post(client, life.created(), chance)
            while not self._stop.is_set():
                webhook = chance.choice(lives).change()
                if webhook is None:
                    time.sleep(0.005)
                    if all(life.cancelled_at for life in lives):
                        return
                else:
                    self._post(client, webhook, chance)

    def _post(self, client: httpx.Client, webhook: dict[str, Any], chance: random.Random) -> None:
        body = json.dumps(webhook).encode()
        for _ in range(1 + (chance.random() < 0.2)):
            while not self._accepted(client, body):
                time.sleep(0.05)
        with self._lock:
            self.answered += 1

    def _accepted(self, client: httpx.Client, body: bytes) -> bool:
        try:
            return client.post(self._hub.door, content=body).status_code == 200
        except httpx.TransportError:
            return False


def kill_at_random(
    hub: Hub, kill: Callable[[Hub], None], *, times: int, seed: int, cancelled: Counter[str]
) -> None:
    chance = random.Random(seed)
    for _ in range(times):
        time.sleep(chance.uniform(0.05, 1.5))
        kill(hub)
        cancelled["kills"] += 1
        if hub.process is None:
            hub.start(ready=False)
            if chance.random() < 0.7:
                wait_until(hub.is_ready, within=120, what="readiness after a kill")


def assert_nothing_lost_or_doubled(hub: Hub, provider: Provider, calendar: CalendarStandIn) -> None:
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
    assert not {key: count for key, count in moves.items() if count > 1}
    wanted = {instant(life.ends_in["start"]) for life in provider.lives if not life.cancelled_at}
    entries = calendar.entries()
    assert len(entries) == sum(not life.cancelled_at for life in provider.lives)
    assert {instant(entry["start"]["dateTime"]) for entry in entries} == wanted


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def soak(folder: Path, part: str, *, kills: int, bookings: int) -> None:
    with calendar_stand_in(folder) as calendar:
        hub = Hub(folder, sinks={"team-calendar": calendar.sink})
        try:
            hub.start()
            provider = Provider(hub, bookings=bookings, seed=kills)
            provider.start()
            done: Counter[str] = Counter()
            kill_at_random(hub, PARTS[part], times=kills, seed=kills, cancelled=done)
            wait_until(hub.is_ready, within=120, what="readiness after the last kill")
            provider.stop()
            hub.settle(within=300)
            assert_nothing_lost_or_doubled(hub, provider, calendar)
            print(  # noqa: T201 - the figure of the soak
                f"\n{part}: {done['kills']} kills, {provider.answered} webhooks answered, "
                f"{len(hub.items('events'))} facts, {len(calendar.entries())} calendar entries, "
                f"{len(calendar.calls())} calendar calls"
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
