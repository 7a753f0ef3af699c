"""Looks at receipts again: one from quarantine after a fix, or all since a moment after the log diverged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from adapters.api import Source
from hub.clock import Clock
from hub.ingest import marks
from hub.ingest.intake import read_stored
from hub.log.inbox_log import InboxLog, ReceiptStatus
from hub.store import quarantine
from hub.store.database import Database

_PAGE = 200
_MARGIN = timedelta(days=1)
"""A receipt may have waited this long before its facts were appended."""
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reprocessed:
    """What a receipt from quarantine counts as now."""

    receipt_id: str
    status: ReceiptStatus
    reason: str | None = None


class Reprocessor:
    """Reads receipts once more; the pipeline is woken for what they mark."""

    def __init__(
        self,
        sources: Mapping[str, Source[Any]],
        *,
        database: Database,
        inbox: InboxLog,
        clock: Clock,
        wake: Callable[[], None],
        trusts: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`trusts`: whether payloads of this source are taken for true."""
        self._sources = sources
        self._database = database
        self._inbox = inbox
        self._clock = clock
        self._wake = wake
        self._trusts = trusts

    async def reprocess(self, receipt_id: str) -> Reprocessed | None:
        """Read a body in quarantine again; it stays there with the new reason if it is still unreadable.

        None if no such receipt was ever in quarantine.
        """
        receipt = await self._database.read(lambda session: marks.body_of(session, receipt_id))
        if receipt is None:
            return None
        source = self._sources.get(receipt.source)
        if source is None:
            return Reprocessed(receipt_id, "quarantined", f"source {receipt.source} is not configured")
        reading = read_stored(source, receipt, trusting=self._trusts(receipt.source))
        now = self._clock.now()
        if reading.outcome == "booking" and reading.provider_id:
            provider_id = reading.provider_id
            await self._database.write(
                lambda session: marks.accept_from_quarantine(session, receipt, reading, provider_id, now)
            )
            self._wake()
            return Reprocessed(receipt_id, "accepted", reading.reason)
        if reading.outcome == "ignored":
            await self._database.write(lambda session: marks.ignore_from_quarantine(session, receipt_id, now))
            return Reprocessed(receipt_id, "ignored")
        reason = reading.reason or "unreadable"
        await self._database.write(
            lambda session: quarantine.renew_reason(session, receipt_id, reason=reason)
        )
        return Reprocessed(receipt_id, "quarantined", reason)

    async def remark_since(self, moment: datetime | None) -> int:
        """Mark the bookings of all receipts since this moment (and a day before); how many marks are new.

        Without a moment, of all receipts there are. Deriving them again gives lost facts with the same
        ids, and nothing for facts that are there.
        """
        since = moment - _MARGIN if moment else _EVER
        count = after = 0
        while page := await self._inbox.read(after, _PAGE):
            after = page[-1].sequence
            wanted = [receipt for receipt in page if receipt.received_at >= since]
            count += await self._database.write(partial(marks.mark_again, receipts=wanted))
        count += await self._remark_resolved(since)
        self._wake()
        return count

    async def _remark_resolved(self, since: datetime) -> int:
        """The same for receipts that became readable since: HUB_INBOX shows them as they came, if at all."""
        count, now = 0, self._clock.now()
        for receipt in await self._database.read(lambda session: marks.resolved_bodies(session, since)):
            source = self._sources.get(receipt.source)
            trusting = self._trusts(receipt.source)
            reading = read_stored(source, receipt, trusting=trusting) if source else None
            if reading and reading.outcome == "booking" and reading.provider_id:
                mark = partial(
                    marks.mark_from_quarantine,
                    receipt=receipt,
                    provider_id=reading.provider_id,
                    now=now,
                    cause="divergence",
                )
                count += await self._database.write(mark)
        return count
