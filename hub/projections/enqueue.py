"""Delivery rows, written in the same transaction as what they are about.

The row's primary key (sink, event, key) is the deduplication: an event read twice adds nothing. What
must not be acted on gets a row all the same, `skipped` with the reason, so that `why` can tell.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session, col

from events import BookingCancelled, BookingEvent, ContactErased, Envelope
from events.contact import touched_contacts
from hub.projections.bookings import bookings_naming
from hub.projections.matching import takes_contact
from hub.projections.sinks import SinkRegistration
from hub.projections.timeline import is_delivered
from hub.store import deliveries
from hub.store.deliveries import NOT_MATCHED, OPEN_STATES
from hub.store.tables import DeliveryRow, TargetReceiptRow

BACKFILL = "backfill"
TOO_OLD = "too_old"
ENDED = "ended"
DIVERGED = "diverged"
"""Why a row is skipped; `diverged` is undone when the event comes back into the log."""

_MAY_HOLD = (*OPEN_STATES, "uncertain", "dead")
"""States of rows behind which the target may hold something that no receipt tells of."""

_Target = tuple[str, str]
"""A sink and a key."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """One object at a target that an event may change."""

    envelope: Envelope
    key: str
    ended: bool = False


def enqueue(
    session: Session,
    envelopes: Sequence[Envelope],
    registrations: Sequence[SinkRegistration],
    *,
    generation: int,
    now: datetime,
) -> int:
    """Write the rows of newly read events, after the projections; returns how many are new."""
    if not registrations:
        return 0
    shown = [envelope for envelope in envelopes if is_delivered(envelope.event)]
    bookings = [subject for envelope in shown for subject in _bookings(session, envelope, generation)]
    held = _held(session, registrations, bookings)
    rows: list[DeliveryRow] = []
    for sink in registrations:
        subjects = list(_subjects_of(sink, shown, bookings))
        absent = _absent(session, sink, subjects)
        for subject in subjects:
            reason = _skipped_for(sink, subject, held=held, absent=absent)
            rows.append(_row(sink, subject, reason=reason, now=now))
    _revive(session, rows)
    return deliveries.insert(session, rows)


def _subjects_of(
    sink: SinkRegistration, shown: Sequence[Envelope], bookings: Sequence[_Subject]
) -> Iterator[_Subject]:
    """What the events may change at this sink's target."""
    if sink.kind == "booking":
        subjects: Iterable[_Subject] = bookings
    elif sink.kind == "contact":
        subjects = (_Subject(envelope, key) for envelope in shown for key in _contacts(envelope))
    else:
        subjects = (_Subject(envelope, _own_key(envelope)) for envelope in shown)
    for subject in subjects:
        if subject.envelope.position > sink.start_position and sink.acts_on(subject.envelope.type):
            yield subject


def _skipped_for(
    sink: SinkRegistration, subject: _Subject, *, held: frozenset[_Target], absent: frozenset[str]
) -> str | None:
    envelope = subject.envelope
    if sink.kind != "reactor":
        if sink.kind == "booking" and subject.ended and (sink.name, subject.key) not in held:
            return ENDED
        return NOT_MATCHED if subject.key in absent and not _is_taken(sink, envelope) else None
    if envelope.provenance == "backfill":
        return BACKFILL
    recorded_at = envelope.recorded_at
    if sink.max_age is not None and recorded_at and envelope.occurred_at < recorded_at - sink.max_age:
        return TOO_OLD
    return None if _is_taken(sink, envelope) else NOT_MATCHED


def _is_taken(sink: SinkRegistration, envelope: Envelope) -> bool:
    """Whether the sink takes the booking as it is after this event; what is about no booking it takes."""
    booking = envelope.booking
    return sink.match is None or booking is None or sink.match.takes(booking)


