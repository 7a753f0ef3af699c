"""Histories to append."""

from datetime import timedelta

from events import BookingEvent, Envelope
from tests.factories import at, history, snapshot


def new(facts: list[BookingEvent]) -> list[Envelope]:
    """Facts ready to be appended."""
    return [Envelope.of(fact, provenance="webhook", causation_id="r_1") for fact in facts]


def moves(provider_id: str, count: int) -> list[Envelope]:
    """One creation and then one move per minute, all of one history."""
    shown = [snapshot(provider_id=provider_id)]
    for number in range(1, count):
        start = shown[0].start + timedelta(minutes=15 * number)
        shown.append(
            snapshot(
                provider_id=provider_id,
                start=start,
                end=start + timedelta(minutes=45),
                rescheduled_at=at(number),
                version=at(number),
            )
        )
    return new(history(*shown))
