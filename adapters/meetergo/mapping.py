"""meetergo payloads as snapshots; pure translation.

Two envelopes are documented and both are read. A webhook and an API row of one appointment carry
different members (the link, the title), so what only webhooks have is read apart from what both have.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from adapters.api import Reading
from adapters.meetergo.fields import UNKNOWN, Fields, Maybe, known
from events.snapshot import AttendeeSnapshot, BookingSnapshot, GuestSnapshot
from events.state import Cancel, Host, Payment

BOOKING_KINDS = frozenset({"booking_created", "booking_cancelled", "booking_rescheduled"})
UNUSED_KINDS = frozenset(
    {"new_employee", "form_submission", "credential_error", "review_submitted", "signature_completed"}
)
"""Kinds the vendor's own code lists that are about no booking; `review_published` is left to a person."""

_NO_SHOW_FLAGS = ("noShow", "isNoShow", "no_show")
_GUEST_LISTS = ("guests", "guestEmails", "bringalongEmails")
_NAMED_AT_MOST = 10
_MOST_PEOPLE = 500
"""More people than fit into the 100 KB a webhook has at most; every fact carries all of them."""

Known = dict[str, Any]
MembersOf = Callable[[Fields, Fields], Known]


class UnreadableError(Exception):
    """A required member is missing or mistyped; the message names it and quotes nothing."""


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
        members = _shared(fields) | _of_meeting_type(fields) | _of_row_meeting(fields)
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
        nested: Fields = _required(content.object("rescheduledAppointment"), "rescheduledAppointment")
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
    members = _shared(appointment) | _of_meeting_type(appointment) | _of_webhook_meeting(appointment)
    previous = content if content.has("oldStartDate") else appointment
    return members | _given(previous_start=previous.moment("oldStartDate"))


def _required_members(appointment: Fields, _: Fields) -> Known:
    shown = _shown_attendees(appointment)
    ids = [_attendee_id(fields, index) for index, fields in enumerate(shown)]
    if len(set(ids)) < len(ids):
        return _core(appointment, _attendees(shown))
    return _core(appointment, tuple(AttendeeSnapshot(attendee_id=attendee_id) for attendee_id in ids))


def _core(appointment: Fields, attendees: tuple[AttendeeSnapshot, ...]) -> Known:
    """What a booking cannot be read without, and its version."""
    start = _required(appointment.moment("start"), "start")
    end = _required(appointment.moment("end"), "end")
    if end < start:
        raise UnreadableError("end lies before start")
    return {
        "provider_id": _required(appointment.identifier("id"), "id"),
        "start": start,
        "end": end,
        "attendees": attendees,
        **_cancellation(appointment),
        **_times(appointment),
    }


def _shared(appointment: Fields) -> Known:
    """What a webhook and an API row name alike."""
    shown = _shown_attendees(appointment)
    members = _core(appointment, _attendees(shown))
    members |= _given(
        reschedule_count=appointment.count("rescheduleCount"),
        location=appointment.text("location"),
        company_slug=appointment.text("companySlug"),
        replaces=appointment.identifier("rescheduledFromId"),
        hosts=_hosts(appointment),
        guests=_guests(appointment, shown),
        payment=_payment(appointment),
    )
    return members | _notes(appointment)


def _of_webhook_meeting(appointment: Fields) -> Known:
    """`meetingInfo` of a webhook: where the meeting takes place. An API row's is about its type."""
    meeting = appointment.object("meetingInfo")
    if not isinstance(meeting, Fields):
        return {}
    return _given(
        link=meeting.text("meetingLink"), channel=meeting.text("channel"), group=meeting.flag("groupBooking")
    )


def _of_row_meeting(appointment: Fields) -> Known:
    """`meetingInfo` of an API row is about the type of meeting; the link stands in `hostingInfo`."""
    members: Known = {}
    info, hosting = appointment.object("meetingInfo"), appointment.object("hostingInfo")
    if isinstance(info, Fields):
        name = info.text("name")
        members |= _given(title=name, meeting_type_name=name)
        members |= _given(channel=info.text("channel"), group=info.flag("groupBooking"))
    if isinstance(hosting, Fields):
        members |= _given(link=hosting.text("meetingLink"))
    if not appointment.has("notes"):
        members |= _given(notes=appointment.text("note"))
    return members


