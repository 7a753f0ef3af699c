"""Snapshots, facts and envelopes with sensible members; every factory takes overrides."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from events import AttendeeSnapshot, Booking, BookingEvent, BookingSnapshot, Envelope
from events.derive import derive
from events.envelope import Provenance
from events.state import Host

NOON = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 10, 12, 7, 31, 9, tzinfo=UTC)


def contact_of(attendee_id: str, email: str | None) -> str:
    """A stand-in for the keyed hash: readable, equal for equal addresses."""
    return f"c-{email.strip().lower()}" if email else f"c-{attendee_id}"


def attendee(attendee_id: str = "a1", **overrides: Any) -> AttendeeSnapshot:
    members: dict[str, Any] = {
        "attendee_id": attendee_id,
        "email": f"{attendee_id}@kunde.example",
        "name": f"Person {attendee_id}",
        "phone": None,
        "timezone": "Europe/Berlin",
        "language": "de",
    } | overrides
    members.setdefault("contact_id", contact_of(attendee_id, members.get("email")))
    return AttendeeSnapshot(**members)


ILSE = attendee("a1", name="Ilse Brandvold", email="ilse@kunde.example")
JON = attendee("a2", name="Jon Ekdal", email="jon@kunde.example")


def snapshot(*, attendees: Iterable[AttendeeSnapshot | str] = ("a1",), **overrides: Any) -> BookingSnapshot:
    """An active booking of 45 minutes as a webhook shows it; `version=` sets updatedAt too."""
    people = tuple(attendee(a) if isinstance(a, str) else a for a in attendees)
    start = overrides.get("start", NOON)
    members: dict[str, Any] = {
        "source": "meetergo",
        "provider_id": "b1",
        "origin": "payload",
        "seen_at": CREATED,
        "start": start,
        "end": start + timedelta(minutes=45),
        "cancelled": False,
        "attendees": people,
        "version": CREATED,
        "created_at": CREATED,
        "title": "Erstgespräch",
        "meeting_type_id": "mt1",
        "meeting_type_slug": "erstgespraech",
        "meeting_type_name": "Erstgespräch",
        "hosts": (Host(id="h1", email="mara@studio.example", name="Mara Lindqvist"),),
        "link": "https://connect.meetings.example/r/1",
        "location": None,
        "rescheduled_at": None,
        "metadata": {},
    } | overrides
    members.setdefault("updated_at", members["version"])
    return BookingSnapshot(**members)


def at(minutes: float) -> datetime:
    """A version this many minutes after the booking was made."""
    return CREATED + timedelta(minutes=minutes)


def history(*snapshots: BookingSnapshot) -> list[BookingEvent]:
    """The facts that these snapshots of one booking give, one after the other."""
    facts: list[BookingEvent] = []
    state: Booking | None = None
    for shown in snapshots:
        new = derive(state, shown)
        facts.extend(new)
        state = new[-1].booking if new else state
    return facts


def envelopes(
    facts: Iterable[BookingEvent],
    *,
    first_position: int = 1,
    recorded_at: datetime | None = None,
    provenance: Provenance = "webhook",
    causation_id: str | None = "r_test",
) -> list[Envelope]:
    """Facts as the log hands them out, at consecutive positions."""
    wrapped = [Envelope.of(fact, provenance=provenance, causation_id=causation_id) for fact in facts]
    return [
        Envelope.from_message(
            envelope.to_message(),
            position=first_position + index,
            recorded_at=recorded_at or envelope.occurred_at,
        )
        for index, envelope in enumerate(wrapped)
    ]
