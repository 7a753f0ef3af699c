"""The JSON objects that programs rely on: every member is always present, what is unknown is null.

Members may be added and never renamed; the schemas in docs/reference/json are made from these models.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.web.wire import Moment

BookingState = Literal["active", "cancelled"]
NoShow = Literal["none", "some", "all"]
InStep = Literal["in_step", "pending", "parked", "dead", "paused", "drifted", "not_matched"]
DeliveryState = Literal[
    "pending", "sending", "delivered", "covered", "parked", "dead", "uncertain", "skipped"
]
ReceiptState = Literal["accepted", "duplicate", "ignored", "quarantined"]


class Shown(BaseModel):
    """Base of what is sent: nothing is left out and nothing else gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MeetingTypeObject(Shown):
    """What kind of meeting was booked."""

    id: str | None
    slug: str | None
    name: str | None


class HostObject(Shown):
    """A member of the company."""

    id: str
    email: str | None
    name: str | None


class AttendeeObject(Shown):
    """Somebody who attends or attended; `attendee_id` is the provider's own."""

    attendee_id: str
    contact_id: str
    email: str | None
    name: str | None
    phone: str | None
    timezone: str | None
    language: str | None
    no_show: bool
    no_show_at: Moment | None
    removed: bool
    removed_at: Moment | None


class GuestObject(Shown):
    """A person brought along by mail address."""

    contact_id: str
    email: str | None


class PaymentObject(Shown):
    """What the provider says of the payment."""

    id: str | None
    status: str | None
    amount: str | None
    currency: str | None


class CancelObject(Shown):
    """Who cancelled the booking, when and why."""

    at: Moment | None
    by: str | None
    actor: str | None
    reason: str | None


class BookingObject(Shown):
    """A booking as it is now; `booking_id` is that of the first in a chain of replacements."""

    booking_id: str
    source: str
    provider_id: str
    provider_ids: list[str]
    status: BookingState
    no_show: NoShow
    title: str | None
    meeting_type: MeetingTypeObject | None
    start: Moment
    end: Moment
    timezone: str | None
    previous_start: Moment | None
    rescheduled_at: Moment | None
    reschedule_count: int
    last_reason: str | None
    hosts: list[HostObject]
    attendees: list[AttendeeObject]
    guests: list[GuestObject]
    group: bool | None
    location: str | None
    link: str | None
    channel: str | None
    notes: str | None
    answers: dict[str, Any] | None
    payment: PaymentObject | None
    cancel: CancelObject | None
    reschedule_link: str | None
    metadata: dict[str, Any]
    related: list[str]
    created_at: Moment | None
    updated_at: Moment | None
    position: int
    in_step: dict[str, InStep]


class ContactObject(Shown):
    """A person over all bookings; the counters are derived from the bookings."""

    contact_id: str
    email: str | None
    phone: str | None
    name: str | None
    booking_count: int
    cancellation_count: int
    reschedule_count: int
    no_show_count: int
    last_no_show_at: Moment | None
    last_cancellation_reason: str | None
    first_seen_at: Moment | None
    last_seen_at: Moment | None


class EventObject(Shown):
    """A fact; `data` is null if the log could not be read, and carries the state after the fact."""

    event_id: str
    type: str
    booking_id: str
    provider_id: str
    source: str
    position: int
    occurred_at: Moment
    recorded_at: Moment | None
    provenance: str
    schema_version: int
    causation_id: str | None
    related: list[str]
    data: dict[str, Any] | None


class ReceiptObject(Shown):
    """What reached our door; `kind` is the provider's name for it."""

    receipt_id: str
    source: str
    received_at: Moment
    status: ReceiptState
    reason: str | None
    booking_id: str | None
    provider_id: str | None
    kind: str | None


class ReceiptDetail(ReceiptObject):
    """A receipt with its body, secrets masked; null once the inbox has let go of it."""

    payload: str | None


class ErrorObject(Shown):
    """The last thing that went wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)

    error_class: str | None = Field(alias="class")
    message: str | None
    at: Moment | None


class DeliveryObject(Shown):
    """One event for one key of one sink.

    `cause` says what asked for it if not the event itself; `held` that the guard keeps it for a person.
    """

    sink: str
    event_id: str
    key: str
    booking_id: str
    event_type: str
    position: int
    state: DeliveryState
    attempts: int
    due_at: Moment | None
    last_error: ErrorObject | None
    reason: str | None
    outcome: str | None
    url: str | None
    created_at: Moment
    finished_at: Moment | None
    cause: str | None
    held: bool


class AttemptObject(Shown):
    """One try of a delivery."""

    at: Moment
    number: int
    outcome: str
    message: str | None
    duration_seconds: float | None
    url: str | None


class DeliveryDetail(DeliveryObject):
    """A delivery with its tries, oldest first."""

    tries: list[AttemptObject]


class DeliveryPreview(Shown):
    """What an act on deliveries did, or would do; `preview` names exactly these rows."""

    count: int
    dry_run: bool
    preview: str
    by_sink: dict[str, dict[str, int]]
    items: list[DeliveryObject]


class TargetObject(Shown):
    """What a target holds for one part of a booking."""

    sink: str
    key: str
    part: str
    external_id: str
    url: str | None
    position: int
    detail: str
    updated_at: Moment


class PendingObject(Shown):
    """Something that is not finished: a delivery, a receipt to be worked, a hint without confirmation."""

    kind: Literal["delivery", "mark", "unconfirmed"]
    object: str
    state: str
    due_at: Moment | None
    detail: str | None


class StoryEvent(EventObject):
    """An event of the story; `hidden` ones say nothing to people, `detail` is the line about it."""

    hidden: bool
    detail: dict[str, Any]


class StoryObject(Shown):
    """Everything that is known of one booking, oldest first; `no_match` says why sinks do not take it."""

    booking: BookingObject
    inbox: list[ReceiptObject]
    events: list[StoryEvent]
    deliveries: list[DeliveryDetail]
    targets: list[TargetObject]
    pending: list[PendingObject]
    no_match: dict[str, str]


class ProblemObject(BaseModel):
    """RFC 9457; further members name what an error is about."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next: str | None
    request_id: str | None
