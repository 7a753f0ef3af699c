"""One booking as a source shows it at one moment.

A member that was not given is unknown; `None` or an empty collection that was given is known to be
empty. Unknown never differs from anything, because a webhook and the API carry different members.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from events.state import Cancel, Frozen, Host, Payment


class AttendeeSnapshot(Frozen):
    """One attendee as shown; `contact_id` is added by the pipeline, which holds the key to compute it."""

    attendee_id: str = Field(min_length=1)
    contact_id: str = ""
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    no_show: bool | None = None
    no_show_at: datetime | None = None

    def knows(self, field: str) -> bool:
        """Whether the source showed this member."""
        return field in self.model_fields_set


class GuestSnapshot(Frozen):
    """A person brought along by mail address; `contact_id` is added by the pipeline."""

    email: str
    contact_id: str = ""


class BookingSnapshot(Frozen):
    """What one payload or API read says of one booking.

    `origin` weighs it: an API read outranks a payload of the same version. `version` is aware, with
    `version_precision` digits of a second written in the source (0, 3 or 6). `seen_at` stands in for
    times the source does not give, so that deriving needs no clock. `replaces` is the provider id of
    the booking this one replaced, `previous_start` the start it had before its last move. `booker` is the
    contact under whose key the texts of the booking are sealed; the pipeline sets it (the first attendee's).
    """

    source: str
    provider_id: str = Field(min_length=1)
    origin: Literal["api", "payload"]
    seen_at: datetime
    start: datetime
    end: datetime
    cancelled: bool
    attendees: tuple[AttendeeSnapshot, ...]
    hint: str | None = None
    version: datetime | None = None
    version_precision: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    previous_start: datetime | None = None
    rescheduled_at: datetime | None = None
    reschedule_count: int | None = None
    reason: str | None = None
    title: str | None = None
    meeting_type_id: str | None = None
    meeting_type_slug: str | None = None
    meeting_type_name: str | None = None
    hosts: tuple[Host, ...] = ()
    guests: tuple[GuestSnapshot, ...] = ()
    group: bool | None = None
    location: str | None = None
    link: str | None = None
    channel: str | None = None
    notes: str | None = None
    answers: dict[str, Any] | None = None
    payment: Payment | None = None
    cancel: Cancel | None = None
    company_slug: str | None = None
    metadata: dict[str, Any] | None = None
    replaces: str | None = None
    booker: str = ""

    @model_validator(mode="after")
    def _attendees_are_distinct(self) -> "BookingSnapshot":
        ids = [attendee.attendee_id for attendee in self.attendees]
        if len(set(ids)) != len(ids):
            raise ValueError("attendees: an id occurs twice")
        return self

    def knows(self, field: str) -> bool:
        """Whether the source showed this member."""
        return field in self.model_fields_set
