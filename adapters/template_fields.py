"""The fixed list of fields a template may name, and their values for a booking or a contact."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from events import (
    AttendeeAdded,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
    AttendeeRemoved,
    Booking,
    BookingCancelled,
    BookingContinues,
    BookingCreated,
    BookingDetailsChanged,
    BookingRefunded,
    BookingReinstated,
    BookingReplacementRequested,
    BookingRescheduled,
    Contact,
    ContactErased,
    DomainEvent,
    Envelope,
)

Group = Literal["booking", "event", "contact"]

METADATA = "metadata."
CONTACT = "contact."


@dataclass(frozen=True, slots=True)
class TemplateField:
    """One field: `guest` marks what people outside the company may have typed."""

    name: str
    meaning: str
    group: Group = "booking"
    time: bool = False
    guest: bool = False


FIELDS: Mapping[str, TemplateField] = {
    field.name: field
    for field in (
        TemplateField("booking_id", "id of the booking; a chain of replacements keeps the first"),
        TemplateField("provider_id", "the provider's id of the half that counts now"),
        TemplateField("source", "name of the source in the configuration"),
        TemplateField("title", "title of the booking", guest=True),
        TemplateField("meeting_type.id", "id of the meeting type"),
        TemplateField("meeting_type.slug", "short name of the meeting type in links"),
        TemplateField("meeting_type.name", "name of the meeting type"),
        TemplateField("start", "when it begins", time=True),
        TemplateField("end", "when it ends", time=True),
        TemplateField("previous_start", "when it began before the last move", time=True),
        TemplateField("timezone", "time zone of the times in this text"),
        TemplateField("status", "active or cancelled"),
        TemplateField("location", "where it takes place", guest=True),
        TemplateField("link", "address of the online meeting"),
        TemplateField("channel", "how people meet, as the provider names it"),
        TemplateField("notes", "notes on the booking", guest=True),
        TemplateField("reason", "the last reason given for a move or a cancellation", guest=True),
        TemplateField("reschedule_count", "how often it moved"),
        TemplateField("reschedule_link", "where the first attendee moves or cancels the booking"),
        TemplateField("hosts.names", "names of the hosts"),
        TemplateField("hosts.emails", "mail addresses of the hosts"),
        TemplateField("attendees.names", "names of the attendees who have not left", guest=True),
        TemplateField("attendees.emails", "their mail addresses", guest=True),
        TemplateField("attendees.phones", "their phone numbers", guest=True),
        TemplateField("attendees.count", "how many they are"),
        TemplateField("guests.emails", "mail addresses of guests brought along", guest=True),
        TemplateField("no_show.names", "names of those who did not show up", guest=True),
        TemplateField("cancel.reason", "why it was cancelled", guest=True),
        TemplateField("cancel.by", "who cancelled it", guest=True),
        TemplateField("payment.status", "state of the payment, as the provider names it"),
        TemplateField("payment.amount", "amount of the payment"),
        TemplateField("payment.currency", "its currency"),
        TemplateField("position", "place of this state in the event log"),
        TemplateField(f"{METADATA}<key>", "one value of the booking's metadata", guest=True),
        TemplateField("event.label", "what happened, in words", group="event"),
        TemplateField("event.type", "type of the event", group="event"),
        TemplateField("event.attendee", "name of the attendee it is about", group="event", guest=True),
        TemplateField("event.occurred_at", "when it happened at the provider", group="event", time=True),
        TemplateField("contact.email", "mail address of the contact", group="contact", guest=True),
        TemplateField("contact.phone", "phone number of the contact", group="contact", guest=True),
        TemplateField("contact.name", "name of the contact", group="contact", guest=True),
        TemplateField("contact.booking_count", "bookings ever attended", group="contact"),
        TemplateField("contact.cancellation_count", "cancellations while attending", group="contact"),
        TemplateField("contact.reschedule_count", "moves while attending", group="contact"),
        TemplateField("contact.no_show_count", "meetings missed", group="contact"),
        TemplateField(
            "contact.last_no_show_at", "when a meeting was missed last", group="contact", time=True
        ),
        TemplateField("contact.last_cancellation_reason", "reason given last", group="contact", guest=True),
        TemplateField("contact.first_seen_at", "first booking", group="contact", time=True),
        TemplateField("contact.last_seen_at", "last change", group="contact", time=True),
    )
}


def find_field(name: str) -> TemplateField | None:
    """The field of this name; any `metadata.` key is one."""
    if name.startswith(METADATA):
        return FIELDS[f"{METADATA}<key>"] if len(name) > len(METADATA) else None
    return FIELDS.get(name)


def reschedule_link(booking: Booking) -> str | None:
    """The provider's page where an attendee moves or cancels; None if a part of the address is unknown."""
    slug = booking.meeting_type.slug if booking.meeting_type else None
    email = next((attendee.email for attendee in booking.present if attendee.email), None)
    if not (booking.company_slug and slug and email):
        return None
    query = urlencode({"reschedule": booking.provider_id, "email": email})
    return f"https://cal.meetergo.com/{quote(booking.company_slug, safe='')}/{quote(slug, safe='')}?{query}"


