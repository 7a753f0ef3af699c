"""Bookings, contacts and events for contract tests, in the states every sink has to cope with."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from events import (
    Attendee,
    AttendeeAdded,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
    AttendeeRemoved,
    Booking,
    BookingCancelled,
    BookingContinues,
    BookingCreated,
    BookingDetailsChanged,
    BookingEvent,
    BookingRefunded,
    BookingReinstated,
    BookingRescheduled,
    Contact,
    Envelope,
)
from events.state import Cancel, Host, MeetingType, Payment

NOW = datetime(2026, 10, 12, 7, 31, 9, tzinfo=UTC)
START = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)
LENGTH = timedelta(minutes=45)

GUEST_DATA = ("Quendolin", "quendolin@kunde.example", "+4930900112", "parkt im Hof")
"""What the samples hold of guests; none of it may reach an error message or a log."""


def sample_booking(**changes: Any) -> Booking:
    """An active, paid booking of two guests, at position 11 of the log."""
    members: dict[str, Any] = {
        "source": "meetergo",
        "provider_id": "b-1001",
        "booking_id": "b-1001",
        "provider_ids": ("b-1001",),
        "start": START,
        "end": START + LENGTH,
        "title": "Erstgespräch",
        "meeting_type": MeetingType(id="mt-1", slug="erstgespraech", name="Erstgespräch"),
        "hosts": (Host(id="h-1", email="mara@studio.example", name="Mara Lindqvist"),),
        "attendees": (
            Attendee(
                attendee_id="a-1",
                contact_id="c-1",
                email=GUEST_DATA[1],
                name=GUEST_DATA[0],
                phone=GUEST_DATA[2],
                timezone="Europe/Berlin",
            ),
            Attendee(attendee_id="a-2", contact_id="c-2", email="bo@kunde.example", name="Bo"),
        ),
        "booker": "c-1",
        "notes": GUEST_DATA[3],
        "payment": Payment(id="pi_1001", status="paid", amount="49.00", currency="EUR"),
        "link": "https://connect.meetings.example/r/1",
        "created_at": NOW,
        "position": 11,
    }
    return Booking(**members | changes)


def sample_states() -> tuple[Booking, ...]:
    """The life of one booking, oldest state first: booked, moved, changed, missed by one guest, cancelled."""
    booked = sample_booking()
    later = booked.start + timedelta(days=4)
    moved = booked.moved(start=later, end=later + LENGTH, previous_start=booked.start)
    changed = moved.model_copy(update={"link": "https://connect.meetings.example/r/2", "notes": None})
    absent = changed.attendees[0].marked(start=changed.start, at=NOW, present=True)
    missed = changed.with_attendee(absent)
    cancelled = missed.cancelled(Cancel(at=NOW, actor="attendee", reason="krank"))
    states = (booked, moved, changed, missed, cancelled)
    return tuple(state.model_copy(update={"position": 11 + 4 * index}) for index, state in enumerate(states))


def sample_contacts() -> tuple[Contact, ...]:
    """The life of one contact, oldest state first: booked, moved, missed, not missed after all, handed over.

    In the last state the address turned out to be somebody else's, who has all the bookings now.
    """
    booked = Contact(
        contact_id="c-1",
        email=GUEST_DATA[1],
        name=GUEST_DATA[0],
        phone=GUEST_DATA[2],
        booking_count=1,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    moved = booked.model_copy(update={"reschedule_count": 1})
    missed = moved.model_copy(update={"no_show_count": 1, "last_no_show_at": START})
    states = (booked, moved, missed, moved, Contact(contact_id="c-1"))
    return tuple(state.model_copy(update={"position": 11 + 4 * index}) for index, state in enumerate(states))


def sample_events() -> Mapping[type[BookingEvent], BookingEvent]:
    """One event of every kind that is about a booking."""
    booked, moved, _, missed, cancelled = sample_states()
    common: dict[str, Any] = {"occurred_at": NOW, "provider_id": booked.provider_id, "ordinal": 1}
    events: tuple[BookingEvent, ...] = (
        BookingCreated(booking=booked, **common),
        BookingRescheduled(booking=moved, start=moved.start, end=moved.end, **common),
        BookingCancelled(booking=cancelled, reason="krank", **common),
        BookingReinstated(booking=booked, **common),
        BookingContinues(booking=booked, root="b-0999", **common),
        BookingDetailsChanged(booking=booked, changed=("link",), **common),
        BookingRefunded(booking=cancelled, refund_id="re-1", amount=4900, currency="EUR", **common),
        AttendeeAdded(booking=booked, attendee_id="a-2", **common),
        AttendeeRemoved(booking=booked, attendee_id="a-2", **common),
        AttendeeDetailsChanged(booking=booked, attendee_id="a-2", changed=("name",), **common),
        AttendeeNoShow(booking=missed, attendee_id="a-1", start=missed.start, **common),
        AttendeeNoShowReverted(booking=booked, attendee_id="a-1", start=booked.start, **common),
    )
    return {type(event): event for event in events}


def envelope_of(event: BookingEvent, *, position: int = 11) -> Envelope:
    """The event as the log hands it out."""
    message = Envelope.of(event, provenance="webhook", causation_id="r_contract").to_message()
    return Envelope.from_message(message, position=position, recorded_at=event.occurred_at)
