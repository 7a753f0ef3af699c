"""Identities that everybody computes alike: of a fact, and of an effect.

An id names the fact, never its delivery, so a webhook, its redelivery, a poll and a backfill of one
fact are one event. See docs/adr/0005-event-identity-and-versions.md.
"""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid5

from events.base import BookingEvent, DomainEvent
from events.booking import (
    AttendeeAdded,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
    AttendeeRemoved,
    BookingCreated,
    BookingRefunded,
    BookingReplacementRequested,
    BookingRescheduled,
    ContactErased,
)

NAMESPACE = UUID("6b1f0a52-64fd-5c1c-9d0e-0f6f3c9c8d11")

_WITH_ATTENDEE = (
    AttendeeAdded,
    AttendeeRemoved,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
)


def instant(moment: datetime | None) -> str | None:
    """One spelling per moment, cut to seconds, in UTC."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fact_object(event: DomainEvent) -> str:
    """What the fact is about, beside its booking."""
    if isinstance(event, _WITH_ATTENDEE):
        return event.attendee_id
    if isinstance(event, BookingRefunded):
        return event.refund_id
    if isinstance(event, BookingReplacementRequested):
        return event.command_id
    if isinstance(event, BookingRescheduled):
        return f"{instant(event.start)}{'>' + event.replaced_by if event.replaced_by else ''}"
    return ""


def event_id(event: DomainEvent) -> str:
    """The id of this fact, a UUID in text; equal for equal facts whatever brought them."""
    if isinstance(event, ContactErased):
        return _uuid("ContactErased", event.contact_id, instant(event.occurred_at))
    if not isinstance(event, BookingEvent):
        raise TypeError(f"{type(event).__name__} has no identity")
    source, provider_id = event.booking.source, event.provider_id
    if isinstance(event, BookingCreated):
        return _uuid(source, provider_id)
    if isinstance(event, BookingRescheduled) and event.ordinal is None:
        return _uuid(
            source, provider_id, event.event_type(), fact_object(event), instant(event.rescheduled_at)
        )
    return _uuid(source, provider_id, event.event_type(), fact_object(event), event.ordinal)


def idempotency_key(fact: str, sink: str, operation: str | None = None) -> str:
    """The key of one effect: stable over redeliveries, new for a confirmed replay (`operation`)."""
    return _uuid("effect", fact, sink, operation)


def _uuid(*parts: object) -> str:
    return str(uuid5(NAMESPACE, json.dumps(parts, separators=(",", ":"), ensure_ascii=True)))
