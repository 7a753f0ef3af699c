"""Reads dirty bookings back from their provider, one by one or many together, and settles their marks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlmodel import Session

from adapters.api import Reading, Source
from adapters.errors import AuthError, PermanentError, TransientError
from adapters.provider import Provider
from events.snapshot import BookingSnapshot
from hub.clock import Clock
from hub.errors import ConcurrencyError, LogUnavailableError, StoreError
from hub.ingest.appending import UnstorableError
from hub.ingest.bodies import Bodies
from hub.ingest.gathering import Sought, gathered
from hub.ingest.intake import read_stored
from hub.ingest.lookup import Looked, Lookup, NoProviderError
from hub.ingest.marks import Key
from hub.ingest.verdicts import put_off, write_verdict
from hub.ingest.weighing import Hint, Verdict, cause_of, fruitless, hopeless, weighed
from hub.log.inbox_log import StoredReceipt
from hub.store.database import Database
from hub.store.tables import DirtyRow

NO_SUCH_BOOKING = "the provider has no such booking"
LONGEST_FAILING = timedelta(days=1)
"""A booking that cannot be read for so long while others can is left to a person: some ids always fail."""
RECENTLY = timedelta(hours=1)
SHORTEST_DELAY, LONGEST_DELAY = timedelta(seconds=2), timedelta(minutes=5)

Rows = Sequence[DirtyRow]
Hints = Mapping[str, Hint]


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What lists have shown of many bookings, requested when the log ended at `before`."""

    before: int
    hints: Mapping[Key, Hints]
    found: Mapping[str, Reading]


