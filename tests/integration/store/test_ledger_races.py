"""Several processes plan on one ledger at the same time, and no room is with two of them at once."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import combinations
from pathlib import Path

import psycopg
import pytest
from sqlmodel import select

from adapters.errors import TransientError
from adapters.ledger import LedgerEntry, LedgerPage
from adapters.resources.allocation import lacking
from hub.clock import ManualClock
from hub.store.database import Database
from hub.store.ledger import StoreLedger, entry_of
from hub.store.tables import LedgerEntryRow
from tests.contract.ledger.entries import entry
from tests.integration.store.planning_process import AT_ONCE, CONFIG, SINK
from tests.integration.store.rows import NOW

ROOT = Path(__file__).parents[3]
PROCESSES, ROUNDS = 3, 40
WITHIN_SECONDS = 120


def plan_in_processes(url: str) -> list[str]:
    """What all processes were told."""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.store.planning_process",
                url,
                f"p{number}",
                str(ROUNDS),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(PROCESSES)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("begin\n")
        process.stdin.flush()
    told = []
    for process in running:
        with process:
            out, problems = process.communicate(timeout=WITHIN_SECONDS)
        assert (process.returncode, problems) == (0, "")
        told += out.splitlines()
    return told


def live_entries(database: Database) -> list[LedgerEntry]:
    rows = database.read_now(
        lambda session: list(session.exec(select(LedgerEntryRow).where(LedgerEntryRow.sink == SINK)))
    )
    return [entry for entry in map(entry_of, rows) if entry.state != "released"]


def shared(entries: Sequence[LedgerEntry]) -> list[tuple[str, str]]:
    """Pairs that have one unit at one time."""
    return [
        (one.key, other.key)
        for one, other in combinations(entries, 2)
        if one.meets(other.busy_from, other.busy_until) and one.names & other.names
    ]


def test_processes_that_plan_at_the_same_time_double_nothing(store_url: str) -> None:
    told = plan_in_processes(store_url)
    assert len(told) == PROCESSES * ROUNDS * AT_ONCE
    assert any("waiting/" in line for line in told)
    with closing(Database.open(store_url)) as database:
        entries = live_entries(database)
        assert shared(entries) == []
        held = [entry for entry in entries if entry.state == "held"]
        assert held
        for entry in entries:
            assert {pool: len(names) for pool, names in entry.units.items()} == (
                dict(entry.needs) if entry.state == "held" else {}
            )
            if entry.state == "waiting":
                assert entry.busy_until > NOW
                assert lacking(CONFIG.pools, entry, held), f"{entry.key} waits for nothing"


async def test_on_postgresql_the_second_waits_until_the_first_has_committed(postgres_url: str) -> None:
    done: list[str] = []
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Database.open(postgres_url))) for _ in range(2))
        watching = stack.enter_context(psycopg.connect(postgres_url, autocommit=True))

        def waits() -> bool:
            found = watching.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            return found.fetchone() == (1,)

        def slow(page: LedgerPage) -> None:
            """In the writer's thread of the first process."""
            second_asks.set()
            deadline = time.monotonic() + WITHIN_SECONDS
            while not waits():
                assert time.monotonic() < deadline, "nobody waits for the ledger"
            page.put(entry("b1", 0, 1, "Atelier"))
            done.append("first")

        def quick(page: LedgerPage) -> list[str]:
            done.append("second")
            return [one.key for one in page.every()]

        second_asks = threading.Event()
        ledgers = [StoreLedger(database, SINK, clock=ManualClock(NOW)) for database in (first, second)]
        slowly = asyncio.create_task(ledgers[0].transact(slow))
        await asyncio.to_thread(second_asks.wait, WITHIN_SECONDS)
        seen = await ledgers[1].transact(quick)
        await slowly
    assert (done, seen) == (["first", "second"], ["b1"])


async def test_ledgers_of_other_sinks_do_not_wait(postgres_url: str) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Database.open(postgres_url))) for _ in range(2))
        finished = threading.Event()
        begun = threading.Event()

        def until_the_other_is_done(page: LedgerPage) -> bool:
            begun.set()
            return finished.wait(WITHIN_SECONDS)

        clock = ManualClock(NOW)
        slowly = asyncio.create_task(
            StoreLedger(first, "rooms", clock=clock).transact(until_the_other_is_done)
        )
        await asyncio.to_thread(begun.wait, WITHIN_SECONDS)
        await StoreLedger(second, "cars", clock=clock).transact(lambda page: page.every())
        finished.set()
        assert await slowly


async def test_a_store_that_is_gone_is_a_passing_failure(store_url: str) -> None:
    database = Database.open(store_url)
    ledger = StoreLedger(database, SINK, clock=ManualClock(NOW))
    database.close()
    for act in (ledger.transact, ledger.read):
        with pytest.raises(TransientError, match="the ledger is not to be reached"):
            await act(lambda page: page.every())
