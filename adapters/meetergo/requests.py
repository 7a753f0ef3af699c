"""What meetergo is asked for, in its own words.

Where its pages name a member in two ways, the name in the vendor's own code is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class FreeTimes:
    """Which free times are asked for; `moving` is the booking whose own time does not block itself.

    Hosts or a queue have to be named although the reference calls both optional.
    """

    meeting_type_id: str
    start: datetime
    end: datetime
    host_ids: Sequence[str] = ()
    queue_id: str | None = None
    moving: str | None = None
    timezone: str | None = None

    def params(self) -> Mapping[str, str | int | list[str]]:
        params: dict[str, str | int | list[str] | None] = {
            "meetingTypeId": self.meeting_type_id,
            "start": instant_text(self.start),
            "end": instant_text(self.end),
            "hostIds": list(self.host_ids) or None,
            "queueId": self.queue_id,
            "existingAppointmentId": self.moving,
            "timezone": self.timezone,
        }
        return {name: value for name, value in params.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Person:
    """Who attends; a booking by telephone has no mail address."""

    name: str
    email: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    guests: Sequence[str] = ()

    def body(self) -> Mapping[str, Any]:
        """`receiveReminders` and `notes` are required, be it empty."""
        given = {
            "email": self.email,
            "fullname": self.name,
            "phone": self.phone,
            "timezone": self.timezone,
            "language": self.language,
            "bringalongEmails": list(self.guests) or None,
        }
        told = {name: value for name, value in given.items() if value is not None}
        required = {"receiveReminders": True, "dataPolicyAccepted": True, "notes": dict(self.answers)}
        return told | required


@dataclass(frozen=True, slots=True)
class NewBooking:
    """What is booked. `replaces` may be dropped by the provider without a word, so it proves nothing."""

    meeting_type_id: str
    start: datetime
    person: Person
    host_ids: Sequence[str] = ()
    queue_id: str | None = None
    ignore_availability: bool = False
    replaces: str | None = None

    def body(self) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "meetingTypeId": self.meeting_type_id,
            "start": instant_text(self.start),
            "attendee": self.person.body(),
        }
        optional = {
            "hostIds": list(self.host_ids),
            "queueId": self.queue_id,
            "ignoreAvailability": self.ignore_availability,
            "rescheduledFromId": self.replaces,
            "phoneOnlyBooking": self.person.email is None,
        }
        return body | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a cancellation concerns: the whole booking, one attendee of it, or what is to come of a series.

    A group booking needs `attendee_id` or `everybody`; otherwise the provider refuses.
    """

    attendee_id: str | None = None
    everybody: bool = False
    series: bool = False

    def body(self) -> Mapping[str, Any]:
        body = {
            "attendeeId": self.attendee_id,
            "cancelAll": self.everybody,
            "cancelEntireSeries": self.series,
        }
        return {name: value for name, value in body.items() if value}


def instant_text(moment: datetime) -> str:
    """An instant as the API writes its own: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
