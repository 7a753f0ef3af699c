"""From rows and envelopes to the objects programs rely on; pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from adapters.template_fields import reschedule_link
from events.base import BookingEvent
from events.envelope import Envelope
from events.state import Booking
from hub.store.guard import is_held
from hub.store.tables import BookingRow, DeliveryRow, InboxRow, OperationRow, TimelineRow
from hub.web.hub_objects import OperationObject
from hub.web.objects import (
    AttendeeObject,
    BookingObject,
    DeliveryObject,
    ErrorObject,
    EventObject,
    ReceiptObject,
    Shown,
)
from hub.web.wire import dump

JsonObject = dict[str, Any]
ShownT = TypeVar("ShownT", bound=Shown)

_WAITING = ("pending", "sending")


def shown(model: type[ShownT], source: object, **given: Any) -> ShownT:
    """The object whose members are those of `source`, except for the given ones."""
    taken = {name: getattr(source, name) for name in model.model_fields if name not in given}
    return model(**taken, **given)


def dumped(models: Iterable[Shown]) -> list[JsonObject]:
    """The JSON values of several objects."""
    return [model.model_dump(mode="json") for model in models]


def booking_of(row: BookingRow) -> Booking:
    """The folded state a row carries, knowing its position."""
    return Booking.model_validate({**row.state, "position": row.position})


def booking_object(booking: Booking, in_step: Mapping[str, Any]) -> BookingObject:
    """The booking; its link is computed here, since it holds an address."""
    return shown(
        BookingObject,
        booking,
        provider_ids=list(booking.provider_ids),
        meeting_type=booking.meeting_type and booking.meeting_type.model_dump(),
        hosts=[host.model_dump() for host in booking.hosts],
        attendees=[shown(AttendeeObject, attendee) for attendee in booking.attendees],
        guests=[guest.model_dump() for guest in booking.guests],
        payment=booking.payment and booking.payment.model_dump(),
        cancel=booking.cancel and booking.cancel.model_dump(),
        reschedule_link=reschedule_link(booking),
        related=list(booking.related),
        in_step=dict(in_step),
    )


def event_object(source: TimelineRow | Envelope, envelope: Envelope | None) -> EventObject:
    """An event as the timeline or the log names it; `data` only if the log could be read."""
    return shown(EventObject, source, **event_data(envelope))


def event_data(envelope: Envelope | None) -> JsonObject:
    """The members of an event that only the log holds."""
    if envelope is None:
        return {"related": [], "data": None}
    related = list(envelope.event.booking.related) if isinstance(envelope.event, BookingEvent) else []
    return {"related": related, "data": json.loads(dump(envelope.event.model_dump()))}


def receipt_object(row: InboxRow, booking_id: str | None) -> ReceiptObject:
    return shown(ReceiptObject, row, booking_id=booking_id, kind=row.kind or None)


def delivery_data(row: DeliveryRow) -> JsonObject:
    """The members of a delivery that no column holds as they are shown."""
    return {
        "due_at": row.due_at if row.state in _WAITING and not is_held(row) else None,
        "held": is_held(row),
        "last_error": error_object(row.error_class, row.error_message, row.error_at),
    }


def delivery_object(row: DeliveryRow) -> DeliveryObject:
    return shown(DeliveryObject, row, **delivery_data(row))


def error_object(error_class: str | None, message: str | None, at: datetime | None) -> ErrorObject | None:
    """The last error; None if there was none."""
    if error_class is None and message is None:
        return None
    return ErrorObject(error_class=error_class, message=message, at=at)


def operation_object(row: OperationRow, now: datetime) -> OperationObject:
    """An operation with its mean speed so far."""
    seconds = ((row.finished_at or now) - row.started_at).total_seconds()
    rate = round(row.done / seconds, 1) if seconds > 0 else None
    return shown(OperationObject, row, rate_per_second=rate)
