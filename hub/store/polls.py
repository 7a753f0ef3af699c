"""How far the lists of each source were read, and how its last poll went: independent of the YAML."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select

from hub.store.statements import insert_new
from hub.store.tables import PollRow, SourceListRow


def get(session: Session, source: str) -> PollRow | None:
    """The last poll of a source."""
    return session.get(PollRow, source)


def every(session: Session) -> dict[str, PollRow]:
    """The last poll of every source that was ever asked."""
    return {row.source: row for row in session.exec(select(PollRow))}


def of_source(session: Session, source: str) -> PollRow:
    """The row of a source, to be changed; made at first sight."""
    insert_new(session, [PollRow(source=source)])
    return session.exec(select(PollRow).where(PollRow.source == source).with_for_update()).one()


def record(session: Session, poll: PollRow) -> None:
    """A poll has ended; one that failed leaves the last success, and says since when polls fail."""
    row = of_source(session, poll.source)
    row.polled_at, row.error = poll.polled_at, poll.error
    row.bookings, row.facts, row.duration_seconds = poll.bookings, poll.facts, poll.duration_seconds
    if poll.error is None:
        row.succeeded_at, row.failing_since = poll.polled_at, None
    else:
        row.failing_since = row.failing_since or poll.polled_at


def set_registered(session: Session, source: str, *, registered: bool | None, now: datetime) -> None:
    """Whether the provider knows our webhook, as it said at this moment."""
    row = of_source(session, source)
    row.registered, row.checked_at = registered, now


def set_silence(session: Session, source: str, *, since: datetime | None, changes: int) -> None:
    """Since when no webhook came although polls found so many changes; None: it is not silent."""
    row = of_source(session, source)
    row.silent_since, row.silent_changes = since, changes


def lists_of(session: Session, source: str) -> list[SourceListRow]:
    """The lists of a source that were ever read or planned, in their order."""
    mine = select(SourceListRow).where(SourceListRow.source == source)
    return list(session.exec(mine.order_by(col(SourceListRow.first_seen_at), col(SourceListRow.host))))


def lists(session: Session) -> dict[str, list[SourceListRow]]:
    """The same for every source."""
    found: dict[str, list[SourceListRow]] = {}
    ordered = select(SourceListRow).order_by(col(SourceListRow.first_seen_at), col(SourceListRow.host))
    for row in session.exec(ordered):
        found.setdefault(row.source, []).append(row)
    return found


def see_lists(session: Session, source: str, hosts: Collection[str], *, now: datetime) -> list[SourceListRow]:
    """The rows of these lists, made at first sight; in the order in which lists are read."""
    insert_new(session, [SourceListRow(source=source, host=host, first_seen_at=now) for host in hosts])
    return [row for row in lists_of(session, source) if row.host in hosts]


def list_polled(session: Session, source: str, host: str, *, at: datetime, created_before: datetime) -> None:
    """A poll that began at this moment read the list to its end; a later one stands."""
    row = session.get(SourceListRow, (source, host))
    if row is None:
        return
    row.polled_at = max(at, row.polled_at or at)
    row.created_before = max(created_before, row.created_before or created_before)


def rewind(session: Session, *, to: datetime | None) -> None:
    """Facts since this moment may be lost (None: since ever): what was read since then is read again."""
    for row in session.exec(select(SourceListRow)):
        row.polled_at, row.created_before = _not_after(row.polled_at, to), _not_after(row.created_before, to)
        if row.history_done_at is None or to is None or row.history_done_at >= to:
            row.history_next, row.history_done_at = row.history_from, None
            row.history_incomplete = row.history_bookings = row.history_facts = 0


def _not_after(moment: datetime | None, limit: datetime | None) -> datetime | None:
    return None if moment is None or limit is None else min(moment, limit)


def plan_history(
    session: Session,
    rows: Sequence[SourceListRow],
    *,
    history_id: str,
    begin: datetime,
    end: datetime,
) -> None:
    """These lists are to be read from one moment to the other, from the start of it."""
    for row in rows:
        row.history_id, row.history_done_at = history_id, None
        row.history_from = row.history_next = begin
        row.history_until = end
        row.history_incomplete = row.history_bookings = row.history_facts = 0


def history_read(
    session: Session, row: SourceListRow, *, until: datetime, bookings: int, facts: int, complete: bool
) -> bool:
    """A backfill has read up to this moment; False, and nothing noted, if it was planned anew meanwhile."""
    columns = SourceListRow
    return bool(
        session.exec(
            update(SourceListRow)
            .where(
                col(columns.source) == row.source,
                col(columns.host) == row.host,
                col(columns.history_id) == row.history_id,
                col(columns.history_next) == row.history_next,
            )
            .values(
                history_next=until,
                history_incomplete=columns.history_incomplete + int(not complete),
                history_bookings=columns.history_bookings + bookings,
                history_facts=columns.history_facts + facts,
            )
        ).rowcount
    )


def history_done(session: Session, row: SourceListRow, *, now: datetime) -> None:
    """A list was read to the end of its backfill."""
    found = session.get(SourceListRow, (row.source, row.host))
    if found is not None and found.history_id == row.history_id:
        found.history_done_at = now
