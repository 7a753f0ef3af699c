"""The views on PostgreSQL that other programs read: their columns are a contract."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import text

from events import Booking
from events.state import Attendee, Cancel, Guest, Host, MeetingType, Payment
from hub.errors import StoreError
from hub.store import checkpoints
from hub.store.database import Database
from hub.store.tables import AttendeeRow, BookingRow, ContactRow, TimelineRow
from tests.integration.store.rows import MINUTE, NOW

CONTRACT = {
    "v1_bookings": [
        "booking_id", "source", "provider_id", "provider_ids", "status", "no_show", "title",
        "meeting_type_id", "meeting_type_slug", "meeting_type_name", "start", "end", "timezone",
        "previous_start", "rescheduled_at", "reschedule_count", "last_reason", "hosts", "guests", "group",
        "location", "link", "notes", "payment", "cancel", "cancelled_at", "metadata", "created_at",
        "updated_at", "recorded_at", "position",
    ],
    "v1_attendees": [
        "booking_id", "attendee_id", "source", "contact_id", "email", "name", "phone", "timezone",
        "language", "no_show", "no_show_at", "removed", "removed_at",
    ],
    "v1_contacts": [
        "contact_id", "email", "phone", "name", "booking_count", "cancellation_count", "reschedule_count",
        "no_show_count", "last_no_show_at", "last_cancellation_reason", "first_seen_at", "last_seen_at",
    ],
    "v1_timeline": [
        "position", "event_id", "type", "booking_id", "provider_id", "source", "occurred_at", "recorded_at",
        "provenance", "schema_version", "causation_id", "hidden", "detail",
    ],
}  # fmt: skip

ILSE = Attendee(
    attendee_id="a1", contact_id="c1", email="ilse@example.org", timezone="Europe/Berlin", language="de"
)
GONE = Attendee(attendee_id="a0", contact_id="c0", timezone="Asia/Tokyo", removed=True)
JON = Attendee(attendee_id="a2", contact_id="c2", email="jon@example.org")
BOOKING = Booking(
    source="meetergo",
    provider_id="b1",
    booking_id="b1",
    provider_ids=("b0", "b1"),
    title="Demo",
    start=NOW,
    end=NOW + MINUTE,
    previous_start=NOW - MINUTE,
    rescheduled_at=NOW - timedelta(days=1),
    reschedule_count=1,
    last_reason="ill",
    hosts=(Host(id="h1", name="Mara"),),
    attendees=(GONE, ILSE, JON),
    guests=(Guest(contact_id="c3", email="guest@example.org"),),
    group=False,
    location="Atelier",
    notes="bring a drill",
    meeting_type=MeetingType(id="m1", slug="demo", name="Demo"),
    metadata={"campaign": "autumn"},
    created_at=NOW - timedelta(days=9),
    updated_at=NOW,
)
BARE = Booking(source="meetergo", provider_id="b2", booking_id="b2", provider_ids=("b2",), start=NOW, end=NOW)
PAID = BARE.model_copy(
    update={
        "status": "cancelled",
        "payment": Payment(id="p1", amount="49.00", currency="EUR"),
        "cancel": Cancel(at=NOW, by="guest", reason="ill"),
    }
)


def booking_row(generation, booking, position=1):
    return BookingRow(
        generation=generation,
        booking_id=booking.booking_id,
        source=booking.source,
        provider_id=booking.provider_id,
        status=booking.status,
        title=booking.title,
        start=booking.start,
        end=booking.end,
        state=booking.model_dump(mode="json", exclude_none=True),
        position=position,
        created_at=booking.created_at,
    )


def attendee_row(generation, attendee):
    return AttendeeRow(
        generation=generation,
        booking_id="b1",
        attendee_id=attendee.attendee_id,
        source="meetergo",
        contact_id=attendee.contact_id,
        email=attendee.email,
    )


def fill(session):
    for live in (True, False):
        row = checkpoints.start_generation(session, now=NOW, versions={}, log_created=None, live=live)
        generation = row.generation
        for booking in (BOOKING, BARE):
            session.add(booking_row(generation, booking, position=generation))
        for attendee in (ILSE, JON):
            session.add(attendee_row(generation, attendee))
        session.add(
            ContactRow(
                generation=generation, contact_id="c1", email="ilse@example.org", no_show_count=generation
            )
        )
        session.add(
            TimelineRow(
                generation=generation,
                position=7,
                event_id="e7",
                type="BookingCreated",
                booking_id="b1",
                provider_id="b1",
                source="meetergo",
                occurred_at=NOW,
                provenance="webhook",
                schema_version=1,
                detail={"start": "x"},
            )
        )


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    with closing(Database.open(postgres_url)) as database:
        database.write_now(fill)
        yield database


def view(database, name, where="true"):
    statement = text(f"SELECT * FROM bookinghub.{name} WHERE {where}")
    return database.read_now(lambda session: session.execute(statement).mappings().all())


@pytest.mark.parametrize("name", CONTRACT)
def test_columns_are_those_that_were_promised(store, name):
    statement = text(f"SELECT * FROM bookinghub.{name} LIMIT 0")
    assert store.read_now(lambda session: list(session.execute(statement).keys())) == CONTRACT[name]


def test_booking_is_shown_with_its_whole_state(store):
    (row,) = view(store, "v1_bookings", "booking_id = 'b1'")
    assert row["provider_ids"] == ["b0", "b1"]
    assert (row["timezone"], row["location"], row["notes"], row["group"]) == (
        "Europe/Berlin",
        "Atelier",
        "bring a drill",
        False,
    )
    assert (row["previous_start"], row["rescheduled_at"], row["updated_at"]) == (
        NOW - MINUTE,
        NOW - timedelta(days=1),
        NOW,
    )
    assert (row["reschedule_count"], row["last_reason"]) == (1, "ill")
    assert row["hosts"][0]["name"] == "Mara"
    assert row["guests"][0]["email"] == "guest@example.org"
    assert row["metadata"] == {"campaign": "autumn"}


def test_what_a_booking_does_not_have_is_null(store):
    (row,) = view(store, "v1_bookings", "booking_id = 'b2'")
    absent = (
        "timezone",
        "previous_start",
        "location",
        "payment",
        "cancel",
        "cancelled_at",
        "group",
        "updated_at",
    )
    assert {name: row[name] for name in absent} == dict.fromkeys(absent)


def test_payment_and_cancellation_are_shown(store):
    store.write_now(lambda session: session.merge(booking_row(1, PAID)))
    (row,) = view(store, "v1_bookings", "booking_id = 'b2'")
    assert (row["status"], row["cancelled_at"]) == ("cancelled", NOW)
    assert (row["cancel"]["by"], row["cancel"]["reason"], row["payment"]["amount"]) == (
        "guest",
        "ill",
        "49.00",
    )


def test_attendees_show_language_and_zone_from_their_booking(store):
    rows = {row["attendee_id"]: row for row in view(store, "v1_attendees")}
    assert (rows["a1"]["email"], rows["a1"]["timezone"], rows["a1"]["language"]) == (
        "ilse@example.org",
        "Europe/Berlin",
        "de",
    )
    assert (rows["a2"]["timezone"], rows["a2"]["language"]) == (None, None)


def test_timeline_and_contacts_are_shown(store):
    (event,) = view(store, "v1_timeline")
    assert (event["position"], event["type"], event["detail"]) == (7, "BookingCreated", {"start": "x"})
    (contact,) = view(store, "v1_contacts")
    assert (contact["email"], contact["no_show_count"]) == ("ilse@example.org", 1)


def test_views_follow_the_live_generation(store):
    assert [row["no_show_count"] for row in view(store, "v1_contacts")] == [1]
    store.write_now(lambda session: checkpoints.switch(session, 2, now=NOW))
    assert [row["no_show_count"] for row in view(store, "v1_contacts")] == [2]
    assert {row["position"] for row in view(store, "v1_bookings")} == {2}
    assert len(view(store, "v1_attendees")) == 2
    assert len(view(store, "v1_timeline")) == 1


@pytest.mark.parametrize("name", CONTRACT)
def test_views_cannot_be_written_to(store, name):
    with pytest.raises(StoreError, match="cannot delete from view"):
        store.write_now(lambda session: session.execute(text(f"DELETE FROM bookinghub.{name}")))
