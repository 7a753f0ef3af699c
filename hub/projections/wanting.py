"""Bringing objects of a mirror to the desired state again although no new fact asks for it.

A change of the configuration, the repair of a drift and a confirmed replay come through here, so that
the guard stands before all of them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update
from sqlmodel import Session, col

from hub.projections.generations import live_checkpoint
from hub.projections.sinks import SinkKind, newest_rows
from hub.store import guard as guards
from hub.store import sinks
from hub.store.guard import HELD, UNTIL_LET_GO, WATCHED
from hub.store.statements import insert_for, table_of
from hub.store.tables import BookingRow, ContactRow, DeliveryRow

KEYS_AT_ONCE = 500

_UNDER_WAY = ("pending", "sending")
_OWED = ("parked", "dead", "uncertain")
"""States of rows that are still owed to the fact which made them: the guard has no say in those."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of the keys: they have so many rows, of which so many wait for a person."""

    rows: int = 0
    held: int = 0


def want_again(
    session: Session,
    sink: str,
    kind: SinkKind,
    keys: Collection[str],
    *,
    harmful: Collection[str],
    cause: str,
    guard: int | None,
    now: datetime,
) -> Asked:
    """Make one waiting row per key, in the row of its newest event; a key under way is left to what is.

    `harmful` are the keys whose delivery is expected to change or remove something. If they are more
    than the hour's guard has left, all of them are held, none is begun. None = no guard.
    """
    live = live_checkpoint(session)
    if live is None or not keys:
        return Asked()
    sinks.lock(session, sink)  # two processes must not both use what the guard has left
    rows = [
        row
        for chunk in _chunks(keys)
        for row in _rows(session, sink, kind, live.generation, chunk, cause, now)
    ]
    counted = {row["key"] for row in rows if row["key"] in harmful} - _under_way(session, sink, rows)
    held = guard is not None and is_too_much(session, sink, len(counted), guard=guard, now=now)
    for row in rows:
        if row["key"] in harmful:
            row.update({"guard": HELD, "due_at": UNTIL_LET_GO} if held else {"guard": WATCHED})
    for some in _chunks(rows):
        _upsert(session, some, now)
    return Asked(len(rows), _held(session, sink, cause))


def withdraw(session: Session, sink: str, *, cause: str, reason: str, now: datetime) -> set[str]:
    """Take back what was asked for such a cause and is not begun; returns the keys it was asked for."""
    mine = (
        col(DeliveryRow.sink) == sink,
        col(DeliveryRow.guard).is_not(None),
        col(DeliveryRow.state) == "pending",
        col(DeliveryRow.cause).startswith(cause, autoescape=True),
    )
    keys = set(session.execute(select(col(DeliveryRow.key)).where(*mine)).scalars())
    if keys:
        values = {"state": "covered", "guard": None, "reason": reason, "finished_at": now, "changed_at": now}
        session.execute(update(table_of(DeliveryRow)).where(*mine).values(values))
    return keys


def is_too_much(session: Session, sink: str, count: int, *, guard: int, now: datetime) -> bool:
    """Whether so many changes and removals are more than the guard lets pass unasked in this hour."""
    return count > 0 and count + guards.used(session, sink, now=now) > guard


def _rows(
    session: Session,
    sink: str,
    kind: SinkKind,
    generation: int,
    keys: Sequence[str],
    cause: str,
    now: datetime,
) -> Iterator[dict[str, Any]]:
    key = col(BookingRow.booking_id) if kind == "booking" else col(ContactRow.contact_id)
    wanted = newest_rows(sink, kind, generation, cause=cause, wanted=key.in_(keys), now=now)
    return (dict(row) for row in session.execute(wanted).mappings().all())


def _under_way(session: Session, sink: str, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Keys of which a row waits or is being sent because of a fact: nothing more is asked of them."""
    found: set[str] = set()
    for chunk in _chunks([row["key"] for row in rows]):
        waiting = select(col(DeliveryRow.key)).where(
            col(DeliveryRow.sink) == sink,
            col(DeliveryRow.key).in_(chunk),
            col(DeliveryRow.state).in_(_UNDER_WAY),
            col(DeliveryRow.guard).is_(None),
        )
        found |= set(session.execute(waiting).scalars())
    return found


def _held(session: Session, sink: str, cause: str) -> int:
    counted = select(func.count()).where(
        col(DeliveryRow.sink) == sink,
        col(DeliveryRow.guard) == HELD,
        col(DeliveryRow.state) == "pending",
        col(DeliveryRow.cause) == cause,
    )
    count: int = session.execute(counted).scalar_one()
    return count


def _upsert(session: Session, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    table = table_of(DeliveryRow)
    statement = insert_for(session, DeliveryRow)
    new = statement.excluded
    # Spelled out, for IN cannot be used with many sets of values at once.
    owed = or_(*(table.c.state == state for state in _OWED))
    renewed: dict[str, Any] = {name: new[name] for name in ("state", "attempts", "changed_at", "hold")}
    renewed |= {
        "reason": None,
        "finished_at": None,
        "cause": case((owed, table.c.cause), else_=new["cause"]),
        "guard": case((owed, table.c.guard), else_=new["guard"]),
        "due_at": case((owed, now), else_=new["due_at"]),
    }
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.sink, table.c.event_id, table.c.key],
            set_=renewed,
            where=and_(*(table.c.state != state for state in _UNDER_WAY)),
        ),
        list(rows),
    )


def _chunks(items: Collection[Any]) -> Iterator[list[Any]]:
    listed = list(items)
    return (listed[at : at + KEYS_AT_ONCE] for at in range(0, len(listed), KEYS_AT_ONCE))
