"""The store's side of working a booking, each function one transaction's work."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col

from adapters.api import Reading
from hub.ingest.appending import Settled
from hub.ingest.inbox import MARKING, mark_of, quarantine_row, write_rows
from hub.ingest.intake import shown_attendees, shown_version
from hub.log.inbox_log import StoredReceipt
from hub.store import dirty, installation, quarantine, unconfirmed
from hub.store.tables import DirtyRow, InboxRow, QuarantineRow

MOST_AT_ONCE = 500
"""Receipts of one booking that are read and worked together; a statement cannot name any number of them."""

Key = tuple[str, str]
"""Source and provider id."""


@dataclass(slots=True)
class Worked:
    """What came of working one booking, to be written in one go."""

    receipt_ids: list[str] = field(default_factory=list)
    position: int = 0
    refused: dict[str, tuple[StoredReceipt, str]] = field(default_factory=dict)
    unconfirmed: tuple[str, str] | None = None
    """Receipt id and detail of the newest hint nothing confirms."""
    confirmed: bool = False
    remarks: dict[str, str] = field(default_factory=dict)
    """What was odd about receipts that were read all the same, by receipt id."""

    def refuse(self, receipt: StoredReceipt, reason: str) -> None:
        """This receipt gives no facts; it goes into quarantine."""
        self.refused[receipt.receipt_id] = (receipt, reason)

    def note(self, settled: Settled, receipt: StoredReceipt) -> None:
        """This receipt was derived, in the order of versions."""
        self.position = max(self.position, settled.position)
        if settled.facts:
            self.confirmed, self.unconfirmed = True, None
        if settled.unconfirmed:
            self.unconfirmed = (receipt.receipt_id, "active after its cancellation")


def due_marks(
    session: Session,
    *,
    now: datetime,
    limit: int,
    working: Collection[Key] = (),
    without: Collection[str] = (),
) -> dict[Key, list[DirtyRow]]:
    """The marks, due or not, of bookings that have a due one, the longest due booking first.

    At most `limit` bookings, none of those that are worked already and none of the sources in `without`. Of a
    booking with very many marks the first ones; the others are still there when these are worked.
    """
    due = dirty.due(session, now=now, limit=limit + len(working), without=without)
    keys = [key for key in due if key not in working][:limit]
    return dirty.receipts_of(session, keys, limit=MOST_AT_ONCE)


def finish(session: Session, finished: Sequence[tuple[Key, Worked]], *, now: datetime) -> None:
    """Clear exactly the marks that were worked, and note what the log is known to hold."""
    dirty.clear(session, [(*key, receipt) for key, worked in finished for receipt in worked.receipt_ids])
    position = max((worked.position for _, worked in finished), default=0)
    if position:
        installation.note_position(session, position)
    unconfirmed.clear(
        session, [key for key, worked in finished if worked.confirmed and worked.unconfirmed is None]
    )
    for key, worked in finished:
        _note(session, key, worked, now)


def _note(session: Session, key: Key, worked: Worked, now: datetime) -> None:
    """What was odd about one booking's receipts, most often nothing."""
    for receipt_id, remark in worked.remarks.items():
        set_status(session, receipt_id, reason=remark)
    for receipt, reason in worked.refused.values():
        put_in_quarantine(session, receipt, reason)
    if worked.unconfirmed is not None:
        receipt_id, detail = worked.unconfirmed
        unconfirmed.put(session, *key, receipt_id=receipt_id, detail=detail, now=now)


def put_in_quarantine(session: Session, receipt: StoredReceipt, reason: str) -> None:
    """A receipt that was accepted turned out to need a person, perhaps once more."""
    if not quarantine.put(session, [quarantine_row(receipt, reason)]):
        again = {"state": "waiting", "reason": reason, "resolved_at": None}
        session.exec(
            update(QuarantineRow).where(col(QuarantineRow.receipt_id) == receipt.receipt_id).values(**again)
        )
    set_status(session, receipt.receipt_id, status="quarantined", reason=reason)


def set_status(session: Session, receipt_id: str, *, reason: str | None, status: str | None = None) -> None:
    """What a receipt counts as now, and why."""
    values = {"reason": reason} | ({"status": status} if status else {})
    session.exec(update(InboxRow).where(col(InboxRow.receipt_id) == receipt_id).values(**values))


def body_of(session: Session, receipt_id: str) -> StoredReceipt | None:
    """The receipt kept in quarantine: its body has no age there."""
    row = quarantine.get(session, receipt_id)
    return _from_quarantine(row) if row else None


def _from_quarantine(row: QuarantineRow) -> StoredReceipt:
    return StoredReceipt(
        receipt_id=row.receipt_id,
        source=row.source,
        received_at=row.received_at,
        kind="",
        status="quarantined",
        digest="",
        reason=row.reason,
        body=row.body,
    )


def resolved_bodies(session: Session, moment: datetime) -> list[StoredReceipt]:
    """The receipts that came out of quarantine at this moment or later."""
    return [_from_quarantine(row) for row in quarantine.resolved_since(session, moment)]


def accept_from_quarantine(
    session: Session, receipt: StoredReceipt, reading: Reading, provider_id: str, now: datetime
) -> None:
    """It can be read after all: its booking gets a mark whose body is the one in quarantine."""
    quarantine.resolve(session, receipt.receipt_id, now=now)
    set_status(session, receipt.receipt_id, status="accepted", reason=None)
    attending = shown_attendees(reading)
    shown = {
        "provider_id": provider_id,
        "version": shown_version(reading),
        "attendee_ids": None if attending is None else list(attending),
    }
    session.exec(update(InboxRow).where(col(InboxRow.receipt_id) == receipt.receipt_id).values(**shown))
    mark_from_quarantine(session, receipt, provider_id, now, cause="reprocess")


def mark_from_quarantine(
    session: Session, receipt: StoredReceipt, provider_id: str, now: datetime, *, cause: str
) -> int:
    """Mark its booking; the body of the mark is the one in quarantine."""
    mark = DirtyRow(
        source=receipt.source,
        provider_id=provider_id,
        receipt_id=receipt.receipt_id,
        cause=cause,
        marked_at=now,
        due_at=now,
    )
    return dirty.mark(session, [mark])


def ignore_from_quarantine(session: Session, receipt_id: str, now: datetime) -> None:
    """It turned out to be of a kind nobody needs."""
    quarantine.resolve(session, receipt_id, now=now)
    set_status(session, receipt_id, status="ignored", reason=None)


def mark_again(session: Session, receipts: Sequence[StoredReceipt]) -> int:
    """Mark the bookings of these receipts once more, since facts they gave may be lost.

    A receipt the store has never seen (it lost its own tail) gets its rows first.
    """
    fresh = write_rows(session, receipts)
    marking = [receipt for receipt in receipts if receipt.status in MARKING and receipt.provider_id]
    return len(fresh) + dirty.mark(session, [mark_of(receipt, cause="divergence") for receipt in marking])


def postpone(session: Session, key: Key, rows: Sequence[DirtyRow], *, due_at: datetime, error: str) -> None:
    """Try this booking again later; those of its marks that were too many to be read wait with the others."""
    ids = [row.receipt_id for row in rows] if len(rows) < MOST_AT_ONCE else None
    dirty.postpone(session, *key, receipt_ids=ids, due_at=due_at, error=error)
