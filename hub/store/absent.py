"""Active bookings that a complete poll did not show: looked for by id, and never taken for cancelled."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete
from sqlmodel import Session, col, select

from hub.store.statements import insert_new, upsert
from hub.store.tables import AbsentRow, BookingRow

ROWS_AT_ONCE = 500


def note(session: Session, source: str, provider_ids: Collection[str], *, now: datetime) -> None:
    """These were not shown just now; `since` stays that of the first time."""
    rows = [AbsentRow(source=source, provider_id=one, since=now) for one in provider_ids]
    insert_new(session, rows)


def checked(session: Session, source: str, provider_id: str, *, missing: bool, now: datetime) -> None:
    """The provider was asked for the booking itself."""
    values = {
        "source": source,
        "provider_id": provider_id,
        "since": now,
        "checked_at": now,
        "missing": missing,
    }
    upsert(session, AbsentRow, [values], keep=("since",))


def seen(session: Session, source: str, provider_ids: Collection[str]) -> None:
    """These were shown again."""
    mine = _of(source)
    ids = sorted(provider_ids)
    for begin in range(0, len(ids), ROWS_AT_ONCE):
        some = ids[begin : begin + ROWS_AT_ONCE]
        session.exec(delete(AbsentRow).where(mine, col(AbsentRow.provider_id).in_(some)))


def to_check(session: Session, source: str, *, before: datetime, limit: int) -> list[str]:
    """Those that were not asked for since this moment, the longest unasked first."""
    asked_before = col(AbsentRow.checked_at).is_(None) | (col(AbsentRow.checked_at) < before)
    ordered = (
        select(AbsentRow.provider_id)
        .where(_of(source), asked_before)
        .order_by(
            col(AbsentRow.checked_at).asc().nulls_first(), col(AbsentRow.since), col(AbsentRow.provider_id)
        )
        .limit(limit)
    )
    return list(session.exec(ordered))


def forget_settled(session: Session, generation: int, source: str, *, begin: datetime) -> None:
    """Whose booking is not active any more, or took place before this moment, is not looked for."""
    expected = (
        select(BookingRow.booking_id)
        .where(
            col(BookingRow.generation) == generation,
            col(BookingRow.source) == col(AbsentRow.source),
            col(BookingRow.provider_id) == col(AbsentRow.provider_id),
            col(BookingRow.status) == "active",
            col(BookingRow.start) >= begin,
        )
        .exists()
    )
    session.exec(delete(AbsentRow).where(_of(source), ~expected))


@dataclass(frozen=True, slots=True)
class Missing:
    """An active booking the provider has no more."""

    source: str
    booking_id: str
    start: datetime | None
    since: datetime


def missing(session: Session, generation: int) -> list[Missing]:
    """What the providers do not have any more, the longest missing first."""
    found = session.exec(
        select(BookingRow.source, BookingRow.booking_id, BookingRow.start, AbsentRow.since)
        .where(
            AbsentRow.missing,
            col(BookingRow.generation) == generation,
            col(BookingRow.source) == col(AbsentRow.source),
            col(BookingRow.provider_id) == col(AbsentRow.provider_id),
            col(BookingRow.status) == "active",
        )
        .order_by(col(AbsentRow.since), col(BookingRow.booking_id))
    )
    return [Missing(*row) for row in found]


def _of(source: str) -> ColumnElement[bool]:
    return col(AbsentRow.source) == source
