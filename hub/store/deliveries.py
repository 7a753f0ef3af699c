"""Delivery rows: one event for one key of one sink. Rows wait here; nothing waits in the broker.

Workers change rows through `claims`; this module adds, lists, counts, and does what people ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, case, func, or_, true, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from hub.store.guard import HELD
from hub.store.paging import Page, newest_first
from hub.store.statements import insert_new_values, table_of, values_of
from hub.store.tables import DeliveryRow

DeliveryState = Literal[
    "pending", "sending", "delivered", "covered", "parked", "dead", "uncertain", "skipped"
]

DELIVERIES = table_of(DeliveryRow)

_not_held = DELIVERIES.c.guard.is_distinct_from(HELD)

OPEN_STATES = ("pending", "sending", "parked")
"""What still has to be delivered, and therefore comes before later rows of its key."""

FINAL_STATES = ("delivered", "covered", "dead", "skipped")

RETRIABLE_STATES = ("parked", "dead", "uncertain")

ASKS = "ApprovalNeededError"
"""The error class of a parked row that waits for a person to let it through."""

NOT_MATCHED = "not_matched"
"""The reason of a row whose booking or contact its sink does not take: skipped, or delivered as absent."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which rows are wanted; absent is all. `since` and `until` bound the last change."""

    sink: str | None = None
    states: tuple[str, ...] | None = None
    booking_id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    key: str | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        names = ("sink", "booking_id", "event_id", "event_type", "key", "error_class")
        found: list[ColumnElement[bool]] = [
            col(getattr(DeliveryRow, name)) == getattr(self, name)
            for name in names
            if getattr(self, name) is not None
        ]
        if self.states is not None:
            found.append(col(DeliveryRow.state).in_(self.states))
        if self.since is not None:
            found.append(col(DeliveryRow.changed_at) >= self.since)
        if self.until is not None:
            found.append(col(DeliveryRow.changed_at) < self.until)
        return found


@dataclass(frozen=True, slots=True)
class Lag:
    """Open rows of a sink, and since when the one earliest in the log waits."""

    rows: int
    since: datetime | None


def insert(session: Session, rows: Sequence[DeliveryRow]) -> int:
    """Add rows and return how many are new; a known event is never delivered again by this.

    A new row that waits wakes the parked rows before it on its key.
    """
    values = [values_of(row) for row in rows]
    for value in values:
        value.setdefault("changed_at", value["created_at"])
    new = insert_new_values(session, DeliveryRow, values)
    if new:
        _wake_parked(session, [row for row in rows if row.state == "pending"])
    return new


def _wake_parked(session: Session, rows: Sequence[DeliveryRow]) -> None:
    newest = {(row.sink, row.key): row for row in rows}
    parked = session.execute(
        select(DeliveryRow.sink, DeliveryRow.key)
        .where(col(DeliveryRow.sink).in_({row.sink for row in rows}), DeliveryRow.state == "parked")
        .distinct()
    ).all()
    for sink, key in parked:
        row = newest.get((sink, key))
        if row is not None:
            retry(session, DeliveryFilter(sink=sink, key=key, states=("parked",)), now=row.created_at)


def get(session: Session, *, sink: str, event_id: str, key: str) -> DeliveryRow | None:
    """One row."""
    return session.get(DeliveryRow, (sink, event_id, key))


def listing(
    session: Session, wanted: DeliveryFilter, *, limit: int | None = 50, cursor: str | None = None
) -> Page[DeliveryRow]:
    """Rows, last changed first."""
    return newest_first(
        session,
        DeliveryRow,
        order=("changed_at", "sink", "event_id", "key"),
        where=wanted.conditions(),
        limit=limit,
        cursor=cursor,
    )


def of_booking(session: Session, booking_id: str) -> list[DeliveryRow]:
    """All rows of a booking in the order of their facts."""
    return list(
        session.exec(
            select(DeliveryRow)
            .where(DeliveryRow.booking_id == booking_id)
            .order_by(col(DeliveryRow.position), col(DeliveryRow.sink), col(DeliveryRow.key))
        )
    )


def retry(
    session: Session, wanted: DeliveryFilter, *, now: datetime, cause: str | None = None, attempts: int = 0
) -> int:
    """Let parked, dead and uncertain rows try again, from the start unless `attempts` are behind them.

    An uncertain row may have had its effect: who must not repeat that leaves the state out of the filter.
    With a new `cause`, or if it was uncertain, what it may have done is forgotten. Returns how many.
    """
    values: dict[str, Any] = {
        "state": "pending",
        "attempts": attempts,
        "due_at": now,
        "changed_at": now,
        "finished_at": None,
    }
    forgotten = DELIVERIES.c.state == "uncertain" if cause is None else true()
    for name in ("first_attempt_at", "unknown_since"):
        values[name] = case((forgotten, None), else_=DELIVERIES.c[name])
    if cause is not None:
        values["cause"] = cause
    return session.exec(
        update(DELIVERIES)
        .where(*wanted.conditions(), col(DeliveryRow.state).in_(RETRIABLE_STATES))
        .values(values)
    ).rowcount


