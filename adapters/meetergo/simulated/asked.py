"""What may be asked of meetergo: bodies and queries as its reference bounds them.

Unknown members are dropped without a word, as its validation does; so is `rescheduledFromId` unless the
stand-in is told to keep it.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

MOST_GUESTS = 5
LONGEST_REASON = 500

EventType = Literal[
    "booking_created",
    "booking_cancelled",
    "booking_rescheduled",
    "new_employee",
    "form_submission",
    "credential_error",
    "review_submitted",
    "review_published",
    "signature_completed",
]


def _with_zone(value: object) -> object:
    """Dates and times without a zone are UTC; a date is its first instant."""
    if isinstance(value, str) and value:
        if len(value) == len("2026-10-27"):
            return f"{value}T00:00:00Z"
        return value if datetime.fromisoformat(value).tzinfo else f"{value}Z"
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_with_zone)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class AttendeeDto(_Asked):
    """`receiveReminders` and `notes` are required, be it empty."""

    email: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    fullname: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    receive_reminders: bool
    notes: dict[str, Any]
    bringalong_emails: list[str] | None = Field(None, max_length=MOST_GUESTS)


class BookingDto(_Asked):
    meeting_type_id: str
    start: Instant
    attendee: AttendeeDto
    host_ids: list[str] | None = None
    queue_id: str | None = None
    appointment_id: str | None = None
    duration: int | None = Field(None, ge=5, le=480)
    ignore_availability: bool = False
    phone_only_booking: bool = False
    payment_id: str | None = None
    rescheduled_from_id: str | None = None


class RescheduleDto(_Asked):
    start: Instant
    ignore_availability: bool = False


class CancelDto(_Asked):
    reason: str | None = Field(None, max_length=LONGEST_REASON)
    attendee_id: str | None = None
    cancel_all: bool = False
    cancel_entire_series: bool = False


class NoteDto(_Asked):
    note: str


class GuestDto(_Asked):
    attendee_id: str
    email: str


class SubscriptionDto(_Asked):
    endpoint: str = Field(min_length=1)
    event_types: list[EventType] = Field(min_length=1)
    description: str = ""


class SubscriptionPatch(_Asked):
    endpoint: str | None = None
    event_types: list[EventType] | None = None
    description: str | None = None


class ListQuery(_Asked):
    page: int = Field(ge=0)
    page_size: int = Field(ge=1, le=100)
    start: Instant | None = None
    end: Instant | None = None
    user_id: str | None = None
    meeting_type_id: str | None = None
    search: str | None = None
    sort_by: Literal["appointment.start", "appointment.createdAt"] = "appointment.start"
    sort_direction: Literal["ASC", "DESC"] = "ASC"


class ProvisionalQuery(_Asked):
    page: int = Field(ge=0)
    page_size: int = Field(ge=1, le=100)


class AvailabilityQuery(_Asked):
    meeting_type_id: str
    start: Instant
    end: Instant
    host_ids: list[str] | None = None
    queue_id: str | None = None
    existing_appointment_id: str | None = None
    timezone: str | None = None
    calculation_method: Literal["anyone", "everyone"] = "anyone"
    hide_group_appointments: bool = False
