"""The store's side of reading bookings back, each function one transaction's work."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session

from hub.ingest.marks import MOST_AT_ONCE, Key, put_in_quarantine
from hub.ingest.weighing import Verdict
from hub.store import dirty, installation, unconfirmed
from hub.store.tables import DirtyRow

MANY = 20
"""More dirty bookings of a source than this at once are looked for in lists first."""


def due_of(
    session: Session,
    source: str,
    *,
    now: datetime,
    working: Collection[Key],
    places: int,
    together: int,
) -> dict[Key, list[DirtyRow]]:
    """The marks, due or not, of bookings of a source that have a due one, the longest due booking first.

    Of `together` bookings if many are due, else of as many as there are `places`; none of those that are
    worked already.
    """
    limit = max(places, together) + len(working)
    due = dirty.due(session, now=now, limit=limit, only=[source])
    keys = [key for key in due if key not in working]
    chosen = keys[:together] if len(keys) > MANY and together else keys[:places]
    return dirty.receipts_of(session, chosen, limit=MOST_AT_ONCE)


def write_verdict(session: Session, key: Key, verdict: Verdict, *, now: datetime) -> None:
    """Clear, put off or quarantine exactly the marks that were weighed, and note what nothing confirms."""
    dirty.clear(session, [(*key, receipt_id) for receipt_id in verdict.cleared])
    for again in verdict.again:
        dirty.postpone(session, *key, receipt_ids=again.receipt_ids, due_at=again.due_at, error=again.reason)
    for receipt, reason in verdict.refused:
        put_in_quarantine(session, receipt, reason)
    if verdict.unconfirmed is not None:
        receipt_id, detail = verdict.unconfirmed
        unconfirmed.put(session, *key, receipt_id=receipt_id, detail=detail, now=now)
    elif verdict.confirmed:
        unconfirmed.clear(session, [key])
    if verdict.position:
        installation.note_position(session, verdict.position)


def put_off(session: Session, key: Key, rows: Sequence[DirtyRow], *, due_at: datetime, error: str) -> None:
    """Nothing could be learnt now; that is no answer, so no attempt is counted."""
    ids = [row.receipt_id for row in rows]
    dirty.postpone(session, *key, receipt_ids=ids, due_at=due_at, error=error, counted=False)
