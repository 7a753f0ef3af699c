"""What can happen to a booking. More only when a consumer needs it."""

from datetime import datetime

from events.base import BookingEvent, DomainEvent


class BookingCreated(BookingEvent):
    """Seen for the first time."""


class BookingRescheduled(BookingEvent):
    """Takes place at another time; `replaced_by` names the new half if a new booking replaced this one."""

    previous_start: datetime | None = None
    previous_end: datetime | None = None
    start: datetime
    end: datetime
    rescheduled_at: datetime | None = None
    reason: str | None = None
    replaced_by: str | None = None


class BookingCancelled(BookingEvent):
    """Does not take place, for anybody."""

    cancelled_at: datetime | None = None
    actor: str | None = None
    by: str | None = None
    reason: str | None = None


class BookingReinstated(BookingEvent):
    """Active again; only an API read can say so, since a provider's cancellation is final."""


class BookingContinues(BookingEvent):
    """Opens the history of a new half: the booking goes on under this provider id."""

    root: str


class BookingReplacementRequested(BookingEvent):
    """A person wants a new booking at this start instead; recorded before the provider is asked for it.

    It changes nothing, so no delivery follows. The new booking joins as `BookingContinues`.
    """

    start: datetime
    command_id: str


class BookingDetailsChanged(BookingEvent):
    """Other members of the booking changed; the state holds their values.

    `("updated_at",)` alone only moves the version: no delivery follows from it.
    """

    changed: tuple[str, ...]


class AttendeeAdded(BookingEvent):
    """Joined the booking."""

    attendee_id: str


class AttendeeRemoved(BookingEvent):
    """Left the booking, which goes on."""

    attendee_id: str


class AttendeeDetailsChanged(BookingEvent):
    """Other members of an attendee changed; a corrected address makes it another contact."""

    attendee_id: str
    changed: tuple[str, ...]
    previous_contact_id: str | None = None


class AttendeeNoShow(BookingEvent):
    """Did not show up; `start` is the meeting that was missed (None: an earlier one, its start unknown)."""

    attendee_id: str
    start: datetime | None = None


class AttendeeNoShowReverted(BookingEvent):
    """Did show up after all."""

    attendee_id: str
    start: datetime | None = None


class BookingRefunded(BookingEvent):
    """Money went back; the amount is in the smallest unit of the currency."""

    refund_id: str
    amount: int
    currency: str


class ContactErased(DomainEvent):
    """A person was forgotten: their key is gone, their members in all events are unreadable."""

    contact_id: str
