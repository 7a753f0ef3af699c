"""The guard: how many objects at a target change or go in an hour without a new fact behind it.

A row that no new fact asks for is `watched`. What it did counts once it is done; when an hour's share is
used up, or a batch is known to need more than what is left, rows are `held`: they wait for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, update
from sqlmodel import Session, col, select

from hub.store.statements import table_of
from hub.store.tables import DeliveryRow

WATCHED = "watched"
HELD = "held"

UNTIL_LET_GO = datetime(9999, 12, 31, tzinfo=UTC)
"""When a held row is due, so that no search for due rows meets it."""

PERIOD = timedelta(hours=1)

HARMLESS = frozenset(("created", "unchanged", "nothing wanted", "nothing to remove"))
"""What an adapter may say it did without having changed or removed anything."""

_rows = table_of(DeliveryRow)


@dataclass(frozen=True, slots=True)
class Held:
    """How many rows of a sink wait for a person, and since when."""

    count: int
    since: datetime


def used(session: Session, sink: str, *, now: datetime) -> int:
    """How many watched rows have changed or removed something within the hour."""
    grouped = session.execute(
        select(DeliveryRow.outcome, func.count())
        .where(
            *_of(sink, WATCHED),
            DeliveryRow.state == "delivered",
            col(DeliveryRow.finished_at) > now - PERIOD,
        )
        .group_by(col(DeliveryRow.outcome))
    )
    return sum(count for outcome, count in grouped if changes_something(outcome))


def under_way(session: Session, sink: str) -> int:
    """How many watched rows are being sent; whether they change anything is not known yet."""
    counted = select(func.count()).where(*_of(sink, WATCHED), DeliveryRow.state == "sending")
    return session.exec(counted).one()


def has_room(session: Session, sink: str, changes: int, *, guard: int, now: datetime) -> bool:
    """Whether so many more may be begun unasked in this hour; what is being sent counts as if it changed."""
    return used(session, sink, now=now) + under_way(session, sink) + changes <= guard


def changes_something(outcome: str | None) -> bool:
    """Whether this is the outcome of a delivery that changed or removed an object; unknown words do."""
    return not set((outcome or "").split(", ")) <= HARMLESS


def hold(session: Session, sink: str, *, now: datetime) -> int:
    """Every watched row that still waits is held from now on; returns how many."""
    return session.exec(
        update(_rows)
        .where(*_of(sink, WATCHED), col(DeliveryRow.state) == "pending")
        .values(guard=HELD, due_at=UNTIL_LET_GO, changed_at=now)
    ).rowcount


def let_go(session: Session, rows: Sequence[DeliveryRow], *, now: datetime) -> int:
    """A person wants these held rows delivered: they count for nobody any more. Returns how many."""
    done = 0
    for row in rows:
        done += session.exec(
            update(_rows)
            .where(
                *_waiting_of(row.sink),
                col(DeliveryRow.event_id) == row.event_id,
                col(DeliveryRow.key) == row.key,
            )
            .values(guard=None, due_at=now, changed_at=now)
        ).rowcount
    return done


def held_rows(session: Session, sink: str) -> list[DeliveryRow]:
    """The rows of a sink that wait for a person, in the order of the log."""
    order = (col(DeliveryRow.position), col(DeliveryRow.event_id), col(DeliveryRow.key))
    return list(session.exec(select(DeliveryRow).where(*_waiting_of(sink)).order_by(*order)))


def held(session: Session) -> Mapping[str, Held]:
    """The sinks that are held."""
    grouped = session.execute(
        select(DeliveryRow.sink, func.count(), func.min(DeliveryRow.changed_at))
        .where(DeliveryRow.guard == HELD, DeliveryRow.state == "pending")
        .group_by(col(DeliveryRow.sink))
    )
    return {sink: Held(count, since) for sink, count, since in grouped}


def is_held(row: DeliveryRow) -> bool:
    """Whether this row waits for a person."""
    return row.guard == HELD and row.state == "pending"


def _waiting_of(sink: str) -> list[ColumnElement[bool]]:
    return [*_of(sink, HELD), col(DeliveryRow.state) == "pending"]


def _of(sink: str, guard: str) -> list[ColumnElement[bool]]:
    return [col(DeliveryRow.sink) == sink, col(DeliveryRow.guard) == guard]