def go_on(session: Session, sink: str, *, since: datetime, attempts: int, now: datetime) -> None:
    """The target serves again: what failed `since` then is due now.

    Parked rows get one more attempt if `attempts` is one less than the most there are.
    """
    of_sink = DELIVERIES.c.sink == sink
    parked = (of_sink, DELIVERIES.c.state == "parked", DELIVERIES.c.changed_at >= since)
    woken = {"state": "pending", "attempts": attempts, "due_at": now, "changed_at": now}
    session.execute(update(DELIVERIES).where(*parked).values(woken))
    waiting = (of_sink, DELIVERIES.c.state == "pending", DELIVERIES.c.due_at > now)
    failed = (DELIVERIES.c.error_at >= since, DELIVERIES.c.hold.is_(False), _not_held)
    session.execute(update(DELIVERIES).where(*waiting, *failed).values(due_at=now))


def drop(
    session: Session, wanted: DeliveryFilter, *, now: datetime, reason: str, sending: bool = False
) -> int:
    """Skip rows nobody wants delivered any more, those being sent only if asked for; returns how many."""
    states = ("pending", *RETRIABLE_STATES, *(["sending"] if sending else []))
    return session.exec(
        update(DELIVERIES)
        .where(*wanted.conditions(), col(DeliveryRow.state).in_(states))
        .values(state="skipped", reason=reason, finished_at=now, changed_at=now)
    ).rowcount


def longest_parked(session: Session, sink: str, *, since: datetime | None = None) -> DeliveryRow | None:
    """Of the rows that were parked `since` then, the one that has been so for longest."""
    wanted = DeliveryFilter(sink=sink, states=("parked",), since=since)
    oldest = (col(DeliveryRow.changed_at), col(DeliveryRow.position))
    return session.exec(select(DeliveryRow).where(*wanted.conditions()).order_by(*oldest).limit(1)).first()


def has_open(session: Session, sink: str) -> bool:
    """Whether anything is left to be delivered that no person has to let go first."""
    wanted = (DELIVERIES.c.sink == sink, DELIVERIES.c.state.in_(OPEN_STATES), _not_held)
    return session.execute(select(DELIVERIES.c.key).where(*wanted).limit(1)).first() is not None


def counts(session: Session) -> dict[str, dict[str, int]]:
    """How many rows each sink has in each state that occurs."""
    found: dict[str, dict[str, int]] = {}
    grouped = select(DeliveryRow.sink, DeliveryRow.state, func.count()).group_by(
        col(DeliveryRow.sink), col(DeliveryRow.state)
    )
    for sink, state, count in session.execute(grouped):
        found.setdefault(sink, {})[state] = count
    return found


def lag(session: Session) -> dict[str, Lag]:
    """What each sink still has to deliver, rows that wait for their time included; no entry = nothing."""
    is_open = col(DeliveryRow.state).in_(OPEN_STATES)
    first = (
        select(
            col(DeliveryRow.sink),
            func.count().label("rows"),
            func.min(DeliveryRow.position).label("position"),
        )
        .where(is_open)
        .group_by(col(DeliveryRow.sink))
        .subquery()
    )
    found = session.execute(
        select(first.c.sink, first.c.rows, func.min(DeliveryRow.created_at))
        .join(
            DeliveryRow,
            (col(DeliveryRow.sink) == first.c.sink) & (col(DeliveryRow.position) == first.c.position),
        )
        .where(is_open)
        .group_by(first.c.sink, first.c.rows)
    )
    return {sink: Lag(rows, since) for sink, rows, since in found}


def made_good() -> ColumnElement[bool]:
    """Whether a later row of the same key is done, so that nothing is missing at the target."""
    newer = aliased(DeliveryRow)
    return (
        select(newer.sink)
        .where(
            col(newer.sink) == col(DeliveryRow.sink),
            col(newer.key) == col(DeliveryRow.key),
            col(newer.position) > col(DeliveryRow.position),
            col(newer.state).in_(("delivered", "covered")),
        )
        .exists()
    )


def next_due(session: Session, *, after: datetime, sinks: Sequence[str] | None = None) -> datetime | None:
    """When the earliest waiting row that is not due at `after` becomes due; None if there is none."""
    mine = [] if sinks is None else [or_(*(col(DeliveryRow.sink) == sink for sink in sinks))]
    return session.exec(
        select(func.min(DeliveryRow.due_at)).where(
            *mine, DeliveryRow.state == "pending", col(DeliveryRow.due_at) > after
        )
    ).one()
