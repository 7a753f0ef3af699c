"""What every domain event is."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from events.state import Booking


class DomainEvent(BaseModel):
    """A fact, named in the past tense; `occurred_at` is when it happened at the provider, aware, UTC.

    The type in the log is the class name; a changed shape gets the next `schema_version` and an upcaster.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: ClassVar[int] = 1

    occurred_at: datetime

    @classmethod
    def event_type(cls) -> str:
        """The name the log knows this event by."""
        return cls.__name__


class BookingEvent(DomainEvent):
    """A fact about a booking.

    `provider_id` is the id whose history holds it (a former half keeps its own), `booking` the state
    after it, and `ordinal` tells repetitions of the same change apart (None: told apart by time).
    """

    provider_id: str
    ordinal: int | None = None
    booking: Booking
