"""What people mean by a REF: an id, a unique prefix of six, a mail or part of a name, `@last`.

An exact id wins over a prefix, and a prefix over a name; several hits of the winning kind are listed
and nothing is guessed.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, false, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from hub.store.tables import (
    AttendeeRow,
    BookingRow,
    ContactRow,
    DeliveryRow,
    InboxRow,
    ProviderIdRow,
    TargetReceiptRow,
    TimelineRow,
)
from hub.web.present import booking_of
from hub.web.problems import ProblemError, not_found
from hub.web.wire import instant, is_text

LAST = "@last"
PREFIX = 6
SHOWN = 20

Condition = ColumnElement[bool]
HitT = TypeVar("HitT")


def one_booking(session: Session, generation: int, ref: str) -> BookingRow:
    """The booking a REF means; raises ProblemError `not-found` or `ambiguous`."""
    hits = _bookings(session, generation, ref.strip())
    if not hits:
        raise not_found("booking", ref, next="bookinghub bookings list")
    if len(hits) > 1:
        raise _ambiguous(ref, hits)
    return hits[0]


def one_event(session: Session, generation: int, ref: str) -> TimelineRow:
    """The event with this id, prefix or position (`1041` or `#1041`)."""
    text = ref.strip()
    served = col(TimelineRow.generation) == generation
    number = text.removeprefix("#")
    hits: Sequence[TimelineRow] = []
    if number.isascii() and number.isdigit() and len(number) < 19:
        hits = session.exec(select(TimelineRow).where(served, TimelineRow.position == int(number))).all()
    if not hits:
        same = _by_id(session, TimelineRow.event_id, text)
        hits = session.exec(select(TimelineRow).where(served, same).limit(SHOWN + 1)).all()
    shown = [{"event_id": hit.event_id, "type": hit.type, "position": hit.position} for hit in hits]
    return _only("event", ref, hits, shown, next="bookinghub events list")


def delivery_rows(session: Session, event: str) -> Sequence[DeliveryRow]:
    """The delivery rows of events with this id or prefix."""
    same = _by_id(session, DeliveryRow.event_id, event.strip())
    order = (col(DeliveryRow.position), col(DeliveryRow.sink), col(DeliveryRow.key))
    return session.exec(select(DeliveryRow).where(same).order_by(*order).limit(200)).all()


def one_receipt(session: Session, ref: str) -> InboxRow:
    """The inbox receipt with this id or prefix."""
    same = _by_id(session, InboxRow.receipt_id, ref.strip())
    hits = session.exec(select(InboxRow).where(same).limit(SHOWN + 1)).all()
    shown = [{"receipt_id": hit.receipt_id, "received_at": instant(hit.received_at)} for hit in hits]
    return _only("receipt", ref, hits, shown, next="bookinghub inbox list")


def one_contact(session: Session, generation: int, ref: str) -> ContactRow:
    """The contact with this id, prefix, mail, phone or name part."""
    hits = contacts(session, generation, ref)
    shown = [{"contact_id": hit.contact_id, "email": hit.email, "name": hit.name} for hit in hits]
    return _only("contact", ref, hits, shown, next="bookinghub contacts list")


def contacts(session: Session, generation: int, ref: str) -> Sequence[ContactRow]:
    """All contacts a REF may mean, at most one more than are shown."""
    text = ref.strip()
    exactly = or_(
        col(ContactRow.contact_id) == text,
        col(ContactRow.email).ilike(_escaped(text), escape="\\"),
        col(ContactRow.phone) == text,
    )
    part = or_(_contains(ContactRow.name, text), _contains(ContactRow.email, text))
    choices = [exactly, _begins(session, ContactRow.contact_id, text), part]
    for condition in choices if is_text(text) else ():
        hits = session.exec(
            select(ContactRow)
            .where(ContactRow.generation == generation, condition)
            .order_by(col(ContactRow.position).desc())
            .limit(SHOWN + 1)
        ).all()
        if hits:
            return hits
    return ()


def contact_ids(session: Session, generation: int, ref: str) -> list[str]:
    """The ids a contact selector stands for: any contact that matches."""
    return [row.contact_id for row in contacts(session, generation, ref)]


def _bookings(session: Session, generation: int, ref: str) -> Sequence[BookingRow]:
    if ref == LAST:
        newest = _select(generation).limit(1)
        return session.exec(newest).all()
    if not is_text(ref):
        return ()
    for ids in (_ids_of(generation, _equal(ref)), _ids_of(generation, _prefix(session, ref))):
        hits = session.exec(_select(generation).where(or_(*ids)).limit(SHOWN + 1)).all()
        if hits:
            return hits
    named = select(AttendeeRow.booking_id).where(
        AttendeeRow.generation == generation,
        or_(_contains(AttendeeRow.name, ref), _contains(AttendeeRow.email, ref)),
    )
    return session.exec(
        _select(generation).where(col(BookingRow.booking_id).in_(named)).limit(SHOWN + 1)
    ).all()


def _select(generation: int) -> SelectOfScalar[BookingRow]:
    return (
        select(BookingRow)
        .where(BookingRow.generation == generation)
        .order_by(col(BookingRow.position).desc(), col(BookingRow.booking_id))
    )


def _ids_of(generation: int, match: Any) -> list[Condition]:
    """Conditions on bookings: one of the ids that lead to them matches."""
    booking_id = col(BookingRow.booking_id)
    provider_id = select(ProviderIdRow.booking_id).where(
        ProviderIdRow.generation == generation, match(ProviderIdRow.provider_id)
    )
    event = select(TimelineRow.booking_id).where(
        TimelineRow.generation == generation, match(TimelineRow.event_id)
    )
    receipt = (
        select(ProviderIdRow.booking_id)
        .join(
            InboxRow,
            and_(
                col(InboxRow.source) == col(ProviderIdRow.source),
                col(InboxRow.provider_id) == col(ProviderIdRow.provider_id),
            ),
        )
        .where(ProviderIdRow.generation == generation, match(InboxRow.receipt_id))
    )
    target = select(TargetReceiptRow.key).where(match(TargetReceiptRow.external_id))
    return [
        match(BookingRow.booking_id),
        *(booking_id.in_(ids) for ids in (provider_id, event, receipt, target)),
    ]


def _equal(ref: str) -> Any:
    return lambda column: col(column) == ref


def _prefix(session: Session, ref: str) -> Any:
    return lambda column: _begins(session, column, ref)


def _by_id(session: Session, column: Any, ref: str) -> Condition:
    if not is_text(ref):
        return false()
    return or_(col(column) == ref, _begins(session, column, ref))


def _begins(session: Session, column: Any, prefix: str) -> Condition:
    """Whether an id begins so; never for fewer than six characters."""
    if len(prefix) < PREFIX or not is_text(prefix):
        return false()
    if session.get_bind().dialect.name == "sqlite":
        # LIKE would read the whole table; SQLite compares text by its bytes, so a range does the same.
        return and_(col(column) >= prefix, col(column) < prefix + "\U0010ffff")
    return col(column).startswith(prefix, autoescape=True)


def _contains(column: Any, part: str) -> Condition:
    """Whether a name or mail holds this part; SQLite folds the case of ASCII only."""
    variants = sorted({part, part.lower(), part.title(), part.upper()})
    return or_(*(col(column).icontains(variant, autoescape=True) for variant in variants))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _only(kind: str, ref: str, hits: Sequence[HitT], shown: list[dict[str, Any]], *, next: str) -> HitT:
    if not hits:
        raise not_found(kind, ref, next=next)
    if len(hits) > 1:
        raise ProblemError(
            "ambiguous",
            f"{ref!r} matches {_count(hits)} {kind}s",
            next=next,
            extra={"candidates": shown[:SHOWN]},
        )
    return hits[0]


def _ambiguous(ref: str, hits: Sequence[BookingRow]) -> ProblemError:
    bookings = [booking_of(hit) for hit in hits[:SHOWN]]
    shown = [
        {
            "booking_id": booking.booking_id,
            "title": booking.title,
            "start": instant(booking.start),
            "status": booking.status,
            "attendees": [attendee.name or attendee.email for attendee in booking.attendees],
        }
        for booking in bookings
    ]
    return ProblemError(
        "ambiguous",
        f"{ref!r} matches {_count(hits)} bookings; give an id or a prefix of it",
        next=f"bookinghub why {hits[0].booking_id}",
        extra={"candidates": shown},
    )


def _count(hits: Sequence[Any]) -> str:
    return f"more than {SHOWN}" if len(hits) > SHOWN else str(len(hits))
