"""Delivery rows, written in the same transaction as what they are about.

The row's primary key (sink, event, key) is the deduplication: an event read twice adds nothing. What
must not be acted on gets a row all the same, `skipped` with the reason, so that `why` can tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session, col

from events import BookingCancelled, BookingEvent, ContactErased, Envelope
from events.contact import touched_contacts
from hub.projections.bookings import bookings_naming
from hub.projections.sinks import SinkRegistration
from hub.projections.timeline import is_hidden
from hub.store import deliveries
from hub.store.tables import DeliveryRow, TargetReceiptRow

BACKFILL = "backfill"
TOO_OLD = "too_old"
ENDED = "ended"
DIVERGED = "diverged"
"""Why a row is skipped; `diverged` is undone when the event comes back into the log."""


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
    shown = [envelope for envelope in envelopes if not is_hidden(envelope.event)]
    bookings = [subject for envelope in shown for subject in _bookings(session, envelope, generation)]
    held = _held(session, registrations, bookings)
    rows = [
        row
        for registration in registrations
        for row in _rows_of(registration, shown, bookings, held=held, now=now)
    ]
    _revive(session, rows)
    return deliveries.insert(session, rows)


def _rows_of(
    sink: SinkRegistration,
    shown: Sequence[Envelope],
    bookings: Sequence[_Subject],
    *,
    held: frozenset[tuple[str, str]],
    now: datetime,
) -> Iterator[DeliveryRow]:
    if sink.kind == "booking":
        subjects: Iterator[_Subject] = iter(bookings)
    elif sink.kind == "contact":
        subjects = (_Subject(envelope, key) for envelope in shown for key in _contacts(envelope))
    else:
        subjects = (_Subject(envelope, _own_key(envelope)) for envelope in shown)
    for subject in subjects:
        envelope = subject.envelope
        if envelope.position > sink.start_position and sink.acts_on(envelope.type):
            yield _row(sink, subject, reason=_skipped_for(sink, subject, held), now=now)


def _skipped_for(sink: SinkRegistration, subject: _Subject, held: frozenset[tuple[str, str]]) -> str | None:
    envelope = subject.envelope
    if sink.kind == "booking":
        return ENDED if subject.ended and (sink.name, subject.key) not in held else None
    if sink.kind == "contact":
        return None
    if envelope.provenance == "backfill":
        return BACKFILL
    recorded_at = envelope.recorded_at
    if sink.max_age is not None and recorded_at and envelope.occurred_at < recorded_at - sink.max_age:
        return TOO_OLD
    return None


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
) -> frozenset[tuple[str, str]]:
    """The (sink, booking) pairs among those that have ended for which the target holds something."""
    ended = {subject.key for subject in subjects if subject.ended}
    mirrors = [sink.name for sink in registrations if sink.kind == "booking"]
    if not ended or not mirrors:
        return frozenset()
    found = session.execute(
        select(col(TargetReceiptRow.sink), col(TargetReceiptRow.key))
        .where(col(TargetReceiptRow.sink).in_(mirrors), col(TargetReceiptRow.key).in_(ended))
        .distinct()
    )
    return frozenset((sink, key) for sink, key in found)


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
