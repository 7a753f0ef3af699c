"""Two hubs on one PostgreSQL and one NATS, both killed at random: order per booking, each effect once."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, wait_until
from tests.e2e.provider import Provider
from tests.e2e.test_kills import assert_nothing_lost_or_doubled
from tests.nats_process import NatsProcess
from tests.postgres import fresh_database

WATCHED = "tests.e2e.watched:create_app"
WRITES = ("insert", "update", "patch", "delete")


class Pair:
    """Two hubs that share log, store and targets, and nothing else."""

    def __init__(self, folder: Path, *, nats: str, store: str, calendar: CalendarStandIn) -> None:
        self.hubs: list[Hub] = []
        for name in ("one", "two"):
            hub = Hub(
                folder / name,
                sinks={"team-calendar": calendar.sink},
                nats={"url": nats},
                store={"url": store},
            )
            # Its port is taken before the next one looks for a free one.
            self.hubs.append(hub.start())

    @property
    def doors(self) -> list[str]:
        return [hub.door for hub in self.hubs]

    def kill_at_random(self, provider: Provider, *, times: int, seed: int) -> None:
        """Kill one or the other after some more webhooks; now and then both are gone for a moment."""
        chance = random.Random(seed)
        for _ in range(times):
            wanted = len(provider.receipts) + chance.randint(1, 40)
            wait_until(
                lambda wanted=wanted: len(provider.receipts) >= wanted, within=120, what="more webhooks"
            )
            time.sleep(chance.uniform(0, 1))
            gone = self.hubs if chance.random() < 0.2 else [chance.choice(self.hubs)]
            for hub in gone:
                hub.kill()
            time.sleep(chance.uniform(0, 0.5))
            for hub in gone:
                hub.start(ready=False)

    def close(self) -> None:
        for hub in self.hubs:
            hub.close()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[str]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server.address.url
    server.remove()


def assert_in_order_and_once(calendar: CalendarStandIn) -> tuple[int, int]:
    """Every write that had its effect carried a later state than the one before it; how many there were."""
    written: dict[str, list[int]] = defaultdict(list)
    deleted: set[str] = set()
    calls = calendar.calls()
    done = [call for call in calls if call["call"] in WRITES and call["status"] in range(200, 300)]
    for call in done:
        assert call["id"] not in deleted, f"{call['id']} was written after its end"
        if call["call"] == "delete":
            deleted.add(call["id"])
        else:
            written[call["id"]].append(int(call["position"].partition(":")[2]))
    for entry, positions in written.items():
        assert positions == sorted(set(positions)), f"{entry}: {positions}"
    return len(done), len(calls)


def deadlocks(store: str) -> int:
    """How often PostgreSQL had to end a transaction of one hub because of another's."""
    with psycopg.connect(store) as connection:
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def soak(folder: Path, nats: str, *, bookings: int, kills: int) -> None:
    with ExitStack() as stack:
        calendar = stack.enter_context(calendar_stand_in(folder, app=WATCHED))
        store = stack.enter_context(fresh_database())
        pair = Pair(folder, nats=nats, store=store, calendar=calendar)
        stack.callback(pair.close)
        provider = Provider(pair.doors, bookings=bookings, seed=bookings)
        provider.start()
        pair.kill_at_random(provider, times=kills, seed=kills)
        provider.stop()
        one, two = pair.hubs
        wait_until(one.is_ready, within=120, what="readiness of the first hub")
        wait_until(two.is_ready, within=120, what="readiness of the second hub")
        began = time.monotonic()
        one.settle(within=300)
        settled = time.monotonic() - began
        two.settle(within=120)
        assert_nothing_lost_or_doubled(one, provider, calendar)
        effects, calls = assert_in_order_and_once(calendar)
        print(  # noqa: T201 - the figure of the soak
            f"\ntwo hubs: {len(provider.lives)} bookings, {kills} kills, "
            f"{len(provider.receipts)} webhooks answered, {len(one.items('events'))} facts, "
            f"{effects} effects in {calls} calls, settled {settled:.1f} s after the last start, "
            f"{deadlocks(store)} deadlocks in the store"
        )


def test_both_killed_a_few_times(tmp_path: Path, nats: str) -> None:
    soak(tmp_path, nats, bookings=60, kills=6)


@pytest.mark.slow
def test_both_killed_40_times_with_a_thousand_bookings(tmp_path: Path, nats: str) -> None:
    soak(tmp_path, nats, bookings=1_000, kills=40)