class ReadingBack:
    """Settles the marks it is given; marks made meanwhile stay."""

    def __init__(
        self,
        sources: Mapping[str, Source[Any]],
        providers: Mapping[str, Provider],
        *,
        lookup: Lookup,
        bodies: Bodies,
        database: Database,
        clock: Clock,
    ) -> None:
        self._sources = sources
        self._providers = providers
        self._lookup = lookup
        self._bodies = bodies
        self._database = database
        self._clock = clock
        self._answered: dict[str, datetime] = {}

    def keep(self, receipts: Sequence[StoredReceipt]) -> None:
        """The bookings of these receipts are looked at soon."""
        self._bodies.keep(receipts)

    async def one(self, key: Key, rows: Rows) -> bool:
        """Fetch a booking by its id; False after an outage, so that the next look waits a moment."""

        async def work() -> None:
            await self._by_id(key, rows, await self._hints(key, rows))

        return await self._guarded(key, rows, work)

    async def many(self, source: str, due: Mapping[Key, Rows], *, at_once: int) -> bool:
        """Read bookings of one source from lists, and fetch by id, so many at once, what they do not show."""
        try:
            listed = await self._listed(source, due)
        except (AuthError, LogUnavailableError, StoreError) as error:
            _log.warning("bookings_not_listed", source=source, error=str(error))
            return False
        limit = asyncio.Semaphore(at_once)

        async def settle(key: Key, rows: Rows) -> bool:
            hints, reading = listed.hints[key], listed.found.get(key[1])
            async with limit:
                if reading is None:
                    return await self._guarded(key, rows, lambda: self._by_id(key, rows, hints))
                looking = partial(self._lookup.seen, key[0], reading, before=listed.before)
                return await self._guarded(key, rows, lambda: self._settle(key, rows, hints, looking))

        return all(await asyncio.gather(*(settle(key, rows) for key, rows in due.items())))

    async def _listed(self, source: str, due: Mapping[Key, Rows]) -> _Listed:
        hints = {key: await self._hints(key, rows) for key, rows in due.items()}
        sought = {
            key[1]: Sought(newest.start, _hosts(newest))
            for key, newest in ((key, _newest(known)) for key, known in hints.items())
            if newest is not None
        }
        before = await self._lookup.position()
        return _Listed(before, hints, await gathered(self._providers[source], sought))

    async def _by_id(self, key: Key, rows: Rows, hints: Hints) -> None:
        newest = _newest(hints)
        looking = partial(self._lookup.look, *key, hosts=_hosts(newest) if newest else ())
        await self._settle(key, rows, hints, looking)

    async def _settle(
        self, key: Key, rows: Rows, hints: Hints, looking: Callable[..., Awaitable[Looked]]
    ) -> None:
        try:
            looked = await looking(provenance="webhook", causation_id=cause_of(rows, hints.values()))
        except UnstorableError as error:
            verdict = hopeless(rows, hints, str(error))
        except PermanentError as error:
            verdict = fruitless(rows, hints, str(error), now=self._clock.now())
        else:
            self._answered[key[0]] = self._clock.now()
            verdict = self._weighed(rows, hints, looked)
        await self._write(partial(write_verdict, key=key, verdict=verdict, now=self._clock.now()))

    def _weighed(self, rows: Rows, hints: Hints, looked: Looked) -> Verdict:
        now = self._clock.now()
        if looked.reading is None:
            return fruitless(rows, hints, NO_SUCH_BOOKING, now=now)
        if looked.reading.snapshot is None:
            reason = f"the provider's answer cannot be read: {looked.reading.reason}"
            return fruitless(rows, hints, reason, now=now)
        verdict = weighed(rows, hints, looked.reading.snapshot, now=now)
        verdict.position = looked.position
        return verdict

    async def _guarded(self, key: Key, rows: Rows, work: Callable[[], Awaitable[None]]) -> bool:
        source, provider_id = key
        try:
            await work()
        except (AuthError, NoProviderError):
            # The source is paused, or was switched off a moment ago; its marks stay as they are.
            return False
        except (LogUnavailableError, StoreError) as error:
            _log.warning("booking_not_read_back", source=source, error=str(error))
            return False
        except (TransientError, ConcurrencyError) as error:
            _log.warning("provider_not_reached", source=source, error=str(error))
            return await self._put_off(key, rows, str(error), getattr(error, "retry_after", None))
        except Exception as error:  # noqa: BLE001 - one bad booking must not delay the others
            # Only the type: a message could quote a guest's data.
            _log.error("booking_failed", source=source, provider_id=provider_id, error=type(error).__name__)
            return await self._put_off(key, rows, type(error).__name__, None)
        return True

    async def _put_off(self, key: Key, rows: Rows, error: str, told: timedelta | None) -> bool:
        """Look again after as long as it has been tried already, so ever later, or when the provider says."""
        now = self._clock.now()
        waited = now - min(row.marked_at for row in rows)
        delay = min(max(waited, SHORTEST_DELAY), LONGEST_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311
        due_at = now + max(delay, told or timedelta())
        try:
            if waited > LONGEST_FAILING and self._has_answered(key[0], now):
                verdict = hopeless(rows, await self._hints(key, rows), error)
                await self._write(partial(write_verdict, key=key, verdict=verdict, now=now))
            else:
                await self._write(partial(put_off, key=key, rows=rows, due_at=due_at, error=error))
        except (LogUnavailableError, StoreError):
            return False
        return True

    def _has_answered(self, source: str, now: datetime) -> bool:
        answered = self._answered.get(source)
        return answered is not None and now - answered < RECENTLY

    async def _write(self, work: Callable[[Session], None]) -> None:
        await self._database.write(work)

    async def _hints(self, key: Key, rows: Rows) -> Hints:
        """What the receipts of these marks say, by receipt id; those that are gone say nothing."""
        source = self._sources[key[0]]
        hints = {}
        for receipt in await self._bodies.of(rows):
            reading = read_stored(source, receipt, trusting=False)
            is_readable = reading.snapshot is not None and reading.provider_id == key[1]
            hints[receipt.receipt_id] = Hint(receipt, reading.snapshot if is_readable else None)
        return hints


def _newest(hints: Hints) -> BookingSnapshot | None:
    """What the newest of the payloads shows."""
    shown = [hint.snapshot for hint in hints.values() if hint.snapshot is not None]
    return max(
        shown, key=lambda snapshot: (snapshot.version or snapshot.seen_at, snapshot.seen_at), default=None
    )


def _hosts(snapshot: BookingSnapshot) -> tuple[str, ...]:
    return tuple(host.id for host in snapshot.hosts if host.id)