def _absent(session: Session, sink: SinkRegistration, subjects: Sequence[_Subject]) -> frozenset[str]:
    """Keys a mirror does not take and for which its target cannot hold anything: nothing is to be done.

    For all others the worker decides, by the newest state. Rows are read before receipts, so that a
    delivery which ends in between is seen in the one or in the other.
    """
    if sink.match is None or sink.kind == "reactor":
        return frozenset()
    keys = {subject.key for subject in subjects if not _is_taken(sink, subject.envelope)}
    if not keys:
        return frozenset()
    rows = select(col(DeliveryRow.key)).where(
        col(DeliveryRow.sink) == sink.name,
        col(DeliveryRow.key).in_(keys),
        col(DeliveryRow.state).in_(_MAY_HOLD),
    )
    keys -= set(session.execute(rows).scalars())
    receipts = select(col(TargetReceiptRow.key)).where(
        col(TargetReceiptRow.sink) == sink.name, col(TargetReceiptRow.key).in_(keys)
    )
    keys -= set(session.execute(receipts).scalars())
    if sink.kind == "contact":
        keys = {key for key in keys if not takes_contact(session, sink.match, key)}
    return frozenset(keys)


def _row(sink: SinkRegistration, subject: _Subject, *, reason: str | None, now: datetime) -> DeliveryRow:
    envelope = subject.envelope
    waits = reason is None and bool(sink.grace) and isinstance(envelope.event, BookingCancelled)
    return DeliveryRow(
        sink=sink.name,
        event_id=envelope.event_id,
        key=subject.key,
        booking_id=envelope.booking_id if sink.kind != "booking" else subject.key,
        position=envelope.position,
        event_type=envelope.type,
        state="pending" if reason is None else "skipped",
        due_at=(envelope.recorded_at or now) + sink.grace if waits else now,
        hold=waits,
        reason=reason,
        created_at=now,
        changed_at=now,
        finished_at=None if reason is None else now,
    )


def _own_key(envelope: Envelope) -> str:
    event = envelope.event
    return event.contact_id if isinstance(event, ContactErased) else envelope.booking_id


def _contacts(envelope: Envelope) -> list[str]:
    event = envelope.event
    if isinstance(event, BookingEvent):
        return sorted(touched_contacts(event.booking))
    return [event.contact_id] if isinstance(event, ContactErased) else []


def _bookings(session: Session, envelope: Envelope, generation: int) -> Iterator[_Subject]:
    event, recorded_at = envelope.event, envelope.recorded_at
    if isinstance(event, BookingEvent):
        yield _Subject(envelope, envelope.booking_id, _ended(event.booking.end, recorded_at))
    elif isinstance(event, ContactErased):
        for booking_id, end in bookings_naming(session, generation, event.contact_id):
            yield _Subject(envelope, booking_id, _ended(end, recorded_at))


def _ended(end: datetime | None, recorded_at: datetime | None) -> bool:
    return end is not None and recorded_at is not None and end < recorded_at


def _held(
    session: Session, registrations: Sequence[SinkRegistration], subjects: Sequence[_Subject]
) -> frozenset[_Target]:
    """The (sink, booking) pairs among those that have ended for which the target may hold something.

    Rows are read before receipts, for the reason `_absent` has.
    """
    ended = {subject.key for subject in subjects if subject.ended}
    mirrors = [sink.name for sink in registrations if sink.kind == "booking"]
    if not ended or not mirrors:
        return frozenset()
    rows = select(col(DeliveryRow.sink), col(DeliveryRow.key)).where(
        col(DeliveryRow.sink).in_(mirrors),
        col(DeliveryRow.key).in_(ended),
        col(DeliveryRow.state).in_(_MAY_HOLD),
    )
    held = {(sink, key) for sink, key in session.execute(rows)}
    receipts = select(col(TargetReceiptRow.sink), col(TargetReceiptRow.key)).where(
        col(TargetReceiptRow.sink).in_(mirrors), col(TargetReceiptRow.key).in_(ended)
    )
    return frozenset(held | {(sink, key) for sink, key in session.execute(receipts)})


def _revive(session: Session, rows: Sequence[DeliveryRow]) -> None:
    """Forget that these events had vanished with a part of the log: they are back, under the same ids."""
    if rows:
        session.execute(
            delete(DeliveryRow)
            .where(
                col(DeliveryRow.sink).in_({row.sink for row in rows}),
                col(DeliveryRow.event_id).in_({row.event_id for row in rows}),
                col(DeliveryRow.state) == "skipped",
                col(DeliveryRow.reason) == DIVERGED,
            )
            .execution_options(synchronize_session=False)
        )
