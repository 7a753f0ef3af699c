"""Finds the receipt behind a mark: at hand, in HUB_INBOX, or in quarantine."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from hub.errors import LogError, LogUnavailableError
from hub.ingest import marks
from hub.log.inbox_log import InboxLog, StoredReceipt
from hub.store.database import Database
from hub.store.tables import DirtyRow

_MOST_AT_HAND = 1000
_MOST_BYTES_AT_HAND = 16 << 20
_FETCHED_AT_ONCE = 32

_log = structlog.get_logger(__name__)


class Bodies:
    """Receipts by their marks; those that have just come are kept at hand, bounded."""

    def __init__(self, inbox: InboxLog, database: Database) -> None:
        self._inbox = inbox
        self._database = database
        self._at_hand: OrderedDict[str, StoredReceipt] = OrderedDict()
        self._bytes = 0

    def keep(self, receipts: Sequence[StoredReceipt]) -> None:
        """These will be asked for soon."""
        for receipt in receipts:
            if receipt.receipt_id not in self._at_hand:
                self._at_hand[receipt.receipt_id] = receipt
                self._bytes += len(receipt.body)
        while len(self._at_hand) > _MOST_AT_HAND or self._bytes > _MOST_BYTES_AT_HAND:
            _, oldest = self._at_hand.popitem(last=False)
            self._bytes -= len(oldest.body)

    async def of(self, rows: Sequence[DirtyRow]) -> list[StoredReceipt]:
        """The receipts of these marks, without those that are gone (past their age, or forgotten)."""
        found: list[StoredReceipt] = []
        for start in range(0, len(rows), _FETCHED_AT_ONCE):
            part = await asyncio.gather(*map(self._one, rows[start : start + _FETCHED_AT_ONCE]))
            found += [receipt for receipt in part if receipt is not None]
        return found

    async def _one(self, row: DirtyRow) -> StoredReceipt | None:
        at_hand = self._at_hand.pop(row.receipt_id, None)
        if at_hand is not None:
            self._bytes -= len(at_hand.body)
            return at_hand
        if row.sequence is None:
            return await self._database.read(lambda session: marks.body_of(session, row.receipt_id))
        try:
            receipt = await self._inbox.get(row.sequence)
        except LogUnavailableError:
            raise
        except LogError:
            receipt = None
        # A stream that was made anew holds other receipts at the same places.
        if receipt is None or receipt.receipt_id != row.receipt_id:
            _log.warning("receipt_gone", source=row.source, receipt_id=row.receipt_id)
            return None
        return receipt
