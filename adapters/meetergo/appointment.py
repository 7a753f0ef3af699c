"""Members of an appointment that a webhook and a row of the API name alike.

A required member that is missing or mistyped makes the whole unreadable; any other counts as unknown.
"""

from typing import Any

from adapters.meetergo.fields import UNKNOWN, Fields, Maybe, known
from events.snapshot import AttendeeSnapshot, GuestSnapshot
from events.state import Cancel, Host, Payment

_NO_SHOW_FLAGS = ("noShow", "isNoShow", "no_show")
_GUEST_LISTS = ("guests", "guestEmails", "bringalongEmails")
_MOST_PEOPLE = 500
"""More people than fit into the 100 KB a webhook has at most; every fact carries all of them."""

Known = dict[str, Any]


class UnreadableError(Exception):
    """A required member is missing or mistyped; the message names it and quotes nothing."""


def core_members(appointment: Fields, attendees: tuple[AttendeeSnapshot, ...]) -> Known:
    """What a booking cannot be read without, and its version."""
    start = required(appointment.moment("start"), "start")
    end = required(appointment.moment("end"), "end")
    if end < start:
        raise UnreadableError("end lies before start")
    return {
        "provider_id": required(appointment.identifier("id"), "id"),
        "start": start,
        "end": end,
        "attendees": attendees,
        **_cancellation(appointment),
        **_times(appointment),
    }


def shared_members(appointment: Fields) -> Known:
    """What a webhook and an API row name alike."""
    shown = shown_attendees(appointment)
    members = core_members(appointment, attendees_of(shown))
    members |= given(
        reschedule_count=appointment.count("rescheduleCount"),
        location=appointment.text("location"),
        company_slug=appointment.text("companySlug"),
        replaces=appointment.identifier("rescheduledFromId"),
        hosts=_hosts(appointment),
        guests=_guests(appointment, shown),
        payment=_payment(appointment),
    )
    return members | _notes(appointment)


def given(**members: Any) -> Known:
    """The members that are known, be it as empty."""
    return {name: value for name, value in members.items() if value is not UNKNOWN}


def required(value: Maybe[Any], name: str) -> Any:
    if value is UNKNOWN or value is None:
        raise UnreadableError(f"{name} is missing or mistyped")
    return value


def _times(appointment: Fields) -> Known:
    """The times of an appointment and its version: `updatedAt`, else the latest time of a change."""
    members = given(
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


def shown_attendees(appointment: Fields) -> list[Fields]:
    shown: list[Fields] = required(appointment.objects("attendees"), "attendees")
    if len(shown) > _MOST_PEOPLE:
        raise UnreadableError(f"attendees: more than {_MOST_PEOPLE}")
    return shown


def attendees_of(shown: list[Fields]) -> tuple[AttendeeSnapshot, ...]:
    attendees: dict[str, AttendeeSnapshot] = {}
    for index, fields in enumerate(shown):
        attendee = _attendee(fields, index)
        if attendees.setdefault(attendee.attendee_id, attendee) != attendee:
            raise UnreadableError("attendees: an id occurs twice")
    return tuple(attendees.values())


def _attendee(fields: Fields, index: int) -> AttendeeSnapshot:
    members = given(
        email=fields.text("email"),
        phone=fields.text("phone"),
        name=_name(fields, whole="fullname", first="firstname", last="lastname"),
        timezone=fields.text("timezone"),
        language=fields.text("language"),
    )
    return AttendeeSnapshot(attendee_id=attendee_id_of(fields, index), **members, **_no_show(fields))


def attendee_id_of(fields: Fields, index: int) -> str:
    attendee_id: str = required(fields.identifier("id"), f"attendees.{index}.id")
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
        return {"answers": appointment.document("notes")} | given(answers=appointment.document("answers"))
    return given(notes=appointment.text("notes"), answers=appointment.document("answers"))
