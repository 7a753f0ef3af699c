"""From marks to facts: in the order of versions, once, and no booking holds up another."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from adapters.api import Reading
from events import Envelope
from hub.errors import FactConflictError, LogUnavailableError, StoreError
from hub.ingest import marks
from hub.log import EventLog, InboxLog, LogConnection, NewReceipt, Privacy
from hub.store import quarantine, unconfirmed
from hub.store.database import Database
from hub.store.tables import DirtyRow, InboxRow
from tests.integration.ingest.column import SOURCE, Column, sample, until

CREATED: dict[str, Any] = json.loads(sample("booking_created.flat"))
MOVED: dict[str, Any] = json.loads(sample("booking_rescheduled.flat"))
CANCELLED: dict[str, Any] = json.loads(sample("booking_cancelled.flat"))
BOOKING = CREATED["id"]


def at(second: int, **members: Any) -> dict[str, Any]:
    """The sample of a new booking as it is so many seconds later."""
    return CREATED | {"updatedAt": f"2026-10-12T08:00:{second:02d}Z", **members}


async def receipt(column: Column, receipt_id: str) -> InboxRow:
    def wanted(session: Session) -> InboxRow:
        return session.exec(select(InboxRow).where(InboxRow.receipt_id == receipt_id)).one()

    return await column.database.read(wanted)


async def all_marks(column: Column) -> list[DirtyRow]:
    return await column.database.read(lambda session: list(session.exec(select(DirtyRow))))


async def marked(column: Column, count: int) -> None:
    """Return once so many marks wait."""

    async def there() -> bool:
        return await column.dirty() == count

    await until(there)


async def test_what_waits_together_is_worked_oldest_version_first(column: Column) -> None:
    await column.rest()
    for body in (CANCELLED, MOVED, CREATED, MOVED):
        await column.send(body)
    await marked(column, 4)
    column.work()
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingRescheduled", "BookingCancelled"]


async def test_a_start_that_finds_marks_reads_their_receipts_from_the_inbox(
    column: Column,
    connection: LogConnection,
    inbox_log: InboxLog,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
) -> None:
    await column.rest()
    await column.send(CREATED)
    await marked(column, 1)
    started_later = Column.build(connection, inbox_log, event_log, privacy, database)
    started_later.clock.advance(timedelta(minutes=1))
    started_later.work()
    await column.settled()
    await started_later.rest()
    assert await column.facts() == ["BookingCreated"]


async def test_a_receipt_that_is_gone_leaves_no_mark(column: Column, connection: LogConnection) -> None:
    await column.rest()
    await column.send(CREATED)
    await marked(column, 1)
    (mark,) = await all_marks(column)
    column.pipeline._bodies._at_hand.clear()
    await connection.api(f"STREAM.MSG.DELETE.{column.inbox.stream}", {"seq": mark.sequence})
    column.work()
    await column.settled()
    assert await column.facts() == []


async def test_facts_that_were_appended_before_a_crash_come_once(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marks could not be cleared, so the receipts are worked again."""
    finish = marks.finish
    failures = iter([StoreError("told to fail")] * 3)

    def failing(*arguments: Any, **options: Any) -> None:
        error = next(failures, None)
        if error is not None:
            raise error
        finish(*arguments, **options)

    monkeypatch.setattr(marks, "finish", failing)
    await column.send(CREATED)
    await column.settled()
    assert next(failures, None) is None
    assert await column.facts() == ["BookingCreated"]


