"""What meetergo is asked for, in its own words.

Where its pages name a member in two ways, the name in the vendor's own code is sent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.provider import FreeTimes, NewBooking, Person, Scope


def free_times_params(asked: FreeTimes) -> Mapping[str, str | int | list[str]]:
    """Hosts or a queue have to be named although the reference calls both optional."""
    params: dict[str, str | int | list[str] | None] = {
        "meetingTypeId": asked.meeting_type_id,
        "start": instant_text(asked.start),
        "end": instant_text(asked.end),
        "hostIds": list(asked.host_ids) or None,
        "queueId": asked.queue_id,
        "existingAppointmentId": asked.moving,
        "timezone": asked.timezone,
    }
    return {name: value for name, value in params.items() if value is not None}


def booking_body(booking: NewBooking) -> Mapping[str, Any]:
    """A new booking; members that ask for nothing are left out."""
    body: dict[str, Any] = {
        "meetingTypeId": booking.meeting_type_id,
        "start": instant_text(booking.start),
        "attendee": _person_body(booking.person),
    }
    optional = {
        "hostIds": list(booking.host_ids),
        "queueId": booking.queue_id,
        "ignoreAvailability": booking.ignore_availability,
        "rescheduledFromId": booking.replaces,
        "phoneOnlyBooking": booking.person.email is None,
    }
    return body | {name: value for name, value in optional.items() if value}


def _person_body(person: Person) -> Mapping[str, Any]:
    """`receiveReminders` and `notes` are required, be it empty."""
    given = {
        "email": person.email,
        "fullname": person.name,
        "phone": person.phone,
        "timezone": person.timezone,
        "language": person.language,
        "bringalongEmails": list(person.guests) or None,
    }
    told = {name: value for name, value in given.items() if value is not None}
    return told | {"receiveReminders": True, "dataPolicyAccepted": True, "notes": dict(person.answers)}


def scope_body(scope: Scope) -> Mapping[str, Any]:
    """Whom a cancellation concerns."""
    body = {
        "attendeeId": scope.attendee_id,
        "cancelAll": scope.everybody,
        "cancelEntireSeries": scope.series,
    }
    return {name: value for name, value in body.items() if value}


def instant_text(moment: datetime) -> str:
    """An instant as the API writes its own: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
