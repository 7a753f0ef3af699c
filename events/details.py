"""Members of a booking and of an attendee that may differ without more meaning than their value.

Known-to-be-empty and never-seen look alike in a state, so learning that a member is empty changes
nothing; learning a value does.
"""

from collections.abc import Callable
from typing import Any

from events.snapshot import AttendeeSnapshot, BookingSnapshot
from events.state import Attendee, Booking, Cancel, Guest, MeetingType

_PLAIN = (
    "title",
    "group",
    "location",
    "link",
    "channel",
    "notes",
    "answers",
    "payment",
    "company_slug",
    "metadata",
)
_ATTENDEE = ("email", "name", "phone", "timezone", "language")
_CANCEL = ("by", "actor", "reason")
_NO_TYPE = MeetingType()


def changed_details(state: Booking, snapshot: BookingSnapshot) -> tuple[str, ...]:
    """The names of members that the snapshot knows and shows differently, sorted."""
    after = _shown(state, snapshot)
    return tuple(sorted(name for name, value in after.items() if _differs(_value(state, name), value)))


def with_details(state: Booking, snapshot: BookingSnapshot, changed: tuple[str, ...]) -> Booking:
    """The state with these members as the snapshot shows them."""
    after = _shown(state, snapshot)
    return state.model_copy(update={_FIELD.get(name, name): after[name] for name in changed})


def shown_details(state: Booking, snapshot: BookingSnapshot) -> Booking:
    """A first state with every plain member the snapshot knows; its time and its end belong to the caller."""
    update = {
        _FIELD.get(name, name): value
        for name, value in _shown(state, snapshot).items()
        if name not in ("end", "reschedule_count") and _differs(_value(state, name), value)
    }
    return state.model_copy(update=update)


def with_attendee_details(known: Attendee, shown: AttendeeSnapshot) -> tuple[Attendee, tuple[str, ...]]:
    """The attendee as shown, and the names of what changed; a corrected address makes it another contact."""
    changed = tuple(
        name
        for name in _ATTENDEE
        if shown.knows(name) and _differs(getattr(known, name), getattr(shown, name))
    )
    update: dict[str, Any] = {name: getattr(shown, name) for name in changed}
    contact_id = _contact_id(known, shown)
    if contact_id != known.contact_id:
        update["contact_id"] = contact_id
        update["former_contact_ids"] = tuple(dict.fromkeys((*known.former_contact_ids, known.contact_id)))
        changed = (*changed, "contact_id")
    return (known.model_copy(update=update), tuple(sorted(changed))) if changed else (known, ())


def joined_attendees(former: tuple[Attendee, ...], snapshot: BookingSnapshot) -> tuple[Attendee, ...]:
    """The attendees of a former half under the ids of the new half, matched by contact."""
    waiting = {a.contact_id: a.attendee_id for a in reversed(snapshot.attendees)}
    joined = []
    for attendee in former:
        new_id = None if attendee.removed else waiting.pop(attendee.contact_id, None)
        update = {"attendee_id": new_id, "no_show_flag": False} if new_id else {}
        joined.append(attendee.model_copy(update=update))
    return tuple(joined)


def _contact_id(known: Attendee, shown: AttendeeSnapshot) -> str:
    if not shown.knows("email") and known.email:
        return known.contact_id
    return shown.contact_id or known.contact_id


def _shown(state: Booking, snapshot: BookingSnapshot) -> dict[str, Any]:
    """Every comparable member the snapshot knows, in the state's own terms."""
    shown: dict[str, Any] = {name: getattr(snapshot, name) for name in _PLAIN if snapshot.knows(name)}
    shown["metadata"] = shown.get("metadata") or {} if "metadata" in shown else state.metadata
    shown["end"] = snapshot.end
    for name, build in _BUILT.items():
        value = build(state, snapshot)
        if value is not None:
            shown[name] = value
    return shown


def _meeting_type(state: Booking, snapshot: BookingSnapshot) -> MeetingType | None:
    shown = {
        "id": snapshot.meeting_type_id,
        "slug": snapshot.meeting_type_slug,
        "name": snapshot.meeting_type_name,
    }
    known = state.meeting_type or _NO_TYPE
    update = {name: value for name, value in shown.items() if value and value != getattr(known, name)}
    after = known.model_copy(update=update) if update else known
    return None if after == _NO_TYPE else after


def _hosts(state: Booking, snapshot: BookingSnapshot) -> Any:
    if not snapshot.knows("hosts"):
        return None
    same = sorted(state.hosts, key=lambda h: h.id) == sorted(snapshot.hosts, key=lambda h: h.id)
    return state.hosts if same else snapshot.hosts


def _guests(state: Booking, snapshot: BookingSnapshot) -> tuple[Guest, ...] | None:
    if not snapshot.knows("guests"):
        return None
    guests = {g.contact_id: Guest(contact_id=g.contact_id, email=g.email) for g in snapshot.guests}
    known = {g.contact_id for g in state.guests}
    return state.guests if known == set(guests) else tuple(guests.values())


def _reschedule_count(state: Booking, snapshot: BookingSnapshot) -> int | None:
    """The provider's count where given; in a chain it counts only its own half and says nothing."""
    return snapshot.reschedule_count if len(state.provider_ids) == 1 else None


def _cancel(state: Booking, snapshot: BookingSnapshot) -> Cancel | None:
    """Details of a cancellation that are learnt later; what was known stays."""
    if state.cancel is None or snapshot.cancel is None or not snapshot.cancelled:
        return None
    learnt = {name: value for name in _CANCEL if (value := getattr(snapshot.cancel, name))}
    if state.cancel.at is None and snapshot.cancel.at is not None:
        learnt["at"] = snapshot.cancel.at
    return state.cancel.model_copy(update=learnt)


def _related(state: Booking, snapshot: BookingSnapshot) -> tuple[str, ...] | None:
    """A link to another booking that came too late to join its history."""
    link = snapshot.replaces
    if not link or link in state.provider_ids or link in state.related:
        return None
    return (*state.related, link)


_BUILT: dict[str, Callable[[Booking, BookingSnapshot], Any]] = {
    "meeting_type": _meeting_type,
    "host": _hosts,
    "guests": _guests,
    "reschedule_count": _reschedule_count,
    "cancel": _cancel,
    "related": _related,
}
_FIELD = {"host": "hosts"}


def _value(state: Booking, name: str) -> Any:
    return getattr(state, _FIELD.get(name, name))


def _differs(before: Any, after: Any) -> bool:
    return (before or None) != (after or None)
