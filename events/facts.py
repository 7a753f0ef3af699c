"""How a fact is made of the state after it: numbered within its history, never older than the last one."""

from datetime import datetime
from typing import Any, TypeVar

from events.base import BookingEvent
from events.state import Booking

EventT = TypeVar("EventT", bound=BookingEvent)


def fact_after(
    event_class: type[EventT], after: Booking, *, at: datetime, about: str = "", **members: Any
) -> EventT:
    """The fact that led to `after`, with the next ordinal of its kind and object in this history."""
    after, ordinal = after.numbered(f"{event_class.event_type()}:{about}")
    return event_after(event_class, after, at=at, ordinal=ordinal, **members)


def event_after(event_class: type[EventT], after: Booking, *, at: datetime, **members: Any) -> EventT:
    """The fact that led to `after`, of a kind that is told apart by its time or comes once."""
    known = after.model_copy(update={"fact_at": latest(after.fact_at, at)})
    return event_class(occurred_at=at, provider_id=after.provider_id, booking=known, **members)


def latest(*moments: datetime | None) -> datetime | None:
    """The last of these moments; None if there is none."""
    return max((moment for moment in moments if moment), default=None)