async def test_an_append_whose_answer_was_lost_is_not_repeated(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = column.log.append
    lost = 0

    async def answer_lost(*arguments: Any, **options: Any) -> Any:
        nonlocal lost
        appended = await append(*arguments, **options)
        if lost < 2:
            lost += 1
            raise LogUnavailableError("the answer was lost")
        return appended

    monkeypatch.setattr(column.log, "append", answer_lost)
    for body in (CREATED, MOVED, CANCELLED):
        await column.send(body)
    await column.settled()
    assert lost == 2
    assert await column.facts() == ["BookingCreated", "BookingRescheduled", "BookingCancelled"]


async def test_two_hubs_on_one_log_append_every_fact_once(
    column: Column,
    connection: LogConnection,
    inbox_log: InboxLog,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
) -> None:
    other = Column.build(connection, inbox_log, event_log, privacy, database)
    other.clock.advance(timedelta(hours=1))
    other.work()
    for number in range(20):
        for body in (CREATED, at(1, location="Atelier"), at(2, location="Galerie"), at(3, isCancelled=True)):
            await column.send(body | {"id": f"booking-{number}"})
            other.pipeline.wake()
    await column.settled()
    await other.rest()
    events = await column.events()
    assert len({event.event_id for event in events}) == len(events)
    last = {event.booking_id: event.booking for event in events}
    assert {booking and (booking.status, booking.location) for booking in last.values()} == {
        ("cancelled", CREATED["location"])
    }
    assert len(last) == 20


async def test_somebody_who_appended_in_between_is_read_and_derived_again(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    await column.send(CREATED)
    await column.settled()
    head = column.log.head
    stale = await head(SOURCE, BOOKING)
    answers = [stale, stale]

    async def old_at_first(source: str, provider_id: str) -> tuple[Envelope | None, int]:
        return answers.pop() if answers else await head(source, provider_id)

    await column.send(at(1, location="Atelier"))
    await column.settled()
    monkeypatch.setattr(column.log, "head", old_at_first)
    conflicts = column.metrics.append_conflicts._value.get()
    await column.send(at(2, location="Galerie"))
    await column.settled()
    assert column.metrics.append_conflicts._value.get() > conflicts
    booking = (await column.events())[-1].booking
    assert booking is not None
    assert booking.location == "Galerie"


class Spoilt:
    """A source that fails on one booking until it is repaired."""

    def __init__(self, read: Callable[..., Reading], provider_id: str) -> None:
        self.read = read
        self.provider_id: str | None = provider_id

    def __call__(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        reading = self.read(payload, received_at=received_at)
        if reading.provider_id == self.provider_id:
            raise RuntimeError("a guest's words")
        return reading


async def test_one_bad_booking_waits_and_all_others_go_on(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = Spoilt(column.source.read, BOOKING)
    monkeypatch.setattr(column.source, "read", spoilt)
    await column.send(CREATED)
    await marked(column, 1)
    for number in range(30):
        await column.send(CREATED | {"id": f"booking-{number}"})

    async def others_are_done() -> bool:
        tried = [mark.last_error for mark in await all_marks(column)]
        return len(await column.events()) == 30 and tried == ["RuntimeError"]

    await until(others_are_done)
    (mark,) = await all_marks(column)
    assert mark.provider_id == BOOKING
    assert mark.attempts >= 1
    assert mark.due_at > column.clock.now() - timedelta(seconds=35)
    spoilt.provider_id = None
    column.clock.advance(timedelta(hours=1))
    column.pipeline.wake()
    await column.settled()
    assert (await column.events())[-1].booking_id == BOOKING


async def test_a_mark_of_a_source_that_is_gone_waits_for_its_return(column: Column) -> None:
    gone = column.pipeline._sources
    column.pipeline._sources = {}
    await column.send(CREATED)

    async def postponed() -> bool:
        return [mark.last_error for mark in await all_marks(column)] == ["NotConfiguredError"]

    await until(postponed)
    column.pipeline._sources = gone
    column.clock.advance(timedelta(hours=1))
    column.pipeline.wake()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_facts_the_log_refuses_for_good_put_their_receipt_in_quarantine(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = column.log.append

    async def refusing(batch: Any, **options: Any) -> Any:
        if batch[0].booking.location == "Atelier":
            raise FactConflictError("told to conflict")
        return await append(batch, **options)

    monkeypatch.setattr(column.log, "append", refusing)
    await column.send(CREATED)
    refused = (await column.send(at(1, location="Atelier"))).json["receipt"]
    await column.send(at(2, location="Galerie"))
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingDetailsChanged"]
    row = await receipt(column, refused)
    assert (row.status, row.reason) == ("quarantined", "fact conflict")
    kept = await column.database.read(lambda session: quarantine.get(session, refused))
    assert kept is not None
    assert json.loads(kept.body)["location"] == "Atelier"


async def test_an_active_payload_after_a_cancellation_stays_unconfirmed(column: Column) -> None:
    for body in (CREATED, at(1, isCancelled=True)):
        await column.send(body)
    await column.settled()
    hint = (await column.send(at(2))).json["receipt"]
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingCancelled"]
    (row,) = await column.database.read(unconfirmed.every)
    assert (row.provider_id, row.receipt_id, row.detail) == (BOOKING, hint, "active after its cancellation")
    await column.send(at(3, isCancelled=True, cancel={"actionAt": "2026-10-12T08:00:03Z", "reason": "ill"}))
    await column.settled()
    assert await column.database.read(unconfirmed.every) == []


async def test_what_was_mistyped_is_named_in_the_receipt(column: Column) -> None:
    answer = await column.send(CREATED | {"location": [], "hosts": 7})
    await column.settled()
    row = await receipt(column, answer.json["receipt"])
    assert (row.status, row.reason) == ("accepted", "mistyped, counted as unknown: location, hosts")
    assert await column.facts() == ["BookingCreated"]


async def test_a_large_group_joins_in_several_batches_that_are_one_story(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = column.log.append
    sizes = []

    async def counting(batch: Any, **options: Any) -> Any:
        sizes.append(len(batch))
        return await append(batch, **options)

    await column.send(CREATED)
    await column.settled()
    monkeypatch.setattr(column.log, "append", counting)
    people = [{"id": f"person-{number}", "email": f"p{number}@kunde.example"} for number in range(150)]
    await column.send(at(1, attendees=people))
    await column.settled()
    assert sizes == [66, 66, 19]
    facts = await column.facts(after=1)
    assert facts == ["AttendeeRemoved", *["AttendeeAdded"] * 150]
    booking = (await column.events())[-1].booking
    assert booking is not None
    assert booking.settled
    assert len(booking.present) == 150


async def test_a_large_derivation_cut_off_between_its_batches_is_completed(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = column.log.append
    calls = 0

    async def failing(batch: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (2, 4):
            raise LogUnavailableError("away for a moment")
        return await append(batch, **options)

    await column.send(CREATED)
    await column.settled()
    monkeypatch.setattr(column.log, "append", failing)
    people = [*CREATED["attendees"], *({"id": f"person-{number}"} for number in range(150))]
    await column.send(at(1, attendees=people))
    await column.settled()
    assert await column.facts(after=1) == ["AttendeeAdded"] * 150
    events = await column.events()
    assert len({event.event_id for event in events}) == 151


async def test_very_many_marks_of_one_booking_are_worked_some_at_a_time(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_AT_ONCE", 10)
    await column.rest()
    for second in range(35):
        await column.send(at(second, location=f"Room {second}"))
    await marked(column, 35)
    column.work()
    await column.settled()
    assert await column.facts() == ["BookingCreated", *["BookingDetailsChanged"] * 34]


async def test_very_many_marks_of_a_bad_booking_wait_all_together(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_AT_ONCE", 10)
    monkeypatch.setattr(column.source, "read", Spoilt(column.source.read, BOOKING))
    await column.rest()
    for second in range(35):
        await column.send(at(second))
    await marked(column, 35)
    column.work()

    async def all_postponed() -> bool:
        return all(mark.due_at > column.clock.now() for mark in await all_marks(column))

    await until(all_postponed)
    assert {mark.attempts for mark in await all_marks(column)} == {1}


async def test_a_pipeline_that_is_stopped_leaves_its_marks(
    column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def endless(*arguments: Any, **options: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(column.log, "append", endless)
    await column.send(CREATED)
    await begun.wait()
    await column.rest()
    assert await column.dirty() == 1
    monkeypatch.undo()
    column.work()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_a_receipt_stored_twice_marks_its_booking_once(column: Column) -> None:
    """A write whose answer was lost is repeated, under the same receipt id."""
    await column.rest()
    await column.send(CREATED)
    await marked(column, 1)
    (stored,) = await column.inbox.read(0, 10)
    again = {field.name: getattr(stored, field.name) for field in fields(NewReceipt)}
    await column.inbox.store(NewReceipt(**again))

    async def acknowledged() -> bool:
        return await column.inbox.waiting() == 0

    await until(acknowledged)
    assert await column.dirty() == 1
    column.work()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]
