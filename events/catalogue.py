"""All event types by name; `load` is the only place where stored data becomes an event."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from events.base import BookingEvent, DomainEvent
from events.booking import (
    AttendeeAdded,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
    AttendeeRemoved,
    BookingCancelled,
    BookingContinues,
    BookingCreated,
    BookingDetailsChanged,
    BookingRefunded,
    BookingReinstated,
    BookingReplacementRequested,
    BookingRescheduled,
    ContactErased,
)
from events.errors import UnknownEventError, UpcastError
from events.upcasters import UPCASTERS, Upcaster

CATALOGUE: Mapping[str, type[DomainEvent]] = MappingProxyType(
    {
        event.event_type(): event
        for event in (
            BookingCreated,
            BookingRescheduled,
            BookingCancelled,
            BookingReinstated,
            BookingContinues,
            BookingReplacementRequested,
            BookingDetailsChanged,
            AttendeeAdded,
            AttendeeRemoved,
            AttendeeDetailsChanged,
            AttendeeNoShow,
            AttendeeNoShowReverted,
            BookingRefunded,
            ContactErased,
        )
    }
)

NOT_DELIVERED: tuple[type[DomainEvent], ...] = (BookingReplacementRequested,)
"""What changes nothing that a target shows."""

DELIVERED_BOOKING_EVENTS: tuple[type[DomainEvent], ...] = tuple(
    event
    for event in CATALOGUE.values()
    if issubclass(event, BookingEvent) and not issubclass(event, NOT_DELIVERED)
)
"""Everything that can happen to a booking and that a sink may be told."""


def load(
    event_type: str,
    schema_version: int,
    data: dict[str, Any],
    *,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> DomainEvent:
    """Build the event, bringing an old version to the current one first.

    Raises UnknownEventError for a type or version this code does not know, UpcastError for data that
    has not the shape its version promised.
    """
    event_class = CATALOGUE.get(event_type)
    if event_class is None:
        raise UnknownEventError(f"event type {event_type} is unknown to this version of the hub; update it")
    if schema_version > event_class.schema_version:
        raise UnknownEventError(
            f"{event_type} version {schema_version} is newer than this hub knows "
            f"({event_class.schema_version}); update it"
        )
    for version in range(schema_version, event_class.schema_version):
        upcaster = upcasters.get((event_type, version))
        if upcaster is None:
            raise UpcastError(f"{event_type} version {version} has no upcaster to version {version + 1}")
        data = upcaster(data)
    try:
        return event_class.model_validate(data)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:3])
        raise UpcastError(
            f"{event_type} version {schema_version} does not fit its schema at {places}"
        ) from error
