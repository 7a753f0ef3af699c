"""How meetergo shows an appointment: as a row of its API and as a webhook, which differ on purpose.

The API prints UTC with milliseconds and a webhook seconds, its start with an offset; link and title stand
in other places; a webhook knows the slug and the metadata of the meeting type, the API the marks, the
notes and whether it is a group. Which of these shapes are documented is said in the README.
"""

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from adapters.meetergo.simulated.state import (
    Appointment,
    Attendee,
    Cancellation,
    Host,
    Kind,
    Provisional,
    State,
)

Event = Literal["booking_created", "booking_rescheduled", "booking_cancelled"]

_PROVIDERS = (
    *("googleEventId", "googleConnectionSub", "calendarConnectionId", "zoomMeetingId"),
    *("connectChannelId", "wherebyMeetingId", "calendarSyncProviders"),
)
_COLOUR = "#2f6f6a"


def api_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def webhook_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_time(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).replace(microsecond=0).isoformat()


def row(appointment: Appointment, state: State) -> dict[str, Any]:
    """An appointment as a list shows it."""
    kind = state.kinds[appointment.kind_id]
    shown = {
        "id": appointment.id,
        "secret": appointment.secret,
        "ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
        "meetingInfo": _meeting_info(appointment, kind),
        "hostingInfo": {
            "mainHost": appointment.host_ids[0],
            "meetingLink": appointment.link,
            **dict.fromkeys(_PROVIDERS),
        },
        "cancel": _cancel(appointment.cancel, api_time) if appointment.cancel else None,
        "crmOptions": {"hubspotContactSync": False, "hubspotDealSync": False},
        "start": api_time(appointment.start),
        "end": api_time(appointment.end),
        "location": appointment.location,
        "isCancelled": not appointment.is_active,
        "rescheduledAt": api_time(appointment.rescheduled_at) if appointment.rescheduled_at else None,
        "rescheduleCount": appointment.reschedule_count,
        "attendees": [_api_attendee(attendee, appointment, state) for attendee in appointment.attendees],
        "attendeeIds": [attendee.id for attendee in appointment.attendees],
        "hosts": [_host(state.hosts[host_id]) for host_id in appointment.host_ids],
        "hostIds": list(appointment.host_ids),
        "meetingTypeId": appointment.kind_id,
        "companyId": state.company_id,
        "createdAt": api_time(appointment.created_at),
        "updatedAt": api_time(appointment.updated_at),
    }
    return (
        shown
        | ({"notes": appointment.note} if appointment.note is not None else {})
        | _link(appointment, state)
    )


def detail(appointment: Appointment, state: State) -> dict[str, Any]:
    """An appointment read by itself: what the guide of the provider takes from it besides."""
    kind = state.kinds[appointment.kind_id]
    paid = {"payment": appointment.payment} if appointment.payment else {}
    slugs = {"companySlug": state.company_slug, "meetingTypeSlug": kind.slug}
    return row(appointment, state) | slugs | paid


def webhook(
    event: Event, appointment: Appointment, state: State, *, old_start: datetime | None = None
) -> dict[str, Any]:
    """What is posted; a move nests the appointment beside the start it had."""
    shown = _webhook_appointment(appointment, state)
    if event == "booking_rescheduled":
        return {
            "webhookType": event,
            "rescheduledAppointment": shown,
            "oldStartDate": local_time(old_start or appointment.start, state.timezone),
        }
    if event == "booking_cancelled":
        shown["cancel"] = _cancel(appointment.cancel, webhook_time) if appointment.cancel else None
    return {"webhookType": event, **shown}


def provisional(waiting: Provisional, state: State) -> dict[str, Any]:
    """A booking that waits for somebody's word, as its list shows it."""
    hosts = [_host(state.hosts[host_id]) for host_id in waiting.host_ids]
    unshown = ("email", "fullName")
    return {
        "id": waiting.id,
        "dto": waiting.dto,
        "type": waiting.type,
        "createdAt": api_time(waiting.created_at),
        "deletedAt": api_time(waiting.deleted_at) if waiting.deleted_at else None,
        "queueBookingInfo": None,
        "hosts": [
            {name: value for name, value in host.items() if name not in unshown} | {"userType": "member"}
            for host in hosts
        ],
        "meetingTypeId": waiting.kind_id,
    }


