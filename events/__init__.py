"""The vocabulary: what can happen to a booking, the envelope around it, and the pure folds."""

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
from events.catalogue import DELIVERED_BOOKING_EVENTS, NOT_DELIVERED
from events.contact import Contact
from events.envelope import Envelope
from events.snapshot import AttendeeSnapshot, BookingSnapshot, GuestSnapshot
from events.state import Attendee, Booking

__all__ = [
    "DELIVERED_BOOKING_EVENTS",
    "NOT_DELIVERED",
    "Attendee",
    "AttendeeAdded",
    "AttendeeDetailsChanged",
    "AttendeeNoShow",
    "AttendeeNoShowReverted",
    "AttendeeRemoved",
    "AttendeeSnapshot",
    "Booking",
    "BookingCancelled",
    "BookingContinues",
    "BookingCreated",
    "BookingDetailsChanged",
    "BookingEvent",
    "BookingRefunded",
    "BookingReinstated",
    "BookingReplacementRequested",
    "BookingRescheduled",
    "BookingSnapshot",
    "Contact",
    "ContactErased",
    "DomainEvent",
    "Envelope",
    "GuestSnapshot",
]
