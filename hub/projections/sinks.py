"""Where sinks begin: what the reader knows of a sink, and the rows a sink gets when it is first seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import Boolean, ColumnElement, Integer, Select, String, literal, select
from sqlmodel import Session, col

from hub.projections.generations import live_checkpoint
from hub.settings.match import Match
from hub.store import sinks
from hub.store.columns import UtcDateTime
from hub.store.statements import insert_for
from hub.store.tables import AttendeeRow, BookingRow, ContactRow, DeliveryRow, TargetReceiptRow, TimelineRow

SinkKind = Literal["booking", "contact", "reactor"]
SinkStart = Literal["upcoming", "now", "beginning"]


@dataclass(frozen=True, slots=True)
class SinkRegistration:
    """A configured sink as the reader sees it.

    `handles` are the event types its adapter acts on, `events` those the YAML asks for (None = all of
    them); both matter to reactors only, a mirror wants every change. Events at or before
    `start_position` make no row. `match` says which bookings it takes (None = all of them).
    """

    name: str
    kind: SinkKind
    start_position: int = 0
    handles: frozenset[str] | None = None
    events: frozenset[str] | None = None
    grace: timedelta = timedelta(0)
    max_age: timedelta | None = None
    match: Match | None = None

    def acts_on(self, event_type: str) -> bool:
        """Whether this event type makes a row."""
        if self.kind != "reactor":
            return True
        return all(wanted is None or event_type in wanted for wanted in (self.handles, self.events))


def register_sink(
    session: Session,
    name: str,
    *,
    type: str,
    kind: SinkKind,
    start: SinkStart,
    log_position: int,
    now: datetime,
) -> int:
    """The start position of a sink; at first sight it is chosen and the rows it begins with are made.

    `log_position` is the last position of the log: what stands there already is history to a reactor
    even if this store has not read it yet.
    """
    known = sinks.get(session, name)
    if known is not None:
        return sinks.see(
            session, name, type=type, start_position=known.start_position, now=now
        ).start_position
    # Under a lock: a batch of the reader is either seen whole by the rows made here, or it knows the sink.
    live = live_checkpoint(session, lock=True)
    position = choose_start(
        kind, start, read=live.position if live is not None else 0, log_position=log_position
    )
    if kind != "reactor" and start != "now" and live is not None:
        wanted = None if start == "beginning" else upcoming(kind, live.generation, now)
        start_rows = newest_rows(name, kind, live.generation, cause="start", wanted=wanted, now=now)
        insert = insert_for(session, DeliveryRow).from_select(
            list(start_rows.selected_columns.keys()), start_rows
        )
        session.execute(insert.on_conflict_do_nothing())
    return sinks.see(session, name, type=type, start_position=position, now=now).start_position


def choose_start(kind: SinkKind, start: SinkStart, *, read: int, log_position: int) -> int:
    """Up to where the log is history to a sink that begins now."""
    if start == "beginning":
        return 0
    return max(read, log_position) if kind == "reactor" or start == "now" else read


def newest_rows(
    name: str,
    kind: SinkKind,
    generation: int,
    *,
    cause: str,
    wanted: ColumnElement[bool] | None,
    now: datetime,
    guard: str | None = None,
) -> Select[Any]:
    """A query for one waiting row per key of a mirror, naming the newest event of that key."""
    model = BookingRow if kind == "booking" else ContactRow
    key = col(BookingRow.booking_id) if kind == "booking" else col(ContactRow.contact_id)
    conditions = [col(model.generation) == generation]
    if wanted is not None:
        conditions.append(wanted)
    moment = literal(now, UtcDateTime)
    rows: Any = (
        select(
            literal(name, String).label("sink"),
            col(TimelineRow.event_id),
            key.label("key"),
            col(TimelineRow.booking_id),
            col(TimelineRow.position),
            col(TimelineRow.type).label("event_type"),
            literal("pending", String).label("state"),
            literal(0, Integer).label("attempts"),
            moment.label("due_at"),
            literal(cause, String).label("cause"),
            moment.label("created_at"),
            moment.label("changed_at"),
            literal(False, Boolean).label("hold"),
            literal(guard, String).label("guard"),
        )
        .join(
            TimelineRow,
            (col(TimelineRow.generation) == generation) & (col(TimelineRow.position) == col(model.position)),
        )
        .where(*conditions)
    )
    return cast("Select[Any]", rows)


def upcoming_or_held(name: str, kind: SinkKind, generation: int, now: datetime) -> ColumnElement[bool]:
    """Keys that have not ended, or for which the target holds something."""
    key = col(BookingRow.booking_id) if kind == "booking" else col(ContactRow.contact_id)
    held = select(col(TargetReceiptRow.key)).where(col(TargetReceiptRow.sink) == name)
    return upcoming(kind, generation, now) | key.in_(held)


def upcoming(kind: SinkKind, generation: int, now: datetime) -> ColumnElement[bool]:
    """Bookings that have not ended, or the contacts that attend one of them."""
    not_ended = col(BookingRow.end) >= now
    if kind == "booking":
        return not_ended
    attending = (
        select(col(AttendeeRow.contact_id))
        .join(
            BookingRow,
            (col(BookingRow.generation) == generation)
            & (col(BookingRow.booking_id) == col(AttendeeRow.booking_id)),
        )
        .where(col(AttendeeRow.generation) == generation, col(AttendeeRow.removed).is_(False), not_ended)
    )
    return col(ContactRow.contact_id).in_(attending)