def user(host: Host, state: State) -> dict[str, Any]:
    """Whom a key acts for, as a vendor's client declares it."""
    return {
        "id": host.id,
        "email": host.email,
        "firstName": host.given_name,
        "lastName": host.family_name,
        "companyId": state.company_id,
        "timezone": state.timezone,
    }


def _webhook_appointment(appointment: Appointment, state: State) -> dict[str, Any]:
    kind = state.kinds[appointment.kind_id]
    moved = appointment.rescheduled_at
    where = {"channel": appointment.channel}
    if appointment.link:
        where["meetingLink"] = appointment.link
    return {
        "id": appointment.id,
        "secret": appointment.secret,
        "start": local_time(appointment.start, state.timezone),
        "end": local_time(appointment.end, state.timezone),
        "location": appointment.location,
        "isCancelled": not appointment.is_active,
        "rescheduledAt": webhook_time(moved) if moved else None,
        "meetingInfo": where,
        "attendees": [_attendee(attendee) for attendee in appointment.attendees],
        "hosts": [_host(state.hosts[host_id]) for host_id in appointment.host_ids],
        "hostIds": list(appointment.host_ids),
        "meetingType": {
            "id": kind.id,
            "slug": kind.slug,
            "meetingInfo": {"name": kind.name, "duration": kind.minutes},
            "metadata": dict(kind.metadata),
        },
        "meetingTypeId": kind.id,
        "companyId": state.company_id,
        "createdAt": webhook_time(appointment.created_at),
        "updatedAt": webhook_time(appointment.updated_at),
        **_link(appointment, state),
    }


def _meeting_info(appointment: Appointment, kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "description": "",
        "enableRedirect": False,
        "redirect": "",
        "passEventDetailsToRedirect": False,
        "duration": kind.minutes,
        "channel": appointment.channel,
        "customChannelName": "",
        "customChannelLink": "",
        "groupBooking": kind.is_group,
        "showAvailableSlots": kind.is_group,
        "enrichInvitee": False,
        "confirmationButton": {"useConfirmationButton": False, "text": "", "color": "", "link": ""},
        "bufferBefore": 5,
        "bufferAfter": 10,
        "color": _COLOUR,
    }


def _attendee(attendee: Attendee) -> dict[str, Any]:
    return {
        "id": attendee.id,
        "email": attendee.email,
        "firstname": attendee.firstname,
        "lastname": attendee.lastname,
        "fullname": attendee.fullname,
        "phone": attendee.phone,
        "timezone": attendee.timezone,
        "language": attendee.language,
    }


def _api_attendee(attendee: Attendee, appointment: Appointment, state: State) -> dict[str, Any]:
    """Marks and guests show with everybody once anybody has one, so that taking the last away shows too."""
    shown = _attendee(attendee)
    if appointment.shows_marks:
        shown |= _mark(attendee, state.switches.no_show_member)
    if appointment.shows_guests:
        shown["bringalongEmails"] = list(attendee.guests)
    return shown


def _mark(attendee: Attendee, member: str | None) -> dict[str, Any]:
    """The mark under the name that is switched on."""
    if member is None:
        return {}
    if member == "status":
        return {member: "no-show" if attendee.no_show else "confirmed"}
    if member == "noShowAt":
        return {member: api_time(attendee.no_show_at) if attendee.no_show_at else None}
    return {member: attendee.no_show}


def _host(host: Host) -> dict[str, Any]:
    return {
        "id": host.id,
        "email": host.email,
        "givenName": host.given_name,
        "familyName": host.family_name,
        "fullName": f"{host.given_name} {host.family_name}",
        "slug": host.slug,
        "picture": host.picture,
    }


def _cancel(cancel: Cancellation, written: Any) -> dict[str, Any]:
    return {
        "actionSource": cancel.source,
        "actionAt": written(cancel.at),
        "actionBy": cancel.by,
        "reason": cancel.reason,
    }


def _link(appointment: Appointment, state: State) -> dict[str, Any]:
    """What was booked instead of what, if this meetergo keeps the member at all."""
    kept = appointment.replaces and state.switches.echo_link
    return {"rescheduledFromId": appointment.replaces} if kept else {}
