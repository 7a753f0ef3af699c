"""Between a booking as one attendee knows it and a meeting of HubSpot's: pure."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping

from adapters.hubspot.config import MeetingSettings
from adapters.hubspot.mapping import BLANK, TEXT_LIMIT, Definition, Kind, instant
from adapters.templates import Template, booking_fields, cut
from events.state import Booking

TITLE_LIMIT = 255

KINDS: Mapping[str, Kind] = {
    "hs_timestamp": "datetime",
    "hs_meeting_title": "string",
    "hs_meeting_body": "string",
    "hs_meeting_location": "string",
    "hs_meeting_external_url": "string",
    "hs_meeting_start_time": "datetime",
    "hs_meeting_end_time": "datetime",
    "hs_meeting_outcome": "string",
}
"""The properties of a meeting that are kept; all are HubSpot's own."""


def meeting_id(installation: str, booking: Booking, contact_id: str) -> str:
    """The value that tells this meeting from all others, the same whoever asks."""
    members = [installation, booking.source, booking.booking_id, contact_id]
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.b32hexencode(digest[:25]).decode("ascii").lower()


def addressable(booking: Booking) -> dict[str, str]:
    """The contacts of the booking that have a mail address, those who left included, with the address."""
    return {
        attendee.contact_id: attendee.email.strip()
        for attendee in booking.attendees
        if attendee.email and attendee.email.strip()
    }


def meeting_values(
    booking: Booking, contact_id: str, settings: MeetingSettings, timezone: str
) -> dict[str, str]:
    """The value of every property that is kept, in HubSpot's notation."""
    fields = booking_fields(booking, timezone)
    return {
        "hs_timestamp": instant(booking.start),
        "hs_meeting_title": _line(settings.title, fields, TITLE_LIMIT),
        "hs_meeting_body": _body(settings.body, fields),
        "hs_meeting_location": _line(settings.location, fields, TITLE_LIMIT),
        "hs_meeting_external_url": booking.link or BLANK,
        "hs_meeting_start_time": instant(booking.start),
        "hs_meeting_end_time": instant(booking.end),
        "hs_meeting_outcome": _outcome(booking, contact_id, settings),
    }


def meeting_definitions(settings: MeetingSettings) -> tuple[Definition, ...]:
    """The properties a meeting needs beside HubSpot's own."""
    return (
        Definition(
            settings.identity, "string", "Which booking and attendee the booking hub keeps here", unique=True
        ),
        Definition(settings.position, "string", "Which state of its log the booking hub shows here"),
    )


def _outcome(booking: Booking, contact_id: str, settings: MeetingSettings) -> str:
    """Somebody who is in the booking twice is missing if one of the two is."""
    outcomes = settings.outcomes
    present = [attendee for attendee in booking.present if attendee.contact_id == contact_id]
    if booking.status == "cancelled" or not present:
        return outcomes.cancelled
    if any(attendee.no_show for attendee in present):
        return outcomes.no_show
    return outcomes.moved if booking.reschedule_count else outcomes.booked


def _line(template: Template, fields: Mapping[str, object], limit: int) -> str:
    return cut(template.render(fields, limit=limit, single_line=True).strip(), limit)


def _body(template: Template, fields: Mapping[str, object]) -> str:
    """HubSpot shows HTML here: what guests wrote is escaped, and lines stay lines."""
    text = template.render(
        fields, escape=lambda value: html.escape(value, quote=False), limit=TEXT_LIMIT // 8
    )
    return "<br>".join(text.strip().split("\n"))
