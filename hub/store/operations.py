"""Long work inside the hub, so that it can be watched and outlives the request that asked for it."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlmodel import Session, col, select

from hub.store.paging import Page, newest_first
from hub.store.tables import OperationRow

FinalState = Literal["done", "partly", "failed", "stopped"]


def start(
    session: Session, *, kind: str, total: int | None, now: datetime, detail: Mapping[str, Any] | None = None
) -> OperationRow:
    """A new running operation."""
    row = OperationRow(
        operation_id=uuid.uuid4().hex, kind=kind, total=total, started_at=now, detail=dict(detail or {})
    )
    session.add(row)
    session.flush()
    return row


def progress(
    session: Session, operation_id: str, *, done: int, failed: int = 0, total: int | None = None
) -> bool:
    """How far it is by now, in whole numbers; False if it does not run any more: then stop."""
    values: dict[str, int] = {"done": done, "failed": failed}
    if total is not None:
        values["total"] = total
    return bool(
        session.exec(
            update(OperationRow)
            .where(col(OperationRow.operation_id) == operation_id, col(OperationRow.state) == "running")
            .values(values)
        ).rowcount
    )


def finish(
    session: Session,
    operation_id: str,
    *,
    state: FinalState,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """End a running operation, adding to its detail; False if it had ended."""
    row = session.get(OperationRow, operation_id)
    if row is None or row.state != "running":
        return False
    row.state = state
    row.finished_at = now
    row.detail = {**row.detail, **(detail or {})}
    return True


def stop_running(session: Session, *, now: datetime) -> int:
    """End what a dead process has left running; for a start, when nobody else can be at work."""
    return session.exec(
        update(OperationRow)
        .where(col(OperationRow.state) == "running")
        .values(state="stopped", finished_at=now)
    ).rowcount


def get(session: Session, operation_id: str) -> OperationRow | None:
    """One operation."""
    return session.get(OperationRow, operation_id)


def last_done(session: Session, *, kind: str) -> datetime | None:
    """When the newest operation of this kind that went well was begun."""
    begun = (
        select(OperationRow.started_at)
        .where(col(OperationRow.kind) == kind, col(OperationRow.state) == "done")
        .order_by(col(OperationRow.started_at).desc())
        .limit(1)
    )
    return session.exec(begun).first()


def listing(
    session: Session, *, state: str | None = None, limit: int | None = 50, cursor: str | None = None
) -> Page[OperationRow]:
    """Operations, newest first."""
    return newest_first(
        session,
        OperationRow,
        order=("started_at", "operation_id"),
        where=[] if state is None else [col(OperationRow.state) == state],
        limit=limit,
        cursor=cursor,
    )
