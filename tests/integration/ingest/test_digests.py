"""A body that came before is recognised for thirty days, by this process or by what the store knows."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.errors import StoreError
from hub.ingest.digests import KnownDigests
from hub.store import inbox
from hub.store.database import Database
from hub.store.migrate import migrate
from hub.store.tables import InboxRow
from tests.integration.ingest.column import NOW, SOURCE
from tests.postgres import fresh_database

DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        with closing(Database.open(f"sqlite:///{tmp_path / 'hub.db'}")) as opened:
            migrate(opened)
            yield opened
    else:
        with fresh_database() as url, closing(Database.open(url)) as opened:
            yield opened


def digest(number: int) -> str:
    return f"{number:064x}"


def received(store: Database, number: int, at: datetime = NOW) -> None:
    """A receipt another process may have stored."""
    row = InboxRow(
        receipt_id=f"r_{number}",
        source=SOURCE,
        received_at=at,
        kind="",
        status="accepted",
        digest=digest(number),
    )
    store.write_now(lambda session: inbox.insert(session, [row]))


class Asked:
    """Counts the questions to a store, which may be told to fail."""

    def __init__(self, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.fails = False
        self._read = store.read
        monkeypatch.setattr(store, "read", self)

    async def __call__(self, work: Any) -> Any:
        self.times += 1
        if self.fails:
            raise StoreError("told to fail")
        return await self._read(work)


async def test_what_the_store_holds_is_known_from_the_start(store: Database) -> None:
    received(store, 1)
    received(store, 2, NOW - 31 * DAY)
    known = KnownDigests(store)
    await known.load(now=NOW)
    assert await known.know(digest(1), now=NOW)
    assert not await known.know(digest(2), now=NOW)
    assert not await known.know(digest(3), now=NOW)


async def test_what_was_stored_since_is_known_for_thirty_days(store: Database) -> None:
    known = KnownDigests(store)
    await known.load(now=NOW)
    known.add(digest(1), received_at=NOW)
    assert await known.know(digest(1), now=NOW + 30 * DAY)
    assert not await known.know(digest(1), now=NOW + 30 * DAY + timedelta(seconds=1))


async def test_a_store_of_one_process_is_not_asked_and_a_shared_one_is(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownDigests(store)
    await known.load(now=NOW)
    received(store, 1)
    asked = Asked(store, monkeypatch)
    shared = store.dialect == "postgresql"
    assert await known.know(digest(1), now=NOW) is shared
    assert asked.times == shared


async def test_more_than_fit_into_memory_are_looked_up(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        received(store, number, NOW + timedelta(seconds=number))
    known = KnownDigests(store, most=4)
    await known.load(now=NOW + DAY)
    asked = Asked(store, monkeypatch)
    assert await known.know(digest(5), now=NOW + DAY)
    assert asked.times == 0
    assert await known.know(digest(0), now=NOW + DAY)
    assert asked.times == 1
    assert not await known.know(digest(9), now=NOW + DAY)


async def test_what_is_pushed_out_of_memory_is_looked_up_from_then_on(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownDigests(store, most=2)
    await known.load(now=NOW)
    for number in range(3):
        received(store, number)
        known.add(digest(number), received_at=NOW)
    asked = Asked(store, monkeypatch)
    assert await known.know(digest(0), now=NOW)
    assert asked.times == 1


async def test_a_store_that_cannot_be_asked_does_not_hold_up_a_webhook(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownDigests(store)
    received(store, 1)
    Asked(store, monkeypatch).fails = True
    assert not await known.know(digest(1), now=NOW)
