"""Receipts become rows: listed, in quarantine where unreadable, and a mark on the booking they name.

Called by the consumer of HUB_INBOX for every receipt, possibly twice. The rows of all receipts that
wait are written in one transaction; only then are they acknowledged. Bookings are worked elsewhere,
so no receipt ever waits for a booking.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlmodel import Session, col, select

from hub.clock import Clock
from hub.errors import StoreError
from hub.log.inbox_log import StoredReceipt
from hub.store import dirty, inbox, quarantine, sources
from hub.store.database import Database
from hub.store.tables import DirtyRow, InboxRow, QuarantineRow

_log = structlog.get_logger(__name__)

MARKING = ("accepted", "duplicate")
"""A duplicate marks its booking too: what it repeats may not have been worked out."""

_MOST_AT_ONCE = 200
_EXPIRY_SECONDS = 3600.0

Written = Callable[[Sequence[StoredReceipt]], None]


@dataclass(slots=True, eq=False)
class _Waiting:
    receipt: StoredReceipt
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class InboxRows:
    """Writes the rows of receipts; `written` hears of those that marked a booking, after the commit."""

    def __init__(self, database: Database, *, clock: Clock, written: Written) -> None:
        self._database = database
        self._clock = clock
        self._written = written
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def take(self, receipt: StoredReceipt) -> None:
        """Return once the rows of this receipt are committed; a receipt seen before changes nothing."""
        waiting = _Waiting(receipt)
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="inbox rows")
        await waiting.done

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

    async def _write_all(self) -> None:
        group: list[_Waiting] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._write(group)
        finally:
            for waiting in (*group, *self._waiting):
                waiting.done.cancel()
            self._waiting.clear()

    async def _write(self, group: Sequence[_Waiting]) -> None:
        receipts = [waiting.receipt for waiting in group]
        try:
            marking = await self._database.write(lambda session: write_rows(session, receipts))
        except StoreError as error:
            for waiting in group:
                _fail(waiting, error)
            return
        except Exception as error:  # noqa: BLE001 - one odd receipt must not hold the others up
            await self._write_one_by_one(group, error)
            return
        self._written(marking)
        for waiting in group:
            _succeed(waiting)

    async def _write_one_by_one(self, group: Sequence[_Waiting], error: Exception) -> None:
        if len(group) > 1:
            for waiting in group:
                await self._write([waiting])
            return
        receipt = group[0].receipt
        # It stays in HUB_INBOX for its 30 days; handing it out again would not make it better.
        _log.error("inbox_receipt_refused", sequence=receipt.sequence, error=type(error).__name__)
        _succeed(group[0])


def write_rows(session: Session, receipts: Sequence[StoredReceipt]) -> list[StoredReceipt]:
    """Write the rows of receipts not seen before; returns those that marked a booking."""
    ids = {receipt.receipt_id for receipt in receipts}
    seen = set(session.exec(select(InboxRow.receipt_id).where(col(InboxRow.receipt_id).in_(ids))))
    fresh = {receipt.receipt_id: receipt for receipt in receipts if receipt.receipt_id not in seen}
    inbox.insert(session, [_inbox_row(receipt) for receipt in fresh.values()])
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


def _inbox_row(receipt: StoredReceipt) -> InboxRow:
    return InboxRow(
        receipt_id=receipt.receipt_id,
        source=receipt.source,
        sequence=receipt.sequence,
        received_at=receipt.received_at,
        kind=receipt.kind,
        status=receipt.status,
        reason=receipt.reason,
        provider_id=receipt.provider_id,
        digest=receipt.digest,
    )


def _succeed(waiting: _Waiting) -> None:
    if not waiting.done.done():
        waiting.done.set_result(None)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(error)
