"""What the projections know of a source, for whoever asks it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from hub.store import absent, checkpoints
from hub.store.tables import BookingRow


@dataclass(frozen=True, slots=True)
class Expected:
    """An active booking that a list should show, and a host in whose list it stands."""

    provider_id: str
    host: str | None


def hosts(session: Session, source: str) -> list[str]:
    """Every host of a booking of this source."""
    lists = select(BookingRow.host_ids).where(*_of(session, source)).distinct()
    return sorted({host for found in session.exec(lists) for host in found if host})


def not_shown(
    session: Session, source: str, *, begin: datetime, end: datetime, before: int, shown: Collection[str]
) -> list[Expected]:
    """Active bookings of this span that stood in the log before the lists were read and are in none.

    Only what is known to be active now is missed: what was cancelled meanwhile settles by itself.
    """
    expected = session.exec(
        select(BookingRow.provider_id, BookingRow.host_ids).where(
            *_of(session, source),
            col(BookingRow.status) == "active",
            col(BookingRow.start) >= begin,
            col(BookingRow.start) < end,
            col(BookingRow.position) <= before,
        )
    )
    return [Expected(one, next(iter(of), None)) for one, of in expected if one not in shown]


def forget_settled(session: Session, source: str, *, begin: datetime) -> None:
    """What is not active any more, or took place before this moment, is not looked for."""
    absent.forget_settled(session, _generation(session), source, begin=begin)


def _of(session: Session, source: str) -> tuple[ColumnElement[bool], ...]:
    return (col(BookingRow.generation) == _generation(session), col(BookingRow.source) == source)


def _generation(session: Session) -> int:
    checkpoint = checkpoints.live(session)
    return checkpoint.generation if checkpoint else 0