def _of_meeting_type(appointment: Fields) -> Known:
    members = _given(
        meeting_type_id=appointment.identifier("meetingTypeId"),
        meeting_type_slug=appointment.text("meetingTypeSlug"),
    )
    meeting_type = appointment.object("meetingType")
    if not isinstance(meeting_type, Fields):
        return members
    members |= _given(
        meeting_type_id=meeting_type.identifier("id"),
        meeting_type_slug=meeting_type.text("slug"),
        metadata=meeting_type.document("metadata"),
    )
    info = meeting_type.object("meetingInfo")
    if isinstance(info, Fields):
        name = info.text("name")
        members |= _given(title=name, meeting_type_name=name, group=info.flag("groupBooking"))
    return members


def _given(**members: Any) -> Known:
    """The members that are known, be it as empty."""
    return {name: value for name, value in members.items() if value is not UNKNOWN}


def _required(value: Maybe[Any], name: str) -> Any:
    if value is UNKNOWN or value is None:
        raise UnreadableError(f"{name} is missing or mistyped")
    return value


def _times(appointment: Fields) -> Known:
    """The times of an appointment and its version: `updatedAt`, else the latest time of a change."""
    members = _given(
        created_at=appointment.moment("createdAt"),
        rescheduled_at=appointment.moment("rescheduledAt"),
        updated_at=appointment.moment("updatedAt"),
    )
    if members.get("updated_at"):
        precision = appointment.precision("updatedAt")
        return members | {"version": members["updated_at"], "version_precision": precision}
    places = [(appointment, "createdAt"), (appointment, "rescheduledAt")]
    cancel = appointment.object("cancel")
    if isinstance(cancel, Fields):
        places += [(cancel, "actionAt"), (cancel, "cancelledAt")]
    dated = [(moment, fields, name) for fields, name in places if (moment := known(fields.moment(name)))]
    if not dated:
        return members
    version, fields, name = max(dated, key=lambda found: found[0])
    return members | {"version": version, "version_precision": fields.precision(name)}


def _cancellation(appointment: Fields) -> Known:
    """Whether it is cancelled, and the details; the kind of the webhook is no evidence of it."""
    flag, cancel = appointment.flag("isCancelled"), appointment.object("cancel")
    if flag is UNKNOWN and cancel is UNKNOWN:
        raise UnreadableError("isCancelled and cancel are missing or mistyped")
    if not isinstance(cancel, Fields):
        return {"cancelled": known(flag) is True} | ({} if cancel is UNKNOWN else {"cancel": None})
    times = {name: cancel.moment(name) for name in ("actionAt", "cancelledAt")}
    at = next((moment for moment in map(known, times.values()) if moment), None)
    mistyped = any(cancel.has(name) and moment is UNKNOWN for name, moment in times.items())
    if known(flag) is None and at is None and mistyped:
        raise UnreadableError("isCancelled and the time of cancel are missing or mistyped")
    cancelled = known(flag) is True or at is not None
    if not cancelled:
        return {"cancelled": False}
    details = Cancel(
        at=at,
        by=known(cancel.identifier("actionBy")),
        actor=known(cancel.text("actionSource")),
        reason=known(cancel.text("reason")),
    )
    return {"cancelled": True, "cancel": details}


def _shown_attendees(appointment: Fields) -> list[Fields]:
    shown: list[Fields] = _required(appointment.objects("attendees"), "attendees")
    if len(shown) > _MOST_PEOPLE:
        raise UnreadableError(f"attendees: more than {_MOST_PEOPLE}")
    return shown


def _attendees(shown: list[Fields]) -> tuple[AttendeeSnapshot, ...]:
    attendees: dict[str, AttendeeSnapshot] = {}
    for index, fields in enumerate(shown):
        attendee = _attendee(fields, index)
        if attendees.setdefault(attendee.attendee_id, attendee) != attendee:
            raise UnreadableError("attendees: an id occurs twice")
    return tuple(attendees.values())


