"""meetergo's webhooks and appointments as snapshots; pure translation.

Two envelopes are documented and both are read. A webhook and an API row of one appointment carry
different members (the link, the title), so what they name alike is read in `appointment`, the rest here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from adapters.api import Reading
from adapters.meetergo.appointment import (
    Known,
    UnreadableError,
    attendee_id_of,
    attendees_of,
    core_members,
    given,
    required,
    shared_members,
    shown_attendees,
)
from adapters.meetergo.fields import Fields
from events.snapshot import AttendeeSnapshot, BookingSnapshot

BOOKING_KINDS = frozenset({"booking_created", "booking_cancelled", "booking_rescheduled"})
UNUSED_KINDS = frozenset(
    {"new_employee", "form_submission", "credential_error", "review_submitted", "signature_completed"}
)
"""Kinds the vendor's own code lists that are about no booking; `review_published` is left to a person."""

_NAMED_AT_MOST = 10

MembersOf = Callable[[Fields, Fields], Known]


def unwrap(payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The kind and the content of either envelope; None if it is neither."""
    kind = payload.get("webhookType")
    if isinstance(kind, str):
        return kind, {name: value for name, value in payload.items() if name != "webhookType"}
    kind, data = payload.get("event"), payload.get("data")
    if isinstance(kind, str) and isinstance(data, dict):
        return kind, data
    return None


def read_webhook(payload: Mapping[str, Any], *, source: str, received_at: datetime) -> Reading:
    """What one delivered payload says."""
    return _reading(payload, _everything, source=source, received_at=received_at)


def check_webhook(payload: Mapping[str, Any], *, source: str, received_at: datetime) -> Reading:
    """The same outcome at a fraction of the cost: the snapshot knows the required members only."""
    return _reading(payload, _required_members, source=source, received_at=received_at)


def read_row(row: Mapping[str, Any], *, source: str, seen_at: datetime) -> Reading:
    """What one appointment of the API says, be it a row of a list or read by itself."""
    fields = Fields(row)
    try:
        members = shared_members(fields) | _of_meeting_type(fields) | _of_row_meeting(fields)
        snapshot = _snapshot(members, source=source, origin="api", hint=None, seen_at=seen_at)
    except UnreadableError as error:
        return Reading("unreadable", "appointment", reason=str(error))
    return Reading("booking", "appointment", snapshot, snapshot.provider_id, _named(fields.mistyped))


def _reading(
    payload: Mapping[str, Any], members_of: MembersOf, *, source: str, received_at: datetime
) -> Reading:
    unwrapped = unwrap(payload)
    if unwrapped is None:
        return Reading("unreadable", "", reason="neither webhookType nor event and data")
    kind, content = unwrapped
    if kind in UNUSED_KINDS:
        return Reading("ignored", kind)
    if kind not in BOOKING_KINDS:
        return Reading("unreadable", kind, reason="unknown type")
    fields = Fields(content)
    try:
        members = members_of(_appointment(fields, kind), fields)
        snapshot = _snapshot(members, source=source, origin="payload", hint=kind, seen_at=received_at)
    except UnreadableError as error:
        return Reading("unreadable", kind, reason=str(error))
    return Reading("booking", kind, snapshot, snapshot.provider_id, _named(fields.mistyped))


def _appointment(content: Fields, kind: str) -> Fields:
    """The appointment itself: that of a move is nested beside its old start."""
    if kind == "booking_rescheduled" and content.has("rescheduledAppointment"):
        nested: Fields = required(content.object("rescheduledAppointment"), "rescheduledAppointment")
        return nested
    return content


def _snapshot(
    members: Known, *, source: str, origin: Literal["api", "payload"], hint: str | None, seen_at: datetime
) -> BookingSnapshot:
    try:
        return BookingSnapshot(source=source, origin=origin, seen_at=seen_at, hint=hint, **members)
    except ValidationError as error:
        names = {".".join(map(str, problem["loc"][:1])) or "attendees" for problem in error.errors()}
        raise UnreadableError(f"{', '.join(sorted(names))}: not readable") from error


def _named(mistyped: list[str]) -> str | None:
    if not mistyped:
        return None
    names = list(dict.fromkeys(mistyped))
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return f"mistyped, counted as unknown: {', '.join(names[:_NAMED_AT_MOST])}{more}"


def _everything(appointment: Fields, content: Fields) -> Known:
    """All members of a webhook: those an API row has too, and those it has elsewhere or not at all."""
    members = shared_members(appointment) | _of_meeting_type(appointment) | _of_webhook_meeting(appointment)
    previous = content if content.has("oldStartDate") else appointment
    return members | given(previous_start=previous.moment("oldStartDate"))


def _required_members(appointment: Fields, _: Fields) -> Known:
    shown = shown_attendees(appointment)
    ids = [attendee_id_of(fields, index) for index, fields in enumerate(shown)]
    if len(set(ids)) < len(ids):
        return core_members(appointment, attendees_of(shown))
    return core_members(appointment, tuple(AttendeeSnapshot(attendee_id=attendee_id) for attendee_id in ids))


def _of_webhook_meeting(appointment: Fields) -> Known:
    """`meetingInfo` of a webhook: where the meeting takes place. An API row's is about its type."""
    meeting = appointment.object("meetingInfo")
    if not isinstance(meeting, Fields):
        return {}
    return given(
        link=meeting.text("meetingLink"), channel=meeting.text("channel"), group=meeting.flag("groupBooking")
    )


def _of_row_meeting(appointment: Fields) -> Known:
    """`meetingInfo` of an API row is about the type of meeting; the link stands in `hostingInfo`."""
    members: Known = {}
    info, hosting = appointment.object("meetingInfo"), appointment.object("hostingInfo")
    if isinstance(info, Fields):
        name = info.text("name")
        members |= given(title=name, meeting_type_name=name)
        members |= given(channel=info.text("channel"), group=info.flag("groupBooking"))
    if isinstance(hosting, Fields):
        members |= given(link=hosting.text("meetingLink"))
    if not appointment.has("notes") or appointment.is_object("notes"):
        members |= given(notes=appointment.text("note"))
    return members


def _of_meeting_type(appointment: Fields) -> Known:
    members = given(
        meeting_type_id=appointment.identifier("meetingTypeId"),
        meeting_type_slug=appointment.text("meetingTypeSlug"),
    )
    meeting_type = appointment.object("meetingType")
    if not isinstance(meeting_type, Fields):
        return members
    members |= given(
        meeting_type_id=meeting_type.identifier("id"),
        meeting_type_slug=meeting_type.text("slug"),
        metadata=meeting_type.document("metadata"),
    )
    info = meeting_type.object("meetingInfo")
    if isinstance(info, Fields):
        name = info.text("name")
        members |= given(title=name, meeting_type_name=name, group=info.flag("groupBooking"))
    return members
