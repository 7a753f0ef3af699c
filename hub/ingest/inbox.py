"""Receipts become rows: listed, in quarantine where unreadable, and a mark on the booking they name.

Called by the consumer of HUB_INBOX for every receipt, possibly twice. The rows of all receipts that
wait are written in one transaction; only then are they acknowledged. Bookings are worked elsewhere,
so no receipt ever waits for a booking.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlmodel import Session

from hub.clock import Clock
from hub.errors import StoreError
from hub.ingest.grouped import Grouped
from hub.log.inbox_log import StoredReceipt
from hub.store import dirty, inbox, quarantine, sources
from hub.store.database import Database
from hub.store.statements import insert_new_values
from hub.store.tables import DirtyRow, InboxRow, QuarantineRow

_log = structlog.get_logger(__name__)

MARKING = ("accepted", "duplicate")
"""A duplicate marks its booking too: what it repeats may not have been worked out."""

_EXPIRY_SECONDS = 3600.0

Written = Callable[[Sequence[StoredReceipt]], None]


class InboxRows:
    """Writes the rows of receipts; `written` hears of those that marked a booking, after the commit."""

    def __init__(self, database: Database, *, clock: Clock, written: Written) -> None:
        self._database = database
        self._clock = clock
        self._rows = Grouped(database, _written_rows, written)

    async def take(self, receipt: StoredReceipt) -> None:
        """Return once the rows of this receipt are committed; a receipt seen before changes nothing."""
        try:
            await self._rows.put(receipt)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd receipt must not hold the others up
            # It stays in HUB_INBOX for its 30 days; handing it out again would not make it better.
            _log.error("inbox_receipt_refused", sequence=receipt.sequence, error=type(error).__name__)

    async def expire_for_ever(self) -> None:
        """Delete what is past its age, now and every hour, until cancelled."""
        while True:
            try:
                await self._database.write(self._expire)
            except StoreError as error:
                _log.warning("inbox_expiry_failed", error=str(error))
            await asyncio.sleep(_EXPIRY_SECONDS)

    def _expire(self, session: Session) -> None:
        now = self._clock.now()
        inbox.expire(session, now=now)
        quarantine.expire_resolved(session, before=now - inbox.KEPT)


def _written_rows(session: Session, receipts: Sequence[StoredReceipt]) -> list[StoredReceipt]:
    return write_rows(session, receipts)


def write_rows(session: Session, receipts: Sequence[StoredReceipt]) -> list[StoredReceipt]:
    """Write the rows of receipts not seen before; returns those that marked a booking."""
    seen = inbox.known_ids(session, {receipt.receipt_id for receipt in receipts})
    fresh = {receipt.receipt_id: receipt for receipt in receipts if receipt.receipt_id not in seen}
    insert_new_values(session, InboxRow, [_inbox_values(receipt) for receipt in fresh.values()])
    unread = [receipt for receipt in fresh.values() if receipt.status == "quarantined"]
    quarantine.put(session, [quarantine_row(receipt, receipt.reason or "unreadable") for receipt in unread])
    marking = [receipt for receipt in fresh.values() if receipt.status in MARKING and receipt.provider_id]
    dirty.mark(session, [mark_of(receipt) for receipt in marking])
    newest: dict[str, StoredReceipt] = {}
    for receipt in sorted(fresh.values(), key=lambda receipt: receipt.received_at):
        newest[receipt.source] = receipt
    for name, receipt in newest.items():
        sources.touch_webhook(session, name, at=receipt.received_at)
    return marking


def mark_of(receipt: StoredReceipt, *, cause: str = "webhook") -> DirtyRow:
    """The mark of a receipt on its booking, due at once."""
    return DirtyRow(
        source=receipt.source,
        provider_id=receipt.provider_id or "",
        receipt_id=receipt.receipt_id,
        sequence=receipt.sequence,
        cause=cause,
        marked_at=receipt.received_at,
        due_at=receipt.received_at,
    )


def quarantine_row(receipt: StoredReceipt, reason: str) -> QuarantineRow:
    """A receipt that waits for a person, with its body, which the inbox keeps for 30 days only."""
    return QuarantineRow(
        receipt_id=receipt.receipt_id,
        source=receipt.source,
        received_at=receipt.received_at,
        reason=reason,
        body=receipt.body,
    )


def _inbox_values(receipt: StoredReceipt) -> dict[str, Any]:
    return {
        "receipt_id": receipt.receipt_id,
        "source": receipt.source,
        "sequence": receipt.sequence,
        "received_at": receipt.received_at,
        "kind": receipt.kind,
        "status": receipt.status,
        "reason": receipt.reason,
        "provider_id": receipt.provider_id,
        "version": receipt.version,
        "attendee_ids": None if receipt.attendee_ids is None else list(receipt.attendee_ids),
        "digest": receipt.digest,
    }