def _attendee(fields: Fields, index: int) -> AttendeeSnapshot:
    members = _given(
        email=fields.text("email"),
        phone=fields.text("phone"),
        name=_name(fields, whole="fullname", first="firstname", last="lastname"),
        timezone=fields.text("timezone"),
        language=fields.text("language"),
    )
    return AttendeeSnapshot(attendee_id=_attendee_id(fields, index), **members, **_no_show(fields))


def _attendee_id(fields: Fields, index: int) -> str:
    attendee_id: str = _required(fields.identifier("id"), f"attendees.{index}.id")
    return attendee_id


def _name(fields: Fields, *, whole: str, first: str, last: str) -> Maybe[str]:
    name = fields.text(whole)
    if isinstance(name, str):
        return name
    parts = (fields.text(first), fields.text(last))
    joined = " ".join(part for part in parts if isinstance(part, str))
    if joined:
        return joined
    return UNKNOWN if UNKNOWN in (name, *parts) else None


def _no_show(fields: Fields) -> Known:
    """The mark, whose name no page shows: any of the known flags, or a time, or a status that says so."""
    members: Known = {}
    for name in _NO_SHOW_FLAGS:
        flag = fields.flag(name)
        if flag is not UNKNOWN and not members.get("no_show"):
            members["no_show"] = flag is True
    at = fields.moment("noShowAt")
    if at is not UNKNOWN:
        members.setdefault("no_show", at is not None)
        members["no_show_at"] = at
    status = known(fields.text("status"))
    if status and status.lower().translate({ord(c): None for c in " _-"}) == "noshow":
        members.setdefault("no_show", True)
    return members


def _hosts(appointment: Fields) -> Maybe[tuple[Host, ...]]:
    if not appointment.has("hosts"):
        ids = appointment.identifiers("hostIds")
        return tuple(Host(id=host_id) for host_id in dict.fromkeys(ids)) if isinstance(ids, list) else UNKNOWN
    shown = appointment.objects("hosts")
    if shown is UNKNOWN:
        return UNKNOWN
    hosts = []
    for fields in shown or ():
        host_id = known(fields.identifier("id"))
        if host_id is None:
            appointment.odd("hosts")
            return UNKNOWN
        name = _name(fields, whole="fullName", first="givenName", last="familyName")
        hosts.append(Host(id=host_id, email=known(fields.text("email")), name=known(name)))
    return tuple({host.id: host for host in hosts}.values())


def _guests(appointment: Fields, attendees: list[Fields]) -> Maybe[tuple[GuestSnapshot, ...]]:
    """People brought along by address; no page shows where they stand, so every likely place is read."""
    lists = [
        fields.addresses(name)
        for fields in (appointment, *attendees)
        for name in _GUEST_LISTS
        if fields.has(name)
    ]
    if not lists or UNKNOWN in lists:
        return UNKNOWN
    found = [address for listed in lists for address in known(listed) or ()]
    if len(found) > _MOST_PEOPLE:
        appointment.odd("guests")
        return UNKNOWN
    return tuple({address.lower(): GuestSnapshot(email=address) for address in reversed(found)}.values())[
        ::-1
    ]


def _payment(appointment: Fields) -> Maybe[Payment]:
    payment = appointment.object("payment")
    if isinstance(payment, Fields):
        return Payment(
            id=known(payment.identifier("id")),
            status=known(payment.text("status")),
            amount=known(payment.amount("amount")),
            currency=known(payment.text("currency")),
        )
    payment_id = known(appointment.identifier("paymentId"))
    return Payment(id=payment_id) if payment is UNKNOWN and payment_id else payment


def _notes(appointment: Fields) -> Known:
    """Notes are text from the host; as an object they are what the guest answered in the form."""
    if appointment.is_object("notes"):
        return {"answers": appointment.document("notes")} | _given(answers=appointment.document("answers"))
    return _given(notes=appointment.text("notes"), answers=appointment.document("answers"))
