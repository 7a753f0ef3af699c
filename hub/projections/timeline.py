"""One row per event, in the order of the log: what happened, without anything personal."""

from typing import ClassVar

from sqlmodel import Session

from events import NOT_DELIVERED, BookingDetailsChanged, DomainEvent, Envelope
from events.base import BookingEvent
from events.personal import REASON_FIELDS
from events.versions import cut
from hub.projections.base import Batch, Projection
from hub.projections.bulk import Values, write_rows
from hub.store.tables import TimelineRow

# The state is in the log; `by` may hold whatever a guest was asked for.
_NOT_SHOWN = {"booking", "occurred_at", "provider_id", "ordinal", "by", *REASON_FIELDS}


def is_hidden(event: DomainEvent) -> bool:
    """Whether the event only moved the version: shown to nobody, delivered to nobody."""
    return isinstance(event, BookingDetailsChanged) and event.changed == ("updated_at",)


def is_delivered(event: DomainEvent) -> bool:
    """Whether anything may have changed that a target shows."""
    return not is_hidden(event) and not isinstance(event, NOT_DELIVERED)


class Timeline(Projection):
    """The list of events; a position is also the proof of what stood there (see `divergence`)."""

    name = "timeline"
    version = 1
    handles: ClassVar[tuple[type[DomainEvent], ...]] = (DomainEvent,)
    tables = (TimelineRow,)

    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        rows = [timeline_values(envelope, generation) for envelope in batch.envelopes]
        write_rows(session, TimelineRow, rows)


def timeline_values(envelope: Envelope, generation: int) -> Values:
    """The row of one event."""
    event = envelope.event
    version = event.booking.version if isinstance(event, BookingEvent) else None
    return {
        "generation": generation,
        "position": envelope.position,
        "event_id": envelope.event_id,
        "type": envelope.type,
        "booking_id": envelope.booking_id,
        "provider_id": envelope.provider_id,
        "source": envelope.source,
        "occurred_at": envelope.occurred_at,
        "recorded_at": envelope.recorded_at,
        "provenance": envelope.provenance,
        "schema_version": envelope.schema_version,
        "causation_id": envelope.causation_id,
        "version": cut(version, 0) if version else None,
        "hidden": is_hidden(event),
        "detail": event.model_dump_json(exclude=_NOT_SHOWN, exclude_none=True),
    }
