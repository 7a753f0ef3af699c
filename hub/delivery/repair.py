"""Writing down what a comparison wants done: rows like any other, for the workers to act on.

The cause of such a row makes its worker look at the target whatever the receipts say. An object that
no receipt names is kept beside the row, as it was found.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import and_
from sqlmodel import Session, col, select

from adapters.api import Receipt
from hub.delivery.dispatch import BEFORE_ALL
from hub.delivery.plan import Item
from hub.delivery.steps import DRIFT
from hub.store import checkpoints, strays
from hub.store.guard import WATCHED
from hub.store.statements import table_of, upsert
from hub.store.tables import BookingRow, ContactRow, DeliveryRow, StrayRow, TimelineRow

AT_A_TIME = 500
UNDER_WAY = ("pending", "sending")
REPAIR = "Repair"
"""Stands for the event type in a row that is about no fact."""

CHANGED = "the booking has changed since"
BUSY = "a delivery is under way"

Result = Literal["done", "failed", "waiting"]


@dataclass(frozen=True, slots=True)
class Repair:
    """What is wanted of one sink; `cause` names the operation and marks its rows."""

    sink: str
    cause: str
    items: tuple[Item, ...]
    of_bookings: bool
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Keys that have their row now, and why the others have none."""

    keys: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far the row of one key is."""

    result: Result
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Newest:
    """The fact a key's row stands for."""

    event_id: str
    booking_id: str
    position: int
    event_type: str


def place(session: Session, repair: Repair, *, now: datetime) -> Placed:
    """Give each key its row; one that changed since it was compared, or is being delivered, gets none."""
    refused: dict[str, str] = {}
    wanted: dict[str, list[Item]] = {}
    for item in repair.items:
        wanted.setdefault(item.key, []).append(item)
    newest = dict(_newest(session, wanted, of_bookings=repair.of_bookings))
    for key, items in wanted.items():
        if any(item.ticket.position != _position(newest.get(key)) for item in items):
            refused[key] = CHANGED
    refused |= dict.fromkeys(_busy(session, repair.sink, wanted.keys() - refused.keys()), BUSY)
    due = [key for key in wanted if key not in refused]
    rows = [_row(repair, key, newest.get(key), now) for key in due]
    state = table_of(DeliveryRow).c.state
    # IN cannot be used with many sets of values at once.
    upsert(session, DeliveryRow, rows, where=and_(*(state != one for one in UNDER_WAY)))
    left = [_stray(repair, item, now) for key in due for item in wanted[key] if _is_stray(item)]
    strays.put(session, left)
    return Placed(frozenset(due), refused)


def outcomes(session: Session, sink: str, cause: str, keys: Collection[str]) -> dict[str, Outcome]:
    """How far the rows of a repair are; one that another row took over shares the fate of that one."""
    found: dict[str, Outcome] = {}
    for row in _rows(session, sink, keys, col(DeliveryRow.cause) == cause):
        found[row.key] = _outcome(row)
    covered = [key for key, outcome in found.items() if outcome.message == "covered"]
    found |= dict.fromkeys(covered, Outcome("done"))
    unsettled = col(DeliveryRow.state).in_((*UNDER_WAY, "parked", "dead"))
    for row in _rows(session, sink, covered, unsettled):
        found[row.key] = _outcome(row)
    gone = Outcome("failed", "its row is gone")
    return {key: found.get(key, gone) for key in keys}


def _outcome(row: DeliveryRow) -> Outcome:
    if row.state in ("delivered", "covered"):
        return Outcome("done", "covered" if row.state == "covered" else None)
    if row.state in UNDER_WAY:
        return Outcome("waiting", row.error_message)
    return Outcome("failed", row.reason if row.state == "skipped" else row.error_message or row.state)


def _rows(session: Session, sink: str, keys: Collection[str], condition: Any) -> Iterator[DeliveryRow]:
    for some in _batches(keys):
        yield from session.exec(
            select(DeliveryRow)
            .where(DeliveryRow.sink == sink, col(DeliveryRow.key).in_(some), condition)
            .order_by(col(DeliveryRow.position))
        )


def _newest(session: Session, keys: Collection[str], *, of_bookings: bool) -> Iterator[tuple[str, _Newest]]:
    """The newest fact of each key that is known."""
    live = checkpoints.live(session)
    model = BookingRow if of_bookings else ContactRow
    key = col(BookingRow.booking_id) if of_bookings else col(ContactRow.contact_id)
    for some in _batches(keys if live is not None else ()):
        members: tuple[Any, ...] = (
            key,
            col(TimelineRow.event_id),
            col(TimelineRow.booking_id),
            col(TimelineRow.position),
            col(TimelineRow.type),
        )
        rows = session.execute(
            sqlalchemy.select(*members)
            .join(
                TimelineRow,
                (col(TimelineRow.generation) == col(model.generation))
                & (col(TimelineRow.position) == col(model.position)),
            )
            .where(col(model.generation) == (live.generation if live else 0), key.in_(some))
        )
        for found, *newest in rows:
            yield found, _Newest(*newest)


def _busy(session: Session, sink: str, keys: Collection[str]) -> Iterator[str]:
    for some in _batches(keys):
        yield from session.exec(
            select(DeliveryRow.key)
            .where(
                DeliveryRow.sink == sink,
                col(DeliveryRow.key).in_(some),
                col(DeliveryRow.state).in_(UNDER_WAY),
            )
            .distinct()
        )


def _row(repair: Repair, key: str, newest: _Newest | None, now: datetime) -> dict[str, Any]:
    named = newest or _Newest(repair.cause, key, BEFORE_ALL, REPAIR)
    return {
        "sink": repair.sink,
        "event_id": named.event_id,
        "key": key,
        "booking_id": named.booking_id,
        "position": named.position,
        "event_type": named.event_type,
        "state": "pending",
        "attempts": 0,
        "due_at": now,
        "reason": None,
        "cause": repair.cause,
        "guard": WATCHED if repair.cause.startswith(DRIFT) else None,
        "created_at": now,
        "changed_at": now,
        "finished_at": None,
        "first_attempt_at": None,
        "unknown_since": None,
        "hold": False,
    }


def _position(newest: _Newest | None) -> int:
    return newest.position if newest else BEFORE_ALL


def _is_stray(item: Item) -> bool:
    return item.action == "remove" and not item.is_held and item.observed is not None


def _stray(repair: Repair, item: Item, now: datetime) -> StrayRow:
    seen = item.observed
    assert seen is not None  # noqa: S101 - only what was seen is a stray
    named = Receipt(external_id=seen.external_id, etag=seen.etag, url=seen.url, target=repair.target)
    return StrayRow(
        sink=repair.sink,
        key=item.key,
        external_id=seen.external_id,
        part=item.part,
        receipt=(seen.receipt or named).model_dump(mode="json"),
        found_at=now,
    )


def _batches(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(keys)
    return (ordered[first : first + AT_A_TIME] for first in range(0, len(ordered), AT_A_TIME))
