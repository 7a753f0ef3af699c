"""What the comparisons by schedule found: when each sink was compared last, and what was out of step."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from hub.store.statements import insert_new, upsert, values_of
from hub.store.tables import DriftCheckRow, DriftRow


def check_of(session: Session, sink: str) -> DriftCheckRow | None:
    """The last comparison of this sink, or the plan for its first."""
    return session.get(DriftCheckRow, sink)


def checks(session: Session) -> dict[str, DriftCheckRow]:
    """The same for every sink that was ever compared by schedule."""
    return {row.sink: row for row in session.exec(select(DriftCheckRow))}


def plan_first(session: Session, sink: str, *, at: datetime) -> None:
    """A sink is new to the schedule; one that is known keeps its time."""
    insert_new(session, [DriftCheckRow(sink=sink, next_at=at)])


def record_check(session: Session, check: DriftCheckRow, found: Sequence[DriftRow]) -> None:
    """A comparison came to its end: what it found takes the place of what was found before."""
    known = {
        (row.key, row.part, row.external_id): row.since
        for row in session.exec(select(DriftRow).where(DriftRow.sink == check.sink))
    }
    clear(session, sink=check.sink)
    for row in found:
        row.since = known.get((row.key, row.part, row.external_id), row.since)
    insert_new(session, found)
    upsert(session, DriftCheckRow, [values_of(check)])


def record_failure(session: Session, sink: str, *, error: str, next_at: datetime) -> None:
    """A comparison could not be made: what the last one found still stands."""
    row = session.get(DriftCheckRow, sink)
    if row is not None:
        row.error, row.next_at = error, next_at


def forget_others(session: Session, sinks: Collection[str]) -> None:
    """Only these sinks are compared by schedule: what was found at others once is not known any more."""
    for table in (DriftRow, DriftCheckRow):
        session.exec(delete(table).where(col(table.sink).not_in(sinks)))


def clear(session: Session, *, sink: str, key: str | None = None) -> None:
    """Nothing is known to be out of step any more; of one key, or of a whole sink."""
    mine = [col(DriftRow.sink) == sink, *([] if key is None else [col(DriftRow.key) == key])]
    session.exec(delete(DriftRow).where(*mine))


def piles(session: Session) -> dict[tuple[str, str], tuple[int, datetime]]:
    """How many objects are out of step for each sink and cause, and since when the first of them is."""
    grouped = session.execute(
        select(DriftRow.sink, DriftRow.cause, func.count(), func.min(DriftRow.since)).group_by(
            col(DriftRow.sink), col(DriftRow.cause)
        )
    )
    return {(sink, cause): (count, since) for sink, cause, count, since in grouped}
