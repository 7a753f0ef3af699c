"""What a storm is made of: bookings and contacts from their first state to their last, by chance."""

import random
from datetime import timedelta
from typing import Any

from adapters.testing_samples import START, envelope_of, sample_booking, sample_contacts, sample_events
from events import Booking, Contact, Envelope
from events.state import Cancel

LIVES = 3
"""How many live at one target side by side."""


def life(number: int, chance: random.Random) -> list[Booking]:
    """A booking from its first state to its last, positions rising over all lives alike."""
    identity = f"b-{2000 + number}"
    booking = sample_booking(provider_id=identity, booking_id=identity, provider_ids=(identity,))
    states = [booking]
    for _ in range(chance.randrange(2, 7)):
        states.append(_changed(states[-1], chance))
    if chance.random() < 0.5:
        cancel = Cancel(at=booking.created_at, actor="attendee", reason="krank")
        states.append(states[-1].cancelled(cancel))
    return [
        state.model_copy(update={"position": 11 + number + index * LIVES})
        for index, state in enumerate(states)
    ]


def _changed(booking: Booking, chance: random.Random) -> Booking:
    match chance.randrange(4):
        case 0 | 1:
            start = booking.start + timedelta(minutes=15 * chance.randrange(1, 200))
            return booking.moved(
                start=start, end=start + (booking.end - booking.start), previous_start=booking.start
            )
        case 2:
            return booking.model_copy(update={"notes": f"Notiz {chance.randrange(1000)}"})
        case _:
            guest = booking.attendees[chance.randrange(len(booking.attendees))]
            if guest.no_show:
                return booking.with_attendee(guest.unmarked(start=booking.start))
            moment = booking.created_at or booking.start
            return booking.with_attendee(guest.marked(start=booking.start, at=moment, present=True))


def contact_life(number: int, chance: random.Random) -> list[Contact]:
    """A contact whose counters go up and down."""
    first = sample_contacts()[0].model_copy(
        update={"contact_id": f"c-{2000 + number}", "email": f"guest{number}@kunde.example"}
    )
    states = [first]
    for _ in range(chance.randrange(2, 7)):
        states.append(_recounted(states[-1], chance))
    return [
        state.model_copy(update={"position": 11 + number + index * LIVES})
        for index, state in enumerate(states)
    ]


def _recounted(contact: Contact, chance: random.Random) -> Contact:
    name = chance.choice(("booking_count", "reschedule_count", "no_show_count", "cancellation_count"))
    smallest = 1 if name == "booking_count" else 0
    changed: dict[str, Any] = {name: max(getattr(contact, name) + chance.choice((1, 1, -1)), smallest)}
    if name == "no_show_count":
        missed = START + timedelta(days=chance.randrange(9))
        changed["last_no_show_at"] = missed if changed[name] else None
    return contact.model_copy(update=changed)


def occurrences(sink: Any, chance: random.Random) -> list[Envelope]:
    """Events of every kind the sink handles, each a fact of its own."""
    found = []
    for position, (kind, event) in enumerate(sample_events().items(), start=11):
        if kind in sink.handles:
            identity = f"b-{chance.randrange(1000, 9999)}"
            booking = event.booking.model_copy(update={"booking_id": identity, "provider_id": identity})
            fact = event.model_copy(update={"booking": booking, "provider_id": identity})
            found.append(envelope_of(fact, position=position))
    return found
