"""What one sink is to show now, and what it is known to show: read from the store in one picture."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from adapters.api import BookingMirror, ContactMirror, Receipt
from events import Booking, Contact
from hub.delivery.plan import About, Desired, Held, Standing, Waiting
from hub.delivery.sinks import Wants, wants_everything
from hub.store import checkpoints, deliveries
from hub.store.tables import BookingRow, ContactRow, DeliveryRow, TargetReceiptRow

DROPPED = "dropped"
"""How the reason of a row begins that a person gave up."""

AT_A_TIME = 500

_WAITING: Mapping[str, Waiting] = {
    "pending": "delivery_pending",
    "sending": "delivery_pending",
    "uncertain": "delivery_pending",
    "parked": "delivery_parked",
    "dead": "delivery_dead",
    "skipped": "delivery_dropped",
}
_FIRST: Sequence[Waiting] = ("delivery_pending", "delivery_parked", "delivery_dead", "delivery_dropped")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a mirror's work is looked at.

    `start` is the sink's own, with the position it began at. Without `keys` everything the sink is
    responsible for is meant; `also` are keys that were found at the target. `wants` says which states
    are wanted there at all.
    """

    sink: str
    mirror: BookingMirror[Any] | ContactMirror[Any]
    start: Literal["upcoming", "now", "beginning"]
    start_position: int
    now: datetime
    keys: frozenset[str] | None = None
    also: frozenset[str] = frozenset()
    wants: Wants = wants_everything


@dataclass(frozen=True, slots=True)
class Picture:
    """The standing, with the states and receipts it was made from.

    `places` are the keys and parts to look at one by one, where a target cannot list what it holds.
    """

    standing: Standing
    bookings: Mapping[str, Booking]
    receipts: Sequence[Receipt]
    places: Sequence[tuple[str, str]]


def read_picture(session: Session, scope: Scope) -> Picture:
    """Everything a comparison needs of the store."""
    live = checkpoints.live(session)
    generation, position = (live.generation, live.position) if live else (0, 0)
    held = _held(session, scope)
    waiting = _waiting(session, scope)
    bookings: dict[str, Booking] = {}
    if isinstance(scope.mirror, ContactMirror):
        desired = {
            contact.contact_id: _contact(
                scope.mirror, contact, wanted=scope.wants(session, contact, contact.contact_id in held)
            )
            for contact in _contacts(session, scope, generation, held)
        }
    else:
        bookings = {booking.booking_id: booking for booking in _bookings(session, scope, generation, held)}
        desired = {
            key: _booking(scope.mirror, booking, wanted=scope.wants(session, booking, key in held))
            for key, booking in bookings.items()
        }
    standing = Standing(position, isinstance(scope.mirror, BookingMirror), desired, held, waiting)
    receipts = [one.receipt for parts in held.values() for one in parts.values()]
    return Picture(standing, bookings, receipts, tuple(_places(scope, standing, bookings)))


def _places(scope: Scope, standing: Standing, bookings: Mapping[str, Booking]) -> Iterator[tuple[str, str]]:
    """Every part that is wanted or held; of a booking somebody asks about, those that may be there too."""
    for key in sorted(standing.desired.keys() | standing.held.keys()):
        parts: list[str] = list(standing.desired[key].parts) if key in standing.desired else []
        if scope.keys is not None and key in bookings and isinstance(scope.mirror, BookingMirror):
            parts += scope.mirror.parts(bookings[key])
        for part in dict.fromkeys((*parts, *standing.held.get(key, ()))):
            yield key, part


def _booking(mirror: BookingMirror[Any], booking: Booking, *, wanted: bool) -> Desired:
    parts = dict.fromkeys(mirror.parts(booking)) if wanted else {}
    shown = {part: mirror.preview(booking, part) for part in parts}
    return Desired(
        key=booking.booking_id,
        position=booking.position,
        parts={part: fields for part, fields in shown.items() if fields},
        booking_id=booking.booking_id,
        may_be_absent=booking.status == "cancelled" or not wanted,
        matched=wanted,
        about=about(booking),
    )


