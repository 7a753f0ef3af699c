"""Which delivery rows an event makes, when they are due, and what is skipped for which reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from events import BookingEvent, ContactErased, Envelope
from events.state import Cancel
from hub.clock import ManualClock
from hub.projections.enqueue import BACKFILL, DIVERGED, ENDED, TOO_OLD, enqueue
from hub.projections.reader import Reader
from hub.projections.sinks import SinkRegistration
from hub.store import deliveries as rows_of
from hub.store import receipts
from hub.store.database import Database
from hub.store.deliveries import DeliveryFilter
from hub.store.tables import DeliveryRow, TargetReceiptRow
from tests.contract.projections.kit import MemoryLog, Shown, deliveries, logged, read_all
from tests.factories import NOON, at, attendee, snapshot

GRACE = timedelta(seconds=20)
CALENDAR = SinkRegistration("calendar", "booking", grace=GRACE)
CRM = SinkRegistration("crm", "contact", grace=GRACE)
CHAT = SinkRegistration(
    "chat",
    "reactor",
    handles=frozenset({"BookingCreated", "BookingCancelled"}),
    grace=GRACE,
    max_age=timedelta(hours=24),
)


def a_life(provider_id: str = "b1", **members: Any) -> list[Envelope]:
    """Made, looked at again without news, moved, cancelled."""
    moved = NOON + timedelta(days=1)
    return logged(
        [
            Shown(provider_id, snapshot(provider_id=provider_id, **members)),
            Shown(provider_id, snapshot(provider_id=provider_id, version=at(1), **members)),
            Shown(provider_id, snapshot(provider_id=provider_id, start=moved, version=at(2), **members)),
            Shown(
                provider_id,
                snapshot(
                    provider_id=provider_id,
                    start=moved,
                    version=at(3),
                    cancelled=True,
                    cancel=Cancel(at=at(3), reason="ill"),
                    **members,
                ),
            ),
        ]
    )


async def read(
    database: Database, clock: ManualClock, events: Sequence[Envelope], *sinks: SinkRegistration
) -> list[DeliveryRow]:
    log = MemoryLog()
    log.append(events)
    await read_all(Reader(log, database, clock=clock, registrations=sinks))
    return deliveries(database)


def put_receipt(database: Database, sink: str, key: str, now: datetime) -> None:
    row = TargetReceiptRow(sink=sink, key=key, part="", external_id="x1", position=1, updated_at=now)
    database.write_now(lambda session: receipts.put(session, row))


async def test_every_shown_event_makes_a_row_for_a_mirror(database: Database, clock: ManualClock) -> None:
    events = a_life()
    found = await read(database, clock, events, CALENDAR)
    assert [(row.event_type, row.position, row.key, row.state) for row in found] == [
        ("BookingCreated", 1, "b1", "pending"),
        ("BookingRescheduled", 3, "b1", "pending"),
        ("BookingCancelled", 4, "b1", "pending"),
    ]
    assert [row.event_id for row in found] == [events[0].event_id, events[2].event_id, events[3].event_id]
    assert {row.cause for row in found} == {None}


async def test_a_cancellation_waits_for_its_grace_and_nothing_else_waits(
    sqlite_database: Database, clock: ManualClock
) -> None:
    events = a_life()
    found = await read(sqlite_database, clock, events, CALENDAR, CRM, CHAT)
    recorded_at = events[3].recorded_at
    assert recorded_at is not None
    for row in found:
        cancelled = row.event_type == "BookingCancelled"
        assert row.hold is cancelled
        assert row.due_at == (recorded_at + GRACE if cancelled else clock.now())


async def test_a_contact_mirror_gets_a_row_per_contact_that_ever_appeared(
    sqlite_database: Database, clock: ManualClock
) -> None:
    old, new = attendee("a1", email="old@kunde.example"), attendee("a1", email="new@kunde.example")
    steps = [
        Shown("b1", snapshot(attendees=(old, "a2"))),
        Shown("b1", snapshot(attendees=(new, "a2"), version=at(1))),
    ]
    found = await read(sqlite_database, clock, logged(steps), CRM)
    assert {(row.position, row.key, row.booking_id) for row in found} == {
        (1, "c-old@kunde.example", "b1"),
        (1, "c-a2@kunde.example", "b1"),
        (2, "c-old@kunde.example", "b1"),
        (2, "c-new@kunde.example", "b1"),
        (2, "c-a2@kunde.example", "b1"),
    }


async def test_a_reactor_gets_what_it_handles_and_what_the_configuration_asks_for(
    sqlite_database: Database, clock: ManualClock
) -> None:
    picky = SinkRegistration(
        "picky",
        "reactor",
        handles=frozenset({"BookingCreated", "BookingRescheduled"}),
        events=frozenset({"BookingRescheduled", "BookingCancelled"}),
    )
    found = await read(sqlite_database, clock, a_life(), CHAT, picky)
    assert [(row.sink, row.event_type, row.key) for row in found] == [
        ("chat", "BookingCreated", "b1"),
        ("chat", "BookingCancelled", "b1"),
        ("picky", "BookingRescheduled", "b1"),
    ]


async def test_history_before_the_start_of_a_sink_makes_no_row(
    sqlite_database: Database, clock: ManualClock
) -> None:
    late = SinkRegistration("late", "booking", start_position=3)
    found = await read(sqlite_database, clock, a_life(), late)
    assert [row.position for row in found] == [4]


def with_times(envelope: Envelope, *, recorded_at: datetime, **members: Any) -> Envelope:
    event = envelope.event
    assert isinstance(event, BookingEvent)
    return Envelope(
        event_id=envelope.event_id,
        source=envelope.source,
        provider_id=envelope.provider_id,
        booking_id=envelope.booking_id,
        event=event,
        provenance=members.get("provenance", "webhook"),
        position=envelope.position,
        recorded_at=recorded_at,
    )


@pytest.mark.parametrize(
    ("provenance", "age", "reason"),
    [
        ("webhook", timedelta(hours=23), None),
        ("poll", timedelta(hours=25), TOO_OLD),
        ("backfill", timedelta(minutes=1), BACKFILL),
        ("command", timedelta(0), None),
    ],
    ids=["fresh", "older than max_age when recorded", "backfilled", "our own command"],
)
async def test_history_never_lets_a_reactor_act(
    sqlite_database: Database, clock: ManualClock, provenance: str, age: timedelta, reason: str | None
) -> None:
    created = a_life()[0]
    event = with_times(created, recorded_at=created.occurred_at + age, provenance=provenance)
    (row,) = await read(sqlite_database, clock, [event], CHAT)
    assert (row.state, row.reason) == (("pending", None) if reason is None else ("skipped", reason))
    assert (row.finished_at is None) is (reason is None)


async def test_a_mirror_skips_a_booking_that_had_ended_unless_it_holds_something_for_it(
    database: Database, clock: ManualClock
) -> None:
    made = [with_times(e, recorded_at=NOON + timedelta(days=3)) for e in a_life("b1")[:1] + a_life("b2")[:1]]
    put_receipt(database, "calendar", "b2", clock.now())
    put_receipt(database, "other", "b1", clock.now())
    found = await read(database, clock, made, CALENDAR, CRM)
    assert {(row.sink, row.key, row.state, row.reason) for row in found} == {
        ("calendar", "b1", "skipped", ENDED),
        ("calendar", "b2", "pending", None),
        ("crm", "c-a1@kunde.example", "pending", None),
    }


async def test_an_event_read_twice_adds_nothing_and_changes_nothing(
    sqlite_database: Database, clock: ManualClock
) -> None:
    events = a_life()
    first = await read(sqlite_database, clock, events, CALENDAR, CHAT)

    def deliver(session: Session) -> None:
        row = session.get_one(DeliveryRow, ("calendar", events[0].event_id, "b1"))
        row.state = "delivered"

    sqlite_database.write_now(deliver)
    again = sqlite_database.write_now(
        lambda session: enqueue(session, events, [CALENDAR, CHAT], generation=1, now=clock.now())
    )
    assert again == 0
    assert len(deliveries(sqlite_database)) == len(first)
    assert deliveries(sqlite_database)[0].state == "delivered"


async def test_an_event_that_comes_back_after_its_loss_is_delivered_after_all(
    database: Database, clock: ManualClock
) -> None:
    events = a_life()
    await read(database, clock, events, CALENDAR)
    database.write_now(
        lambda session: rows_of.drop(session, DeliveryFilter(), now=clock.now(), reason=DIVERGED)
    )
    database.write_now(
        lambda session: enqueue(session, events[:1], [CALENDAR], generation=1, now=clock.now())
    )
    assert [row.state for row in deliveries(database)] == ["pending", "skipped", "skipped"]


async def test_forgetting_a_person_reaches_every_object_that_shows_them(
    database: Database, clock: ManualClock
) -> None:
    steps = [
        Shown("b1", snapshot(provider_id="b1", attendees=("a1", "a2"))),
        Shown("b2", snapshot(provider_id="b2", attendees=("a2",))),
        Shown("", forgets="c-a1@kunde.example"),
    ]
    found = await read(database, clock, logged(steps), CALENDAR, CRM)
    erased = [(row.sink, row.key) for row in found if row.event_type == ContactErased.event_type()]
    assert erased == [("calendar", "b1"), ("crm", "c-a1@kunde.example")]
