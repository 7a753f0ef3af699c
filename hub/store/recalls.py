"""Making keys of a mirror due again, in the transaction that changed what its target holds for them.

The row names an event, as every row does: that of the booking which brought the change about, or the
newest of the key itself. A row that is being sent just now may end with what was true before; it is left
alone, and another event carries the wish. Of one key only one row is sent at a time, so two will do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, select
from sqlmodel import Session, col

from hub.store import checkpoints
from hub.store.deliveries import DELIVERIES
from hub.store.guard import WATCHED
from hub.store.statements import insert_for
from hub.store.tables import BookingRow, ContactRow, DeliveryRow, FormerReceiptRow, TimelineRow
from hub.store.time_positions import TIME_POSITION

CAPACITY_FREED = "capacity_freed"
PLANNED_AGAIN = "planned_again"
ANOTHER_TARGET = "another_target"
"""Why a row is delivered again although its key has no new fact."""

_KEPT = ("sink", "event_id", "key", "created_at")


@dataclass(frozen=True, slots=True)
class _Event:
    event_id: str
    type: str
    position: int
    booking_id: str


def recall(session: Session, sink: str, keys: Sequence[str], *, position: int, now: datetime) -> None:
    """An event at this position, of another booking, changed what the target holds for these keys."""
    live = checkpoints.live(session)
    if live is None:
        return
    cause = _event_at(session, live.generation, position)
    newest = _newest(session, live.generation, col(BookingRow.booking_id).in_(keys))
    for key in keys:
        events = [event for event in (cause, newest.get(key)) if event is not None]
        last = max((event.position for event in events), default=0)
        for event in events:
            values = _values(sink, key, event, cause=CAPACITY_FREED, due_at=now, now=now)
            if _renew(session, [values | {"position": last}]):
                break


def recall_all(session: Session, sink: str, *, now: datetime) -> None:
    """Every booking that is not over and that the sink was ever told of has to be looked at again.

    Those whose time was asked for first come first: their rows are due a moment earlier. No new fact asks
    for it, so the guard watches.
    """
    live = checkpoints.live(session)
    if live is None:
        return
    told = select(DELIVERIES.c.key).where(
        DELIVERIES.c.sink == sink, DELIVERIES.c.key == col(BookingRow.booking_id)
    )
    newest = _newest(session, live.generation, col(BookingRow.end) >= now, told.exists())
    rows = []
    for index, (key, event) in enumerate(newest.items()):
        due_at = now - timedelta(microseconds=len(newest) - index)
        values = _values(sink, key, event, cause=PLANNED_AGAIN, due_at=due_at, now=now)
        rows.append(values | {"guard": WATCHED})
    _renew(session, rows)


def recall_left(session: Session, sink: str, *, of_contacts: bool, now: datetime) -> None:
    """What was set aside just now with the target it is at has to come to the one in its place.

    Bookings that are over stay where they are. No new fact asks for it, so the guard watches.
    """
    live = checkpoints.live(session)
    if live is None:
        return
    left = select(col(FormerReceiptRow.key)).where(
        col(FormerReceiptRow.sink) == sink, col(FormerReceiptRow.left_at) == now
    )
    if of_contacts:
        newest = _newest_of_contacts(session, live.generation, left)
    else:
        concerned = (col(BookingRow.end) >= now, col(BookingRow.booking_id).in_(left))
        newest = _newest(session, live.generation, *concerned)
    rows = []
    for key, event in newest.items():
        values = _values(sink, key, event, cause=ANOTHER_TARGET, due_at=now, now=now)
        rows.append(values | {"booking_id": event.booking_id, "guard": WATCHED})
    _renew(session, rows)


def _renew(session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
    """Let these rows be delivered again, from the start; returns how many will be.

    One that is being sent or waits for its grace is left alone, one that waits anyway keeps its cause and
    is watched no more than before.
    """
    if not rows:
        return 0
    row, insert = DELIVERIES.c, insert_for(session, DeliveryRow)
    renewed: dict[str, Any] = {name: insert.excluded[name] for name in rows[0] if name not in _KEPT}
    for name in ("cause", "guard"):
        renewed[name] = case((row.state == "pending", row[name]), else_=insert.excluded[name])
    statement = insert.on_conflict_do_update(
        index_elements=[row.sink, row.event_id, row.key],
        set_=renewed,
        where=(row.state != "sending") & ~row.hold,
    )
    return session.exec(statement, params=rows).rowcount


def _values(
    sink: str, key: str, event: _Event, *, cause: str, due_at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "sink": sink,
        "event_id": event.event_id,
        "key": key,
        "booking_id": key,
        "position": event.position,
        "event_type": event.type,
        "state": "pending",
        "attempts": 0,
        "due_at": due_at,
        "reason": None,
        "cause": cause,
        "created_at": now,
        "changed_at": now,
        "finished_at": None,
        "hold": False,
        "guard": None,
    }


def _event_at(session: Session, generation: int, position: int) -> _Event | None:
    row = session.get(TimelineRow, (generation, position))
    return None if row is None else _Event(row.event_id, row.type, row.position, row.booking_id)


def _newest(session: Session, generation: int, *conditions: ColumnElement[bool]) -> dict[str, _Event]:
    """The newest event of each of these bookings, in the order in which they asked for their time."""
    same = (
        col(TimelineRow.generation) == generation,
        col(TimelineRow.position) == col(BookingRow.position),
    )
    found = session.execute(
        select(
            col(BookingRow.booking_id),
            col(TimelineRow.event_id),
            col(TimelineRow.type),
            col(TimelineRow.position),
        )
        .join(TimelineRow, and_(*same))
        .where(col(BookingRow.generation) == generation, *conditions)
        .order_by(TIME_POSITION, col(BookingRow.booking_id))
    )
    return {key: _Event(event_id, kind, position, key) for key, event_id, kind, position in found}


def _newest_of_contacts(session: Session, generation: int, keys: Select[Any]) -> dict[str, _Event]:
    """The newest event of each of these contacts."""
    same = (
        col(TimelineRow.generation) == generation,
        col(TimelineRow.position) == col(ContactRow.position),
    )
    members = (TimelineRow.event_id, TimelineRow.type, TimelineRow.position, TimelineRow.booking_id)
    found = session.execute(
        select(col(ContactRow.contact_id), *map(col, members))
        .join(TimelineRow, and_(*same))
        .where(col(ContactRow.generation) == generation, col(ContactRow.contact_id).in_(keys))
    )
    return {key: _Event(*event) for key, *event in found}
