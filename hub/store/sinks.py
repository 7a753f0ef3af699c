"""What is remembered of a sink beyond its YAML: where it started, how it stands."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from hub.store.statements import insert_new
from hub.store.tables import SinkRow

SECOND = timedelta(seconds=1)


def see(
    session: Session, name: str, *, type: str, start_position: int, now: datetime, target: str | None = None
) -> SinkRow:
    """The sink's row, made at first sight; a known one keeps its start for ever."""
    insert_new(
        session,
        [
            SinkRow(
                name=name,
                type=type,
                start_position=start_position,
                first_seen_at=now,
                target=target,
                state="running",
                since=now,
            )
        ],
    )
    session.exec(update(SinkRow).where(col(SinkRow.name) == name).values(type=type))
    return session.exec(select(SinkRow).where(SinkRow.name == name)).one()


def get(session: Session, name: str) -> SinkRow | None:
    """One sink."""
    return session.get(SinkRow, name)


def lock(session: Session, name: str) -> SinkRow | None:
    """The same, and nobody else changes it before this transaction ends."""
    newest = select(SinkRow).where(SinkRow.name == name).with_for_update()
    return session.exec(newest.execution_options(populate_existing=True)).one_or_none()


def every(session: Session) -> list[SinkRow]:
    """All sinks ever seen, by name."""
    return list(session.exec(select(SinkRow).order_by(col(SinkRow.name))))


def set_state(
    session: Session,
    name: str,
    *,
    state: str,
    reason: str | None,
    now: datetime,
    probe_at: datetime | None = None,
) -> bool:
    """Change how the sink stands; `since` moves only when the state changes. False if unknown."""
    row = session.get(SinkRow, name)
    if row is None:
        return False
    if row.state != state:
        row.since = now
    row.state = state
    row.reason = reason
    row.probe_at = probe_at
    return True


def register(session: Session, name: str, registration: Mapping[str, Any] | None) -> None:
    """What the reader knows of the sink from now on; None = no event makes a row for it."""
    held = None if registration is None else dict(registration)
    session.exec(update(SinkRow).where(col(SinkRow.name) == name).values(registration=held))


def apply(session: Session, name: str, *, applied: Mapping[str, Any]) -> int:
    """The sink works by this configuration from now on; returns the new revision.

    Whoever works by an older one takes up nothing more, and what it finishes is looked at again.
    """
    row = lock(session, name)
    if row is None:
        raise LookupError(f"no sink {name}")
    row.applied = dict(applied)
    row.revision += 1
    session.flush()
    return row.revision


def set_target(session: Session, name: str, *, target: str | None) -> None:
    """Which outside object store the sink writes to now."""
    session.exec(update(SinkRow).where(col(SinkRow.name) == name).values(target=target))


def record_success(session: Session, name: str, *, at: datetime) -> None:
    """A delivery went through at this moment; kept to the second, or every delivery would change this row."""
    earlier = or_(col(SinkRow.last_success_at).is_(None), col(SinkRow.last_success_at) <= at - SECOND)
    session.exec(update(SinkRow).where(col(SinkRow.name) == name, earlier).values(last_success_at=at))


def record_error(session: Session, name: str, *, error_class: str, message: str, at: datetime) -> None:
    """The newest failure, kept until the next one."""
    earlier = or_(col(SinkRow.last_error_at).is_(None), col(SinkRow.last_error_at) <= at)
    session.exec(
        update(SinkRow)
        .where(col(SinkRow.name) == name, earlier)
        .values(last_error_class=error_class, last_error_message=message, last_error_at=at)
    )
