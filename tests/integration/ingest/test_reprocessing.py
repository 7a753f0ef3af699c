"""Receipts are looked at again: one from quarantine after a fix, or all since the log diverged."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from adapters.api import Reading
from adapters.meetergo import mapping
from hub.ingest.reprocessing import Reprocessed
from hub.log import LogConnection
from hub.store import dirty, inbox, quarantine
from hub.store.inbox import InboxFilter
from hub.store.tables import DirtyRow, InboxRow
from tests.integration.ingest.column import NOW, Column, sample

CREATED: dict[str, Any] = json.loads(sample("booking_created.flat"))
NEW_KIND = CREATED | {"webhookType": "booking_confirmed"}


async def sent(column: Column, body: Any) -> str:
    receipt: str = (await column.send(body)).json["receipt"]
    await column.settled()
    return receipt


async def row(column: Column, receipt_id: str) -> InboxRow:
    def wanted(session: Session) -> InboxRow:
        return session.exec(select(InboxRow).where(InboxRow.receipt_id == receipt_id)).one()

    return await column.database.read(wanted)


async def waiting(column: Column) -> int:
    return await column.database.read(quarantine.count_waiting)


async def test_what_can_be_read_now_becomes_facts(column: Column, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = await sent(column, NEW_KIND)
    assert await column.facts() == []
    monkeypatch.setattr(mapping, "BOOKING_KINDS", mapping.BOOKING_KINDS | {"booking_confirmed"})
    assert await column.reprocessor.reprocess(receipt) == Reprocessed(receipt, "accepted")
    await column.settled()
    (created,) = await column.events()
    assert (created.type, created.causation_id) == ("BookingCreated", receipt)
    assert await waiting(column) == 0
    kept = await row(column, receipt)
    assert (kept.status, kept.reason, kept.provider_id) == ("accepted", None, CREATED["id"])


async def test_it_needs_the_body_in_quarantine_only(
    column: Column, connection: LogConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 30 days nothing else is left of it."""
    receipt = await sent(column, NEW_KIND)
    await connection.api(f"STREAM.PURGE.{column.inbox.stream}")
    monkeypatch.setattr(mapping, "BOOKING_KINDS", mapping.BOOKING_KINDS | {"booking_confirmed"})
    await column.reprocessor.reprocess(receipt)
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_what_is_still_unreadable_stays_with_its_new_reason(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = await sent(column, NEW_KIND)
    monkeypatch.setattr(
        column.source, "read", lambda *_, **__: Reading("unreadable", "booking_confirmed", reason="no end")
    )
    assert await column.reprocessor.reprocess(receipt) == Reprocessed(receipt, "quarantined", "no end")
    kept = await column.database.read(lambda session: quarantine.get(session, receipt))
    assert kept is not None
    assert (kept.state, kept.reason) == ("waiting", "no end")


async def test_what_nobody_needs_is_ignored_from_now_on(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = await sent(column, NEW_KIND)
    monkeypatch.setattr(mapping, "UNUSED_KINDS", mapping.UNUSED_KINDS | {"booking_confirmed"})
    assert await column.reprocessor.reprocess(receipt) == Reprocessed(receipt, "ignored")
    assert await waiting(column) == 0
    assert (await row(column, receipt)).status == "ignored"


@pytest.mark.parametrize("body", [b"[]", b'{"id": "x", "secret": "abc', b"\xff", b""])
async def test_bytes_that_are_no_object_stay_unreadable(column: Column, body: bytes) -> None:
    receipt = await sent(column, body)
    again = await column.reprocessor.reprocess(receipt)
    assert again is not None
    assert again.status == "quarantined"
    assert again.reason
    assert await waiting(column) == 1


async def test_a_receipt_that_never_was_there_is_told_apart(column: Column) -> None:
    accepted = await sent(column, CREATED)
    assert await column.reprocessor.reprocess("r_unknown") is None
    assert await column.reprocessor.reprocess(accepted) is None


async def test_without_its_source_a_receipt_cannot_be_read(column: Column) -> None:
    receipt = await sent(column, NEW_KIND)
    column.reprocessor._sources = {}
    again = await column.reprocessor.reprocess(receipt)
    assert again == Reprocessed(receipt, "quarantined", "source meetergo is not configured")
    assert await waiting(column) == 1


async def test_a_receipt_refused_by_the_pipeline_can_be_tried_once_more(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = column.source.read
    monkeypatch.setattr(
        column.source, "read", lambda *_, **__: Reading("unreadable", "booking_created", reason="not today")
    )
    receipt = await sent(column, CREATED)
    assert (await row(column, receipt)).status == "quarantined"
    monkeypatch.setattr(column.source, "read", read)
    for _ in range(2):
        await column.reprocessor.reprocess(receipt)
        await column.settled()
    assert await column.facts() == ["BookingCreated"]
    assert (await row(column, receipt)).status == "accepted"


async def test_deriving_again_what_is_there_adds_nothing(column: Column) -> None:
    for name in ("booking_created.flat", "booking_rescheduled.flat", "booking_cancelled.flat"):
        await sent(column, sample(name))
    facts = await column.facts()
    assert await column.reprocessor.remark_since(NOW) == 3
    await column.settled()
    assert await column.facts() == facts


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        (NOW + timedelta(days=3), {"booking-2", "booking-3"}),
        (NOW + timedelta(days=9), set()),
        (None, {"booking-0", "booking-1", "booking-2", "booking-3"}),
    ],
    ids=["a moment", "later than all", "nothing in common"],
)
async def test_receipts_since_that_moment_and_a_day_before_are_marked_again(
    column: Column, moment: datetime | None, wanted: set[str]
) -> None:
    for days in range(4):
        await sent(column, CREATED | {"id": f"booking-{days}"})
        column.clock.advance(timedelta(days=1))
    await column.rest()
    assert await column.reprocessor.remark_since(moment) == len(wanted)
    marks = await column.database.read(lambda session: list(session.exec(select(DirtyRow))))
    assert {mark.provider_id for mark in marks} == wanted
    assert {mark.cause for mark in marks} <= {"divergence"}


@pytest.mark.parametrize("gone", [False, True], ids=["in the inbox", "past its age there"])
async def test_what_came_out_of_quarantine_since_is_marked_too(
    column: Column, connection: LogConnection, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """Its facts are in the log although HUB_INBOX shows a receipt nobody could read."""
    receipt = await sent(column, NEW_KIND)
    ignored = await sent(column, NEW_KIND | {"webhookType": "booking_forgotten"})
    column.clock.advance(timedelta(days=20))
    monkeypatch.setattr(mapping, "BOOKING_KINDS", mapping.BOOKING_KINDS | {"booking_confirmed"})
    monkeypatch.setattr(mapping, "UNUSED_KINDS", mapping.UNUSED_KINDS | {"booking_forgotten"})
    for one in (receipt, ignored):
        await column.reprocessor.reprocess(one)
    await column.settled()
    await column.rest()
    if gone:
        await connection.api(f"STREAM.PURGE.{column.inbox.stream}")
    assert await column.reprocessor.remark_since(column.clock.now()) == 1
    (mark,) = await column.database.read(lambda session: list(session.exec(select(DirtyRow))))
    assert (mark.receipt_id, mark.provider_id, mark.sequence) == (receipt, CREATED["id"], None)
    column.work()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_a_store_that_lost_its_tail_gets_the_rows_back(column: Column) -> None:
    await sent(column, CREATED)
    unread = await sent(column, NEW_KIND)
    later = column.clock.now() + inbox.KEPT + timedelta(days=1)

    def lose(session: Session) -> None:
        quarantine.resolve(session, unread, now=NOW)
        quarantine.expire_resolved(session, before=later)
        inbox.expire(session, now=later)

    await column.database.write(lose)
    await column.reprocessor.remark_since(NOW)
    await column.settled()
    listed = await column.database.read(lambda session: inbox.listing(session, InboxFilter()))
    assert [one.status for one in listed.items] == ["quarantined", "accepted"]
    assert await waiting(column) == 1
    assert await column.facts() == ["BookingCreated"]
    assert (await column.database.read(dirty.counts)).receipts == 0
