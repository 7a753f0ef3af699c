"""What meetergo's API answers, beside appointments, as objects of ours.

Members that are missing or mistyped count as unknown; only an answer that is not what was asked for at
all is a failure. Rows lose `secret`, which cancels a booking without a login, before anybody sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adapters.errors import TransientError
from adapters.meetergo.fields import Fields, known
from adapters.provider import Account, Availability, Booked, Slot, Subscription

Row = Mapping[str, Any]
"""One appointment as the API shows it, without what nobody may keep."""

WaitsFor = Literal["double-opt-in", "host-confirmation", "unknown"]

_NOT_KEPT = frozenset(("secret", "ics"))
_WAITS_FOR: Mapping[str, WaitsFor] = {
    "doubleoptin": "double-opt-in",
    "requirehostconfirmation": "host-confirmation",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, counted from 0; `total` is what the answer says of all pages together."""

    number: int
    rows: tuple[Row, ...]
    total: int | None


def scrubbed(value: Any) -> Any:
    """The value without the members that nobody may keep, at any depth."""
    if isinstance(value, Mapping):
        return {key: scrubbed(member) for key, member in value.items() if key.lower() not in _NOT_KEPT}
    return [scrubbed(element) for element in value] if isinstance(value, list) else value


def row_of(body: Any) -> Row | None:
    """The appointment in an answer, be it the answer itself or below `appointment`; None if there is none."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("appointment")
    row: Row = scrubbed(inner if isinstance(inner, Mapping) else body)
    return row if known(Fields(row).identifier("id")) else None


def page_of(body: Any, *, number: int) -> Page:
    """One page of the list of appointments."""
    rows = body.get("appointments") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise TransientError("the answer is no page of appointments")
    return Page(number, tuple(scrubbed(row) for row in rows), known(Fields(body).count("total")))


def availability_of(body: Any) -> Availability:
    """Free times in any of the three shapes that are documented; the current one by `dates`."""
    if not isinstance(body, Mapping):
        raise TransientError("the answer is no availability")
    fields = Fields(body)
    readers = {"dates": _current, "slots": _by_day, "availableSlots": _by_time}
    shape = next((name for name in readers if isinstance(body.get(name), list)), None)
    if shape is None:
        raise TransientError("the answer is no availability")
    found = readers[shape](fields, shape)
    slots = {slot.start: slot for slot in reversed(found)}
    return Availability(tuple(slots[start] for start in sorted(slots)), known(fields.text("timezone")))


def booked_of(body: Any) -> Booked | None:
    """What a booking came to; None if the answer says neither."""
    if not isinstance(body, Mapping):
        return None
    fields = Fields(body)
    provisional_id = known(fields.identifier("provisionalBookingId"))
    kind = known(fields.text("bookingType"))
    if provisional_id or kind:
        waits_for = _WAITS_FOR.get((kind or "").lower(), "unknown")
        return Booked(provisional_id=provisional_id, waits_for=waits_for)
    appointment_id = known(fields.identifier("appointmentId")) or known(fields.identifier("id"))
    return Booked(provider_id=appointment_id) if appointment_id else None


def subscription_of(body: Any) -> Subscription | None:
    """One registered webhook; None if it has no id."""
    if not isinstance(body, Mapping):
        return None
    fields = Fields(body)
    subscription_id = known(fields.identifier("id"))
    if subscription_id is None:
        return None
    return Subscription(
        id=subscription_id,
        endpoint=known(fields.text("endpoint")),
        event_types=tuple(known(fields.identifiers("eventTypes")) or ()),
        description=known(fields.text("description")),
        created_at=known(fields.moment("createdAt")),
    )


def subscriptions_of(body: Any) -> tuple[Subscription, ...]:
    """The list of registered webhooks; one without an id cannot be named and is left out."""
    if not isinstance(body, list):
        raise TransientError("the answer is no list of webhooks")
    return tuple(found for element in body if (found := subscription_of(element)))


def account_of(body: Any) -> Account:
    """The user a key acts for."""
    fields = Fields(body if isinstance(body, Mapping) else {})
    user_id = known(fields.identifier("id"))
    if user_id is None:
        raise TransientError("the answer is no user")
    names = [known(fields.text(name)) for name in ("firstName", "givenName", "lastName", "familyName")]
    return Account(
        user_id=user_id,
        email=known(fields.text("email")),
        name=" ".join(name for name in names if name) or None,
        timezone=known(fields.text("timezone")),
    )


def _current(fields: Fields, name: str) -> list[Slot]:
    days = known(fields.objects(name)) or []
    spots = [spot for day in days for spot in known(day.objects("spots")) or []]
    return [slot for spot in spots if (slot := _spot(spot))]


def _spot(spot: Fields) -> Slot | None:
    """A spot that is free; with `troubleshoot` the API lists taken ones too, each with its reasons."""
    start, reasons = known(spot.moment("startTime")), known(spot.objects("unavailabilityEvents"))
    if start is None or reasons:
        return None
    group = known(spot.object("appointment"))
    if group is None:
        return Slot(start)
    total, taken = known(group.count("totalSpots")), known(group.count("takenSpots"))
    places = None if total is None or taken is None else total - taken
    if places is not None and places <= 0:
        return None
    return Slot(start, appointment_id=known(group.identifier("id")), places=places)


def _by_day(fields: Fields, name: str) -> list[Slot]:
    days = known(fields.objects(name)) or []
    times: list[Sequence[str]] = [known(day.identifiers("times")) or [] for day in days]
    read = (known(Fields({"at": text}).moment("at")) for day in times for text in day)
    return [Slot(start) for start in read if start]


def _by_time(fields: Fields, name: str) -> list[Slot]:
    shown = known(fields.objects(name)) or []
    return [
        Slot(start, end=known(slot.moment("end"))) for slot in shown if (start := known(slot.moment("start")))
    ]
