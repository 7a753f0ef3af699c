"""`make bench`: how fast, as ratios against bare loops measured in the same run on the same disk.

Figures of one machine compare with nothing but the floors beside them. What is wanted stands in
docs/performance.md.
"""

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from tests.bench.doors import TOKEN
from tests.bench.rebuild import compare_rebuild
from tests.e2e.harness import ROOT, WEBHOOK_TOKEN, calendar_stand_in, running_hub
from tests.e2e.life import Life

CONNECTIONS = 32
REQUESTS = 4_000
ROUNDS = 3
RATE = 200
SECONDS = 20


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def bodies(folder: Path, count: int, *, first: int) -> Path:
    """So many webhooks of so many new bookings, one per line."""
    file = folder / f"bodies-{first}.ndjson"
    lives = (Life(number, Random(number)) for number in range(first, first + count))
    file.write_bytes(b"\n".join(json.dumps(life.created()).encode() for life in lives))
    return file


def load(
    port: int, path: str, file: Path, *, rate: int | None = None, connections: int = CONNECTIONS
) -> dict[str, Any]:
    """One run of the load generator."""
    arguments = ["127.0.0.1", str(port), path, str(connections), str(file), *([str(rate)] if rate else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    assert set(figures["statuses"]) == {"200"}, figures
    return figures


@contextmanager
def door(kind: str, folder: Path) -> Iterator[int]:
    """A server of `tests.bench.doors`; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.doors", kind, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def compare_webhooks(folder: Path) -> None:
    say(f"webhook -> durable -> 200: {ROUNDS} rounds of {REQUESTS} webhooks over {CONNECTIONS} connections")
    path = f"/webhooks/meetergo/{TOKEN}"
    figures: dict[str, list[dict[str, Any]]] = {"bare": [], "door": [], "hub": []}
    first = 1_000_000
    for number in range(ROUNDS):
        for kind in ("bare", "door"):
            with door(kind, folder / f"{kind}-{number}") as port:
                load(port, path, bodies(folder, 500, first=first))
                figures[kind].append(load(port, path, bodies(folder, REQUESTS, first=first + 500)))
        with running_hub(folder / f"hub-{number}", sinks={}) as hub:
            at = f"/webhooks/meetergo/{WEBHOOK_TOKEN}"
            load(hub.port, at, bodies(folder, 500, first=first))
            figures["hub"].append(load(hub.port, at, bodies(folder, REQUESTS, first=first + 500)))
            began = time.monotonic()
            hub.settle(within=300)
            took = time.monotonic() - began
            say(f"  round {number + 1}: the whole hub had worked everything {took:.1f} s later")
    names = {
        "bare": "bare ASGI loop, same group commit and fsync",
        "door": "the hub's route, alone in its process",
        "hub": "the whole hub, deriving and projecting meanwhile",
    }
    for kind, runs in figures.items():
        pairs = zip(runs, figures["bare"], strict=True)
        ratio = statistics.median(run["per_second"] / floor["per_second"] for run, floor in pairs)
        middle = {
            name: statistics.median(run[name] for run in runs) for name in ("per_second", "p50_ms", "p99_ms")
        }
        say(
            f"  {names[kind]:50s} {middle['per_second']:7.0f}/s   p50 {middle['p50_ms']:6.1f} ms   "
            f"p99 {middle['p99_ms']:6.1f} ms   ratio {ratio:.2f}"
        )


def visible_latencies(folder: Path) -> None:
    say(f"webhook -> visible in the projection, trust, {RATE}/s for {SECONDS} s")
    with running_hub(folder / "visible", sinks={}) as hub:
        count = RATE * SECONDS
        file = bodies(folder, count, first=5_000_000)
        load(hub.port, f"/webhooks/meetergo/{WEBHOOK_TOKEN}", bodies(folder, 500, first=4_000_000))
        hub.settle()
        seen: dict[str, float] = {}
        watching = threading.Thread(target=watch, args=(hub.data / "hub.db", seen, count), daemon=True)
        watching.start()
        sent = load(hub.port, f"/webhooks/meetergo/{WEBHOOK_TOKEN}", file, rate=RATE)
        # A machine that is busy with something else falls behind; how far is told by the figures.
        hub.settle(within=600)
        watching.join(timeout=60)
        waits = sorted(visible_after(hub.data / "hub.db", seen))
        assert len(waits) == count, f"{len(waits)} of {count} became visible"
        p50, p99 = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.99))
        say(f"  answered   p50 {sent['p50_ms']:6.1f} ms   p99 {sent['p99_ms']:6.1f} ms")
        say(
            f"  visible    p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   (receipt -> another process reads the row)"
        )


def watch(database: Path, seen: dict[str, float], count: int) -> None:
    """Look every 2 ms, as another program would, for bookings that were not there before."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        last = connection.execute("select coalesce(max(rowid), 0) from bookings").fetchone()[0]
        while len(seen) < count:
            rows = connection.execute(
                "select rowid, booking_id from bookings where rowid > ?", (last,)
            ).fetchall()
            now = time.time()
            for row, booking_id in rows:
                seen.setdefault(booking_id, now)
                last = max(last, row)
            time.sleep(0.002)


def visible_after(database: Path, seen: dict[str, float]) -> Iterator[float]:
    """Seconds from the receipt of each webhook to the moment it was seen."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for provider_id, received_at in connection.execute("select provider_id, received_at from inbox"):
            if provider_id in seen:
                yield seen[provider_id] - moment(received_at)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def drain(folder: Path) -> None:
    say("drain of a backlog to a calendar: 50 bookings with 10 changes each, the calendar was away")
    with calendar_stand_in(folder) as calendar:
        calendar.fault(kind="status", status=503, on="*", times=None)
        with running_hub(folder / "drain", sinks={"team-calendar": calendar.sink}) as hub:
            lives = [Life(number, Random(number)) for number in range(50)]
            for life in lives:
                hub.post(life.created())
            for _ in range(10):
                for life in lives:
                    hub.post(life.moved())
            calls_before = len(calendar.calls())
            calendar.heal()
            hub.settle(within=120)
            ok = [call for call in calendar.calls()[calls_before:] if call["status"] < 400]
            say(f"  {len(ok)} calls for {len(hub.items('events'))} facts on {len(lives)} bookings")


def main() -> None:
    say(f"{os.cpu_count()} cores, {sys.version.split()[0]}, {time.strftime('%Y-%m-%d %H:%M')}")
    with tempfile.TemporaryDirectory(prefix="bookinghub-bench-") as folder:
        compare_webhooks(Path(folder))
        visible_latencies(Path(folder))
        asyncio.run(compare_rebuild(Path(folder), say))
        drain(Path(folder))


if __name__ == "__main__":
    main()
