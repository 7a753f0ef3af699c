"""Bookings that are being replaced by new ones, so that whoever sees the new one first knows what it is.

A row is written before the provider is asked and goes when both halves are as they should be; one that
stays tells of a replacement that was cut off.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, literal, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, and_, col, select

from hub.store.statements import insert_new, table_of
from hub.store.tables import ReplacementRow

_ANY = select_columns(literal(1)).select_from(table_of(ReplacementRow)).limit(1)

CLOCKS_APART = timedelta(minutes=10)
"""How much earlier than it was asked for, by our clock, a provider may date the new booking."""


def begin(session: Session, row: ReplacementRow) -> bool:
    """Note that a new booking is about to be asked for; False if one was for this booking already."""
    return bool(insert_new(session, [row]))


def made(session: Session, source: str, former_id: str, *, new_id: str) -> None:
    """The provider has named the new booking."""
    session.exec(update(ReplacementRow).where(*_of(source, former_id)).values(new_id=new_id))


def end(session: Session, source: str, former_id: str, *, command_id: str) -> None:
    """Nothing is left to do; a later replacement of the same booking stays."""
    session.exec(
        delete(ReplacementRow).where(*_of(source, former_id), col(ReplacementRow.command_id) == command_id)
    )


def get(session: Session, source: str, former_id: str) -> ReplacementRow | None:
    """What is under way for this booking."""
    return session.get(ReplacementRow, (source, former_id))


def of_booking(session: Session, booking_id: str) -> ReplacementRow | None:
    """The same by the root of its chain, whichever half is being replaced."""
    chosen = select(ReplacementRow).where(ReplacementRow.booking_id == booking_id)
    return session.exec(chosen.order_by(col(ReplacementRow.asked_at))).first()


def every(session: Session) -> Sequence[ReplacementRow]:
    """Everything that is under way, the oldest first."""
    return session.exec(select(ReplacementRow).order_by(col(ReplacementRow.asked_at))).all()


def half_done(session: Session, *, before: datetime, limit: int = 20) -> Sequence[ReplacementRow]:
    """What has been under way since before then: longer than two requests take."""
    old = col(ReplacementRow.asked_at) < before
    order = col(ReplacementRow.asked_at)
    return session.exec(select(ReplacementRow).where(old).order_by(order).limit(limit)).all()


def replaced_by(
    session: Session,
    source: str,
    provider_id: str,
    *,
    start: datetime,
    created_at: datetime | None,
    contact_ids: Collection[str],
) -> ReplacementRow | None:
    """The replacement a new booking was made for by a command of ours; None if it was not.

    Where the provider has not named it to us yet, it is the one of the same person at the start asked for.
    """
    # Asked for every new booking, and nearly always there is none.
    if session.connection().execute(_ANY).first() is None:
        return None
    unnamed: list[ColumnElement[bool]] = [
        col(ReplacementRow.new_id).is_(None),
        col(ReplacementRow.start) == start,
        col(ReplacementRow.contact_id).in_(contact_ids),
    ]
    if created_at is not None:
        unnamed.append(col(ReplacementRow.asked_at) <= created_at + CLOCKS_APART)
    return session.exec(
        select(ReplacementRow)
        .where(
            ReplacementRow.source == source,
            ReplacementRow.former_id != provider_id,
            or_(col(ReplacementRow.new_id) == provider_id, and_(*unnamed)),
        )
        .order_by(col(ReplacementRow.asked_at))
    ).first()


def _of(source: str, former_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(ReplacementRow.source) == source, col(ReplacementRow.former_id) == former_id
