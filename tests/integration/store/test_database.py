"""One writer, many readers, and errors that say what happened."""

import asyncio
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from hub.errors import ConfigError, StoreError
from hub.store import leases
from hub.store.database import Database
from hub.store.engines import location_of, parse_url
from hub.store.statements import insert_new
from hub.store.tables import LeaseRow
from tests.integration.store.rows import MINUTE, NOW, lease
from tests.waiting import until


def names(session):
    return list(session.exec(select(LeaseRow.name).order_by(LeaseRow.name)))


async def test_written_row_is_there_for_the_next_reader(database):
    await database.write(lambda session: session.add(lease("x")))
    assert await database.read(names) == ["x"]


async def test_failing_work_leaves_nothing_and_raises_its_own_error(database):
    def fail(session):
        session.add(lease("x"))
        session.flush()
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await database.write(fail)
    assert await database.read(names) == []


async def test_violated_constraint_comes_through_as_such(database):
    await database.write(lambda session: session.add(lease("x")))
    with pytest.raises(IntegrityError):
        await database.write(lambda session: session.add(lease("x")))
    await database.write(lambda session: session.add(lease("y")))
    assert await database.read(names) == ["x", "y"]


async def test_returned_rows_stay_readable(database):
    row = await database.write(lambda session: session.merge(lease("x", owner="me")))
    assert row.owner == "me"
    row = await database.read(lambda session: session.get(LeaseRow, "x"))
    assert row.owner == "me"


async def test_reader_cannot_write(database):
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(lambda session: insert_new(session, [lease("x")]))


async def test_reader_is_not_held_up_by_a_writer_and_sees_the_state_before(database):
    written, go_on = threading.Event(), threading.Event()

    def slow(session):
        insert_new(session, [lease("x")])
        written.set()
        assert go_on.wait(60)

    writing = asyncio.ensure_future(database.write(slow))
    await until(written.is_set)
    assert await database.read(names) == []
    go_on.set()
    await writing
    assert await database.read(names) == ["x"]


async def test_reader_sees_one_picture_although_somebody_writes(database):
    first_read, written = threading.Event(), threading.Event()

    def twice(session):
        before = names(session)
        first_read.set()
        assert written.wait(60)
        session.expire_all()
        return before, names(session)

    reading = asyncio.ensure_future(database.read(twice))
    await until(first_read.is_set)
    await database.write(lambda session: insert_new(session, [lease("x")]))
    written.set()
    assert await reading == ([], [])


async def test_cancelled_caller_does_not_disturb_the_writer(database):
    started, go_on = threading.Event(), threading.Event()

    def slow(session):
        insert_new(session, [lease("slow")])
        started.set()
        assert go_on.wait(60)

    running = asyncio.ensure_future(database.write(slow))
    await until(started.is_set)
    waiting = asyncio.ensure_future(database.write(lambda session: insert_new(session, [lease("never")])))
    await asyncio.sleep(0)
    for task in (running, waiting):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await database.write(lambda session: insert_new(session, [lease("after")]))
    # What ran was committed; what still waited was not begun.
    assert await database.read(names) == ["after", "slow"]


def test_close_finishes_what_waits_and_refuses_the_rest(store_url):
    database = Database.open(store_url)
    futures = [
        database._writer.submit(lambda session, n=n: insert_new(session, [lease(f"{n:03}")]))
        for n in range(50)
    ]
    database.close()
    database.close()
    assert [future.result(0) for future in futures] == [1] * 50
    with pytest.raises(StoreError, match="closed"):
        database.write_now(names)
    with closing(Database.open(store_url)) as again:
        assert len(again.read_now(names)) == 50


async def test_read_of_a_closed_store_says_so(store_url):
    database = Database.open(store_url)
    database.close()
    with pytest.raises(StoreError, match="closed"):
        await database.read(names)


def test_two_processes_that_read_then_write_are_never_locked_out(database, other):
    """A transaction that begins with a read would fail on SQLite as soon as both want to write."""
    errors = []

    def bump(store, owner):
        def work(session):
            row = session.get(LeaseRow, "counter")
            insert_new(session, [lease(f"{owner}-{row.until.isoformat()}")])
            leases.acquire(session, "counter", owner="both", now=NOW, length=row.until - NOW + MINUTE)

        try:
            for _ in range(60):
                store.write_now(work)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    database.write_now(lambda session: session.add(lease("counter", owner="both")))
    threads = [
        threading.Thread(target=bump, args=(store, owner)) for store, owner in ((database, "a"), (other, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://hub@db/hub", "postgresql+psycopg"),
        ("postgres://hub@db/hub", "postgresql+psycopg"),
        ("postgresql+psycopg://hub@db/hub", "postgresql+psycopg"),
        ("sqlite:////var/hub.db", "sqlite"),
    ],
    ids=["postgresql", "postgres", "psycopg", "sqlite"],
)
def test_usual_addresses_are_understood(url, driver):
    assert parse_url(url).drivername == driver


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://hub@db/hub", "mysql is not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("hub.db", "not a database address"),
    ],
    ids=["mysql", "nothing", "memory", "path"],
)
def test_address_of_no_store_is_a_configuration_error(url, message):
    with pytest.raises(ConfigError, match=message):
        Database.open(url)


def test_place_of_the_store_is_told_without_the_password():
    assert location_of(parse_url("postgresql://hub:geheim@db.example:5433/hub")) == "db.example:5433/hub"


def test_unreachable_server_is_one_readable_line():
    with pytest.raises(StoreError, match="the store failed") as caught:
        Database.open("postgresql://hub:geheim@127.0.0.1:1/hub")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match=r"absent/hub\.db cannot be opened"):
        Database.open(f"sqlite:///{tmp_path / 'absent' / 'hub.db'}")


def test_file_that_is_no_database_is_named(tmp_path: Path):
    file = tmp_path / "hub.db"
    file.write_bytes(b"this is a text, not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Database.open(f"sqlite:///{file}")


def test_sqlite_is_set_up_to_keep_what_it_acknowledges(sqlite_file: Path):
    with closing(Database.open(f"sqlite:///{sqlite_file}")) as database:
        wanted = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "busy_timeout": 10_000}
        found = database.write_now(
            lambda session: {name: session.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
        )
        assert found == wanted


def test_sqlite_files_are_readable_to_their_owner_only(tmp_path: Path):
    with closing(Database.open(f"sqlite:///{tmp_path / 'hub.db'}")) as database:
        database.write_now(lambda session: session.execute(text("CREATE TABLE x (y)")))
        files = list(tmp_path.glob("hub.db*"))
        assert len(files) == 3
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_errors_never_show_what_was_to_be_stored(database):
    def work(session):
        insert_new(session, [lease("x")])
        session.execute(
            text("INSERT INTO leases (name, owner, nothing) VALUES (:a, :a, :a)"), {"a": "ilse@example.org"}
        )

    with pytest.raises(Exception, match="nothing") as caught:
        database.write_now(work)
    assert "ilse" not in str(caught.value)
