"""Works dirty bookings: receipts waiting for one booking -> snapshots, oldest first -> facts.

Many bookings at the same time, each by one task only; what other processes do meanwhile is caught by
the expected version. Whatever fails, fails for its own booking: it is looked at again later.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlmodel import Session

from adapters.api import Source
from events.snapshot import BookingSnapshot
from hub.clock import Clock
from hub.errors import LogUnavailableError, StoreError
from hub.ingest import marks
from hub.ingest.appending import Appender, UnstorableError
from hub.ingest.bodies import Bodies
from hub.ingest.grouped import Grouped
from hub.ingest.intake import read_stored
from hub.ingest.marks import Key, Worked
from hub.ingest.replacing import linked_by
from hub.ingest.rounds import keep_looking
from hub.log.event_log import EventLog
from hub.log.inbox_log import InboxLog, StoredReceipt
from hub.log.privacy import Privacy
from hub.store.database import Database
from hub.store.tables import DirtyRow
from hub.telemetry import Metrics

_LONGEST_DELAY = timedelta(minutes=15)

_log = structlog.get_logger(__name__)


class Pipeline:
    """Turns marks into facts until cancelled. `sources` holds every configured source, also disabled ones.

    `left_out` names those whose bookings are read back instead.
    """

    def __init__(
        self,
        sources: Mapping[str, Source[Any]],
        *,
        database: Database,
        inbox: InboxLog,
        log: EventLog,
        privacy: Privacy,
        clock: Clock,
        metrics: Metrics,
        left_out: Callable[[], Collection[str]] = tuple,
        at_once: int = 64,
    ) -> None:
        self._sources = sources
        self._database = database
        self._appender = Appender(log, privacy, metrics=metrics, linked=linked_by(database))
        self._clock = clock
        self._left_out = left_out
        self._at_once = at_once
        self._woken = asyncio.Event()
        self._working: dict[Key, asyncio.Task[bool]] = {}
        self._bodies = Bodies(inbox, database)
        self._finished = Grouped(database, self._finish, lambda _: None)

    def written(self, receipts: Sequence[StoredReceipt]) -> None:
        """These receipts have just marked their bookings."""
        self._bodies.keep(receipts)
        self.wake()

    def wake(self) -> None:
        """Look for marks now."""
        self._woken.set()

    async def run(self) -> None:
        """Work whatever is or becomes due; ends only by cancellation."""
        await keep_looking(self._start_due, self._woken, self._working.values)

    async def _start_due(self) -> None:
        """Begin as many due bookings as may be worked at once and are not worked already."""
        free = self._at_once - len(self._working)
        if free <= 0:
            return
        now, working, left_out = self._clock.now(), frozenset(self._working), self._left_out()
        due = await self._database.read(
            lambda session: marks.due_marks(session, now=now, limit=free, working=working, without=left_out)
        )
        for key, rows in due.items():
            task = asyncio.create_task(self._guarded(key, rows), name="booking")
            self._working[key] = task
            task.add_done_callback(lambda _, key=key: self._ended(key))  # type: ignore[misc]

    def _ended(self, key: Key) -> None:
        outcome = self._working.pop(key)
        if not outcome.cancelled() and outcome.result():
            self.wake()

    async def _guarded(self, key: Key, rows: Sequence[DirtyRow]) -> bool:
        """Work one booking; False after an outage, so that the next look waits a moment."""
        source, provider_id = key
        try:
            await self._finished.put((key, await self._work(key, rows)))
        except LogUnavailableError as error:
            _log.warning("log_unavailable", source=source, error=str(error))
            return False
        except StoreError as error:
            _log.error("marks_not_cleared", source=source, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - one bad booking must not delay the others
            # Only the type: a message could quote a guest's data.
            _log.error("booking_failed", source=source, provider_id=provider_id, error=type(error).__name__)
            return await self._postpone(key, rows, type(error).__name__)
        return True

    def _finish(self, session: Session, finished: Sequence[tuple[Key, Worked]]) -> None:
        marks.finish(session, finished, now=self._clock.now())

    async def _postpone(self, key: Key, rows: Sequence[DirtyRow], error: str) -> bool:
        attempts = max(row.attempts for row in rows)
        delay = min(timedelta(seconds=2 ** min(attempts, 12)) * random.uniform(0.8, 1.2), _LONGEST_DELAY)  # noqa: S311
        due_at = self._clock.now() + delay
        try:
            await self._database.write(
                lambda session: marks.postpone(session, key, rows, due_at=due_at, error=error)
            )
        except StoreError:
            return False
        return True

    async def _work(self, key: Key, rows: Sequence[DirtyRow]) -> Worked:
        """Derive all waiting receipts of one booking, the oldest version first."""
        source = self._sources.get(key[0])
        if source is None:
            raise NotConfiguredError(key[0])
        worked = Worked(receipt_ids=[row.receipt_id for row in rows])
        head = await self._appender.head(*key)
        for snapshot, receipt in _in_order(source, key, await self._bodies.of(rows), worked):
            try:
                settled = await self._appender.settle(snapshot, head=head, causation_id=receipt.receipt_id)
            except UnstorableError as error:
                worked.refuse(receipt, str(error))
                head = await self._appender.head(*key)
                continue
            head = settled.head
            worked.note(settled, receipt)
        return worked


class NotConfiguredError(Exception):
    """The source of a mark is not in the configuration any more; the mark waits for its return."""


def _in_order(
    source: Source[Any], key: Key, receipts: Sequence[StoredReceipt], worked: Worked
) -> list[tuple[BookingSnapshot, StoredReceipt]]:
    """What the receipts show, the oldest version first; those that cannot be read any more are refused."""
    shown = []
    for receipt in receipts:
        reading = read_stored(source, receipt)
        if reading.snapshot is None and reading.outcome != "ignored":
            worked.refuse(receipt, reading.reason or "unreadable")
        elif reading.snapshot is not None and reading.provider_id != key[1]:
            worked.refuse(receipt, "read as another booking than when it came")
        elif reading.snapshot is not None:
            shown.append((reading.snapshot, receipt))
            if reading.reason:
                worked.remarks[receipt.receipt_id] = reading.reason
    return sorted(shown, key=_age)


def _age(shown: tuple[BookingSnapshot, StoredReceipt]) -> tuple[datetime, datetime, str]:
    snapshot, receipt = shown
    return snapshot.version or receipt.received_at, receipt.received_at, receipt.receipt_id