def booking_fields(booking: Booking, timezone: str) -> dict[str, object]:
    """The values of all booking fields, times in `timezone` (IANA)."""
    zone = ZoneInfo(timezone)
    return {
        "booking_id": booking.booking_id,
        "provider_id": booking.provider_id,
        "source": booking.source,
        "title": booking.title,
        "start": booking.start.astimezone(zone),
        "end": booking.end.astimezone(zone),
        "previous_start": _in_zone(booking.previous_start, zone),
        "timezone": timezone,
        "status": booking.status,
        "location": booking.location,
        "link": booking.link,
        "channel": booking.channel,
        "notes": booking.notes,
        "reason": booking.last_reason,
        "reschedule_count": booking.reschedule_count,
        "reschedule_link": reschedule_link(booking),
        "position": booking.position,
        **_people(booking),
        **_parts(booking),
        **{f"{METADATA}{key}": value for key, value in booking.metadata.items()},
    }


LABELS: Mapping[type[DomainEvent], str] = {
    BookingCreated: "Booked",
    BookingRescheduled: "Moved",
    BookingCancelled: "Cancelled",
    BookingReinstated: "Not cancelled after all",
    BookingContinues: "Goes on as a new booking",
    BookingReplacementRequested: "A new booking is to replace it",
    BookingDetailsChanged: "Details changed",
    BookingRefunded: "Refunded",
    AttendeeAdded: "Attendee joined",
    AttendeeRemoved: "Attendee left",
    AttendeeDetailsChanged: "Attendee's details changed",
    AttendeeNoShow: "Did not show up",
    AttendeeNoShowReverted: "Did show up after all",
    ContactErased: "Contact erased",
}
"""What happened, in words, for people who do not know event types."""


def event_fields(envelope: Envelope, timezone: str) -> dict[str, object]:
    """The values of all event fields, and those of the booking as it was after the event."""
    booking, event = envelope.booking, envelope.event
    attendee = booking.attendee(getattr(event, "attendee_id", "")) if booking else None
    return {
        **(booking_fields(booking, timezone) if booking else {}),
        "event.label": LABELS[type(event)],
        "event.type": envelope.type,
        "event.attendee": attendee and attendee.name,
        "event.occurred_at": envelope.occurred_at.astimezone(ZoneInfo(timezone)),
    }


def contact_fields(contact: Contact, timezone: str) -> dict[str, object]:
    """The values of all contact fields, times in `timezone` (IANA)."""
    zone = ZoneInfo(timezone)
    named = (name.removeprefix(CONTACT) for name, field in FIELDS.items() if field.group == "contact")
    values = {name: getattr(contact, name) for name in named}
    return {
        f"{CONTACT}{name}": _in_zone(value, zone) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _in_zone(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment and moment.astimezone(zone)


def _people(booking: Booking) -> dict[str, object]:
    present = booking.present
    return {
        "hosts.names": [host.name for host in booking.hosts],
        "hosts.emails": [host.email for host in booking.hosts],
        "attendees.names": [attendee.name for attendee in present],
        "attendees.emails": [attendee.email for attendee in present],
        "attendees.phones": [attendee.phone for attendee in present],
        "attendees.count": len(present),
        "guests.emails": [guest.email for guest in booking.guests],
        "no_show.names": [attendee.name for attendee in present if attendee.no_show],
    }


def _parts(booking: Booking) -> dict[str, object]:
    members = {
        "meeting_type": (booking.meeting_type, ("id", "slug", "name")),
        "cancel": (booking.cancel, ("reason", "by")),
        "payment": (booking.payment, ("status", "amount", "currency")),
    }
    return {
        f"{part}.{name}": getattr(value, name, None)
        for part, (value, names) in members.items()
        for name in names
    }
