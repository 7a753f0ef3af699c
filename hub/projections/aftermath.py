"""What becomes of deliveries when a part of the log is lost.

Every event after the agreement is read again once it is back, under the same id. Rows of lost events
are set aside so that this revives them; a reactor's finished rows stay, so that nothing is done twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, String, literal, select, update
from sqlmodel import Session, col

from hub.projections.enqueue import DIVERGED
from hub.projections.generations import Checkpoint
from hub.projections.sinks import SinkRegistration, newest_rows, upcoming_or_held
from hub.store.columns import UtcDateTime
from hub.store.guard import WATCHED
from hub.store.statements import insert_for, table_of
from hub.store.tables import DeliveryRow, SinkRow, TimelineRow

HISTORY = "history"
"""Why a reactor skips an event that stood in the log before the reactor was first seen."""

_OF_REACTORS = ("pending", "parked")
_OF_MIRRORS = ("pending", "parked", "sending", "delivered", "covered", "dead", "uncertain")
_UNDER_WAY = ("pending", "sending")


def settle_deliveries(
    session: Session,
    registrations: Sequence[SinkRegistration],
    *,
    old: int,
    agreed: Checkpoint,
    now: datetime,
) -> None:
    """Part of the transaction that switches; `old` is the generation that had read what is lost."""
    for sink in registrations:
        states = _OF_REACTORS if sink.kind == "reactor" else _OF_MIRRORS
        _set_aside(session, sink.name, agreed.position, states, now)
        if sink.kind == "reactor":
            _keep_history_quiet(session, sink.name, old, agreed.position, now)
        else:
            _want_again(session, sink, agreed.generation, now)
    session.execute(
        update(SinkRow)
        .where(col(SinkRow.start_position) > agreed.position)
        .values(start_position=agreed.position)
        .execution_options(synchronize_session=False)
    )


def _set_aside(session: Session, sink: str, after: int, states: Sequence[str], now: datetime) -> None:
    session.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.sink) == sink,
            col(DeliveryRow.position) > after,
            col(DeliveryRow.state).in_(states),
        )
        .values(state="skipped", reason=DIVERGED, hold=False, finished_at=now, changed_at=now)
        .execution_options(synchronize_session=False)
    )


def _keep_history_quiet(session: Session, sink: str, old: int, after: int, now: datetime) -> None:
    """Skip beforehand what lies between the agreement and the reactor's start, which moves back."""
    start = select(col(SinkRow.start_position)).where(col(SinkRow.name) == sink).scalar_subquery()
    moment = literal(now, UtcDateTime)
    history: Any = select(
        literal(sink, String).label("sink"),
        col(TimelineRow.event_id),
        col(TimelineRow.booking_id).label("key"),
        col(TimelineRow.booking_id),
        col(TimelineRow.position),
        col(TimelineRow.type).label("event_type"),
        literal("skipped", String).label("state"),
        literal(HISTORY, String).label("reason"),
        literal(0, Integer).label("attempts"),
        moment.label("due_at"),
        moment.label("created_at"),
        moment.label("changed_at"),
        moment.label("finished_at"),
        literal(False, Boolean).label("hold"),
    ).where(
        col(TimelineRow.generation) == old,
        col(TimelineRow.position) > after,
        col(TimelineRow.position) <= start,
        col(TimelineRow.hidden).is_(False),
    )
    statement = insert_for(session, DeliveryRow).from_select(list(history.selected_columns.keys()), history)
    session.execute(statement.on_conflict_do_nothing())


def _want_again(session: Session, sink: SinkRegistration, generation: int, now: datetime) -> None:
    """One waiting row per object of a mirror that is not over or not gone, so that its target converges."""
    wanted = upcoming_or_held(sink.name, sink.kind, generation, now)
    rows = newest_rows(
        sink.name, sink.kind, generation, cause=DIVERGED, wanted=wanted, now=now, guard=WATCHED
    )
    statement = insert_for(session, DeliveryRow).from_select(list(rows.selected_columns.keys()), rows)
    table, again = table_of(DeliveryRow), statement.excluded
    kept = (
        "position",
        "booking_id",
        "event_type",
        "state",
        "attempts",
        "due_at",
        "cause",
        "changed_at",
        "hold",
        "guard",
    )
    renewed = {name: again[name] for name in kept} | {"reason": None, "finished_at": None}
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.sink, table.c.event_id, table.c.key],
            set_=renewed,
            where=table.c.state.not_in(_UNDER_WAY),
        )
    )
