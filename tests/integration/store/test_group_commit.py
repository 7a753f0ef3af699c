"""Works that wait together are committed together, and each answers only for itself."""

import asyncio
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import func, select

from hub.errors import StoreError
from hub.store.database import Database
from hub.store.statements import insert_new
from hub.store.tables import LeaseRow
from tests.integration.store.rows import lease
from tests.waiting import until


def count(session):
    return session.exec(select(func.count()).select_from(LeaseRow)).one()


def adding(name):
    return lambda session: insert_new(session, [lease(name)])


class Hold:
    """Keeps the writer busy, so that works gather behind it."""

    def __init__(self, database):
        self._running, self._go_on = threading.Event(), threading.Event()
        self._task = asyncio.ensure_future(database.write(self._work))

    def _work(self, session):
        self._running.set()
        assert self._go_on.wait(60)

    async def __aenter__(self):
        await until(self._running.is_set)

    async def __aexit__(self, *error):
        self._go_on.set()
        await self._task


async def test_many_concurrent_writes_need_few_commits(database):
    before = database.commits
    async with Hold(database):
        writes = [asyncio.ensure_future(database.write(adding(f"n{n}"))) for n in range(150)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == [1] * 150
    assert database.commits - before <= 3
    assert await database.read(count) == 150


async def test_failing_work_does_not_disturb_its_neighbours(database):
    def refuse(session):
        insert_new(session, [lease("refused")])
        raise LookupError("no")

    def break_constraint(session):
        session.add(lease("n0"))

    def break_syntax(session):
        insert_new(session, [lease("broken")])
        session.execute(text("SELECT FROM WHERE"))

    works = [adding("n0"), refuse, adding("n1"), break_constraint, break_syntax, adding("n2")]
    async with Hold(database):
        writes = [asyncio.ensure_future(database.write(work)) for work in works]
        await asyncio.sleep(0)
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [result if isinstance(result, int) else "error" for result in results] == [
        1,
        "error",
        1,
        "error",
        "error",
        1,
    ]
    stored = await database.read(
        lambda session: list(session.exec(select(LeaseRow.name).order_by(LeaseRow.name)))
    )
    assert stored == ["n0", "n1", "n2"]


async def test_work_that_swallows_a_database_error_disturbs_nobody(database):
    def swallow(session):
        insert_new(session, [lease("swallowed")])
        try:
            session.execute(text("SELECT * FROM nowhere"))
        except Exception:  # noqa: BLE001
            return "went on"
        raise AssertionError("the table does not exist")

    async with Hold(database):
        writes = [
            asyncio.ensure_future(database.write(work)) for work in (adding("n0"), swallow, adding("n1"))
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert (results[0], results[2]) == (1, 1)


async def test_later_work_of_a_commit_sees_what_an_earlier_one_wrote(database):
    async with Hold(database):
        first = asyncio.ensure_future(database.write(adding("x")))
        second = asyncio.ensure_future(database.write(adding("x")))
        await asyncio.sleep(0)
    assert (await first, await second) == (1, 0)


async def test_result_is_given_only_after_the_commit(database, other):
    """What a caller was told is there for everybody, at the same moment."""
    for number in range(20):
        await database.write(adding(f"n{number}"))
        assert other.read_now(count) == number + 1


def add_check_at_commit(database):
    """A constraint that both databases look at only when the transaction is committed."""
    statements = (
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    for statement in statements:
        database.write_now(lambda session, statement=statement: session.execute(text(statement)))


async def test_failed_commit_fails_every_work_of_it(database):
    add_check_at_commit(database)

    def orphan(session):
        session.execute(text("INSERT INTO child VALUES (7)"))

    async with Hold(database):
        writes = [
            asyncio.ensure_future(database.write(work)) for work in (adding("n0"), orphan, adding("n1"))
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 3
    assert await database.read(count) == 0
    await database.write(adding("after"))
    assert await database.read(count) == 1


async def test_full_disk_is_said_clearly_and_passes(sqlite_file: Path):
    with closing(Database.open(f"sqlite:///{sqlite_file}")) as database:
        full = await database.write(lambda session: session.execute(text("PRAGMA page_count")).scalar())
        await database.write(
            lambda session: session.execute(text(f"PRAGMA max_page_count={full + 2}")).scalar()
        )

        def fill(session):
            insert_new(session, [lease(f"{n}" + "x" * 2000) for n in range(200)])

        with pytest.raises(StoreError, match="disk of the store is full"):
            await database.write(fill)
        await database.write(lambda session: session.execute(text("PRAGMA max_page_count=100000")).scalar())
        await database.write(adding("after"))
        assert await database.read(count) == 1


async def test_lost_connection_is_survived(postgres_url: str):
    runs = []

    def work(session):
        runs.append(1)
        insert_new(session, [lease("x")])
        if len(runs) == 1:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with closing(Database.open(postgres_url)) as database:
        async with Hold(database):
            writes = [asyncio.ensure_future(database.write(w)) for w in (adding("n0"), work, adding("n1"))]
            await asyncio.sleep(0)
        await asyncio.gather(*writes)
        assert len(runs) == 2
        assert await database.read(count) == 3


async def test_reader_survives_a_lost_connection(postgres_url: str):
    with closing(Database.open(postgres_url)) as database:
        await database.write(adding("x"))
        assert await database.read(count) == 1
        end_others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with closing(Database.open(postgres_url)) as executioner:
            executioner.write_now(lambda session: session.execute(text(end_others)).all())
        assert await database.read(count) == 1
        await database.write(adding("y"))


def appending(*names, between=lambda: None):
    """Works on these rows in this order; `runs` counts how often it was begun."""
    runs = []

    def work(session):
        runs.append(1)
        for number, name in enumerate(names):
            if number:
                between()
            session.execute(text("UPDATE leases SET owner = owner || '+' WHERE name = :n"), {"n": name})

    return work, runs


async def owners(database):
    return await database.read(lambda session: list(session.exec(select(LeaseRow.owner))))


async def test_works_of_two_hubs_that_meet_crosswise_wait_for_each_other(postgres_url: str):
    with closing(Database.open(postgres_url)) as a, closing(Database.open(postgres_url)) as b:
        await a.write(lambda session: insert_new(session, [lease("x"), lease("y")]))
        began = threading.Event()
        first, runs = appending("x", "y", between=lambda: began.wait(60))
        second, runs_of_second = appending("y", "x")
        writing = asyncio.ensure_future(a.write(first))
        await until(lambda: bool(runs))
        waiting = asyncio.ensure_future(b.write(second))
        began.set()
        await asyncio.gather(writing, waiting)
        assert await owners(a) == ["a++", "a++"]
        assert len(runs) == len(runs_of_second) == 1


async def test_work_that_meets_another_program_crosswise_is_run_again(postgres_url: str):
    with closing(Database.open(postgres_url)) as database, psycopg.connect(postgres_url) as stranger:
        await database.write(lambda session: insert_new(session, [lease("x"), lease("y")]))
        # Whose patience ends first gives way.
        stranger.execute("SET deadlock_timeout = '20s'")
        stranger.execute("UPDATE leases SET owner = owner || '-' WHERE name = 'x'")
        met = threading.Event()

        def hinder():
            assert met.wait(60)
            stranger.execute("UPDATE leases SET owner = owner || '-' WHERE name = 'y'")
            stranger.commit()

        hindering = asyncio.ensure_future(asyncio.to_thread(hinder))
        work, runs = appending("y", "x", between=met.set)
        await asyncio.gather(database.write(work), hindering)
        assert len(runs) == 2
        assert await owners(database) == ["a-+", "a-+"]


async def test_hub_that_hangs_in_a_transaction_holds_the_others_up_no_longer_than_a_while(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.store.engines.FROZEN_SECONDS", 1)
    with closing(Database.open(postgres_url)) as frozen, closing(Database.open(postgres_url)) as database:
        await database.write(lambda session: insert_new(session, [lease("x"), lease("y")]))
        thawed = threading.Event()
        work, runs = appending("x", "y", between=lambda: thawed.wait(60))
        hanging = asyncio.ensure_future(frozen.write(work))
        await until(lambda: bool(runs))
        other, _ = appending("x")
        await database.write(other)
        thawed.set()
        await hanging
        assert len(runs) == 2
        assert await owners(database) == ["a++", "a+"]
