"""Receipts become rows before they are acknowledged: listed, in quarantine, and marks on bookings."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from hub.clock import ManualClock
from hub.errors import StoreError
from hub.ingest import inbox as rows_of_inbox
from hub.ingest.inbox import InboxRows
from hub.log.inbox_log import StoredReceipt
from hub.store import dirty, inbox, quarantine, sources
from hub.store.database import Database
from hub.store.inbox import InboxFilter
from hub.store.tables import DirtyRow, InboxRow
from tests.integration.ingest.column import NOW, SOURCE
from tests.waiting import until


def receipt(number: int = 1, **overrides: Any) -> StoredReceipt:
    made = StoredReceipt(
        receipt_id=f"r_{number}",
        source=SOURCE,
        received_at=NOW + timedelta(seconds=number),
        kind="booking_created",
        status="accepted",
        digest=f"{number:064d}",
        provider_id=f"b{number}",
        body=b'{"id": "b"}',
        sequence=number,
    )
    return replace(made, **overrides)


class Written(list[str]):
    """Which receipts marked a booking, in the order this was told."""

    def __call__(self, receipts: Any) -> None:
        self.extend(one.receipt_id for one in receipts)


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def rows(database: Database, clock: ManualClock, written: Written) -> InboxRows:
    await database.write(lambda session: sources.see(session, SOURCE, type="meetergo", now=NOW))
    return InboxRows(database, clock=clock, written=written)


async def listed(database: Database) -> list[InboxRow]:
    return (await database.read(lambda session: inbox.listing(session, InboxFilter(), limit=None))).items


async def marks(database: Database) -> list[DirtyRow]:
    return await database.read(lambda session: list(session.exec(select(DirtyRow))))


@pytest.mark.parametrize(
    ("overrides", "marked", "waiting"),
    [
        ({}, True, 0),
        ({"status": "duplicate"}, True, 0),
        ({"status": "ignored", "provider_id": None}, False, 0),
        ({"status": "quarantined", "provider_id": None, "reason": "unknown type"}, False, 1),
        ({"status": "quarantined", "provider_id": "b1", "reason": "no version"}, False, 1),
    ],
    ids=["accepted", "duplicate", "ignored", "unreadable", "not trusted"],
)
async def test_a_receipt_has_its_rows_when_it_is_taken(
    rows: InboxRows,
    database: Database,
    written: Written,
    overrides: dict[str, Any],
    marked: bool,
    waiting: int,
) -> None:
    taken = receipt(**overrides)
    await rows.take(taken)
    (row,) = await listed(database)
    for name in (
        "receipt_id",
        "source",
        "sequence",
        "received_at",
        "kind",
        "status",
        "reason",
        "provider_id",
    ):
        assert getattr(row, name) == getattr(taken, name)
    assert [mark.receipt_id for mark in await marks(database)] == ["r_1"] * marked
    assert written == ["r_1"] * marked
    assert await database.read(quarantine.count_waiting) == waiting
    if waiting:
        kept = await database.read(lambda session: quarantine.get(session, "r_1"))
        assert kept is not None
        assert (kept.body, kept.reason) == (taken.body, taken.reason)


async def test_a_receipt_that_comes_again_changes_nothing(
    rows: InboxRows, database: Database, written: Written
) -> None:
    await rows.take(receipt())
    await database.write(lambda session: dirty.clear(session, [(SOURCE, "b1", "r_1")]))
    await asyncio.gather(
        rows.take(receipt()), rows.take(receipt()), rows.take(receipt(2)), rows.take(receipt(2))
    )
    assert [mark.receipt_id for mark in await marks(database)] == ["r_2"]
    assert len(await listed(database)) == 2
    assert written == ["r_1", "r_2"]


async def test_a_mark_is_due_at_once_and_knows_its_receipt(rows: InboxRows, database: Database) -> None:
    await rows.take(receipt(7))
    (mark,) = await marks(database)
    assert (mark.source, mark.provider_id, mark.sequence, mark.cause) == (SOURCE, "b7", 7, "webhook")
    assert mark.due_at == mark.marked_at == NOW + timedelta(seconds=7)


async def test_what_waits_together_is_written_together(
    rows: InboxRows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    write_rows = rows_of_inbox.write_rows

    def counting(session: Session, receipts: Any) -> Any:
        sizes.append(len(receipts))
        return write_rows(session, receipts)

    monkeypatch.setattr(rows_of_inbox, "write_rows", counting)
    await asyncio.gather(*(rows.take(receipt(number)) for number in range(500)))
    assert sum(sizes) == 500
    assert max(sizes) <= 200
    assert len(sizes) <= 4
    assert len(await listed(database)) == 500


async def test_without_a_store_the_receipt_has_to_come_again(
    rows: InboxRows, database: Database, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(work: Any) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(database, "write", failing)
    outcomes = await asyncio.gather(*(rows.take(receipt(n)) for n in range(3)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreError}
    assert written == []
    monkeypatch.undo()
    await asyncio.gather(*(rows.take(receipt(n)) for n in range(3)))
    assert len(await listed(database)) == 3


async def test_one_odd_receipt_holds_up_no_other(
    rows: InboxRows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows = rows_of_inbox.write_rows

    def refusing(session: Session, receipts: Any) -> Any:
        if any(one.receipt_id == "r_3" for one in receipts):
            raise ValueError("a guest's words")
        return write_rows(session, receipts)

    monkeypatch.setattr(rows_of_inbox, "write_rows", refusing)
    await asyncio.gather(*(rows.take(receipt(number)) for number in range(6)))
    assert {row.receipt_id for row in await listed(database)} == {"r_0", "r_1", "r_2", "r_4", "r_5"}


async def test_a_caller_who_gives_up_does_not_hold_up_the_others(rows: InboxRows, database: Database) -> None:
    first, *others = [asyncio.create_task(rows.take(receipt(number))) for number in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)
    assert len(await listed(database)) == 5


async def test_the_time_of_the_last_webhook_never_goes_back(rows: InboxRows, database: Database) -> None:
    await asyncio.gather(*(rows.take(receipt(number)) for number in (3, 9, 5)))
    await rows.take(receipt(4))
    source = await database.read(lambda session: sources.get(session, SOURCE))
    assert source is not None
    assert source.last_webhook_at == NOW + timedelta(seconds=9)


async def test_rows_past_their_age_go_unless_a_person_is_waited_for(
    rows: InboxRows, database: Database, clock: ManualClock
) -> None:
    await rows.take(receipt(1))
    await rows.take(receipt(2, status="quarantined", provider_id=None, reason="unknown type"))
    clock.advance(inbox.KEPT + timedelta(seconds=3))
    expiry = asyncio.create_task(rows.expire_for_ever())

    async def one_is_left() -> bool:
        return len(await listed(database)) == 1

    await until(one_is_left)
    expiry.cancel()
    assert [row.receipt_id for row in await listed(database)] == ["r_2"]
    assert await database.read(quarantine.count_waiting) == 1