def _contact(mirror: ContactMirror[Any], contact: Contact, *, wanted: bool) -> Desired:
    fields = mirror.preview(contact, "") if wanted else {}
    name = contact.name or contact.email or contact.phone
    return Desired(
        key=contact.contact_id,
        position=contact.position,
        parts={"": fields} if fields else {},
        may_be_absent=not contact.booking_count or not wanted,
        matched=wanted,
        about=About(people=(name,) if name else ()),
    )


def about(booking: Booking) -> About:
    """The booking as people call it."""
    kind = booking.meeting_type.name if booking.meeting_type else None
    people = [one.name or one.email or one.phone for one in booking.present or booking.attendees]
    return About(
        title=kind or booking.title,
        people=tuple(person for person in people if person),
        start=booking.start,
        cancelled=booking.status == "cancelled",
    )


def _held(session: Session, scope: Scope) -> dict[str, dict[str, Held]]:
    """What the target holds by our receipts; those about another target are about other objects."""
    target = scope.mirror.target()
    found: dict[str, dict[str, Held]] = defaultdict(dict)
    where = [col(TargetReceiptRow.sink) == scope.sink, *_among(TargetReceiptRow.key, scope.keys)]
    for row in session.exec(select(TargetReceiptRow).where(*where)):
        if row.target == target:
            found[row.key][row.part] = Held(_receipt(row), row.wanted, row.updated_at)
    return dict(found)


def _receipt(row: TargetReceiptRow) -> Receipt:
    return Receipt(
        external_id=row.external_id,
        etag=row.etag,
        fingerprint=row.fingerprint,
        position=row.position,
        url=row.url,
        target=row.target,
        detail=row.detail,
        data=row.data,
    )


def _waiting(session: Session, scope: Scope) -> dict[str, Waiting]:
    """Keys with a delivery that is under way or was given up, and that no later one has made good."""
    state = col(DeliveryRow.state)
    dropped = (state == "skipped") & col(DeliveryRow.reason).startswith(DROPPED)
    given_up = or_(state == "dead", dropped) & ~deliveries.made_good()
    rows = session.execute(
        select(DeliveryRow.key, DeliveryRow.state).where(
            DeliveryRow.sink == scope.sink,
            *_among(DeliveryRow.key, scope.keys),
            or_(state.in_(("pending", "sending", "uncertain", "parked")), given_up),
        )
    )
    found: dict[str, set[Waiting]] = defaultdict(set)
    for key, shown in rows:
        found[key].add(_WAITING[shown])
    return {key: next(one for one in _FIRST if one in causes) for key, causes in found.items()}


def _bookings(session: Session, scope: Scope, generation: int, held: Mapping[str, Any]) -> Iterator[Booking]:
    """Those that have not ended, and those of which the target holds something."""
    served = BookingRow.generation == generation
    known: set[str] = set()
    if scope.keys is None:
        for row in session.exec(select(BookingRow).where(served, col(BookingRow.end) >= scope.now)):
            if scope.start != "now" or row.position > scope.start_position:
                known.add(row.booking_id)
                yield _state(row)
    rest = (scope.keys or frozenset()) | held.keys() | scope.also
    for keys in _batches(rest - known):
        for row in session.exec(select(BookingRow).where(served, col(BookingRow.booking_id).in_(keys))):
            yield _state(row)


def _state(row: BookingRow) -> Booking:
    return Booking.model_validate({**row.state, "position": row.position})


def _contacts(session: Session, scope: Scope, generation: int, held: Mapping[str, Any]) -> Iterator[Contact]:
    """Those of which the target holds something: a contact nobody wrote yet is not looked for."""
    for keys in _batches(held.keys()):
        rows = session.exec(
            select(ContactRow).where(
                ContactRow.generation == generation, col(ContactRow.contact_id).in_(keys)
            )
        )
        for row in rows:
            yield Contact(**{name: getattr(row, name) for name in Contact.model_fields})


def _among(column: Any, keys: Collection[str] | None) -> list[ColumnElement[bool]]:
    return [] if keys is None else [col(column).in_(sorted(keys))]


def _batches(keys: Collection[str]) -> Iterator[list[str]]:
    """Databases take only so many values in one statement."""
    ordered = sorted(keys)
    return (ordered[first : first + AT_A_TIME] for first in range(0, len(ordered), AT_A_TIME))
