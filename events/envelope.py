"""An event together with where it came from and where it stands in the log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from events.base import BookingEvent, DomainEvent
from events.catalogue import load
from events.errors import UpcastError
from events.ids import event_id
from events.state import Booking

Provenance = Literal["webhook", "poll", "backfill", "command"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event of the log; the message uses the names of CloudEvents (id, source, type, subject, time).

    `position` is the JetStream sequence (0: not appended yet) and `recorded_at` the server's time of
    it. `causation_id` names the inbox receipt, poll or command that brought the fact first.
    """

    event_id: str
    source: str
    provider_id: str
    booking_id: str
    event: DomainEvent
    provenance: Provenance
    causation_id: str | None = None
    traceparent: str | None = None
    position: int = 0
    recorded_at: datetime | None = None

    @classmethod
    def of(
        cls,
        event: BookingEvent,
        *,
        provenance: Provenance,
        causation_id: str | None = None,
        traceparent: str | None = None,
    ) -> "Envelope":
        """Wrap a derived fact that is about to be appended."""
        return cls(
            event_id=event_id(event),
            source=event.booking.source,
            provider_id=event.provider_id,
            booking_id=event.booking.booking_id,
            event=event,
            provenance=provenance,
            causation_id=causation_id,
            traceparent=traceparent,
        )

    @property
    def type(self) -> str:
        return self.event.event_type()

    @property
    def schema_version(self) -> int:
        return self.event.schema_version

    @property
    def occurred_at(self) -> datetime:
        return self.event.occurred_at

    @property
    def booking(self) -> Booking | None:
        """The state after this fact, knowing its own position; None if the fact is not about a booking."""
        if not isinstance(self.event, BookingEvent):
            return None
        return self.event.booking.model_copy(update={"position": self.position})

    def to_message(self) -> dict[str, Any]:
        """The JSON object the log stores, personal members still readable; absent members are null."""
        return {
            "id": self.event_id,
            "source": self.source,
            "type": self.type,
            "subject": self.booking_id,
            "time": self.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "schema_version": self.schema_version,
            "provider_id": self.provider_id,
            "provenance": self.provenance,
            "causation_id": self.causation_id,
            "traceparent": self.traceparent,
            "data": self.event.model_dump(mode="json", exclude_none=True),
        }

    @classmethod
    def from_message(
        cls, message: dict[str, Any], *, position: int = 0, recorded_at: datetime | None = None
    ) -> "Envelope":
        """Read a stored, opened message; raises UnknownEventError or UpcastError."""
        try:
            return cls(
                event_id=message["id"],
                source=message["source"],
                provider_id=message["provider_id"],
                booking_id=message["subject"],
                event=load(message["type"], message["schema_version"], message["data"]),
                provenance=message["provenance"],
                causation_id=message.get("causation_id"),
                traceparent=message.get("traceparent"),
                position=position,
                recorded_at=recorded_at,
            )
        except KeyError as error:
            raise UpcastError(f"the message at position {position} lacks {error.args[0]}") from error
