"""Which members of an event are personal, and whose they are.

Attendees own their mail, name and phone, guests their address, and the booker what was typed into
the booking. Hosts are not guests. The log seals each container's members under its owner's key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ATTENDEE_FIELDS = ("email", "name", "phone")
GUEST_FIELDS = ("email",)
BOOKING_FIELDS = ("notes", "answers", "location", "last_reason")
REASON_FIELDS = ("reason",)


@dataclass(frozen=True, slots=True)
class Container:
    """A JSON object inside an event's data that holds personal members of one contact."""

    owner: str
    path: str
    members: dict[str, Any]
    fields: tuple[str, ...]


def personal_containers(data: dict[str, Any]) -> Iterator[Container]:
    """Every container of personal members in an event's data, sealed or not."""
    booking = data.get("booking")
    if not isinstance(booking, dict):
        return
    for index, attendee in enumerate(booking.get("attendees", ())):
        yield Container(attendee["contact_id"], f"booking.attendees.{index}", attendee, ATTENDEE_FIELDS)
    for index, guest in enumerate(booking.get("guests", ())):
        yield Container(guest["contact_id"], f"booking.guests.{index}", guest, GUEST_FIELDS)
    booker = booking.get("booker")
    if booker is None:
        return
    yield Container(booker, "booking", booking, BOOKING_FIELDS)
    if isinstance(booking.get("cancel"), dict):
        yield Container(booker, "booking.cancel", booking["cancel"], REASON_FIELDS)
    yield Container(booker, "", data, REASON_FIELDS)
