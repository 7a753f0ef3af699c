"""Reading a booking from its provider, and what that adds to its history.

The history's end is read before the provider is asked. Whoever else writes meanwhile (our own command,
another hub) makes the answer stale, and then it is asked again: deriving an old answer from a newer head
would undo what the other one did.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from adapters.api import Reading
from adapters.errors import RefusalError
from adapters.provider import Priority, Provider
from events.envelope import Provenance
from events.snapshot import BookingSnapshot
from events.state import Booking
from hub.clock import Clock
from hub.errors import ConcurrencyError, HubError
from hub.ingest.appending import Appender, Head, Settled, UnstorableError
from hub.ingest.trust import is_far_ahead
from hub.log.event_log import EventLog
from hub.log.subjects import fits_subject
from hub.telemetry import Metrics

_TRIES = 8
_LONGEST_PAUSE = 2.0
_FORBIDDEN = "forbidden"
_PRIORITY_OF: Mapping[Provenance, Priority] = {
    "webhook": Priority.VERIFICATION,
    "poll": Priority.POLL,
    "backfill": Priority.BACKFILL,
    "command": Priority.COMMAND,
}

Confirmed = Callable[[str, str], Awaitable[None]]
"""Source and provider id."""

_log = structlog.get_logger(__name__)


class NoProviderError(HubError):
    """The source has no API that could be asked: no credentials, switched off, or not configured any more."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at one booking showed and what it added.

    `state` is the folded history after it and `position` its end, both of before if nothing was added.
    `missing`: the provider has no such booking (any more, or for these hosts); then there is no `reading`.
    A reading that is `unreadable` adds nothing.
    """

    booking_id: str | None
    state: Booking | None
    facts: tuple[str, ...]
    position: int
    missing: bool
    reading: Reading | None


class Lookup:
    """Looks at bookings; safe to call for one booking from several tasks and processes at once.

    `providers` may change while it is used.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        *,
        log: EventLog,
        appender: Appender,
        clock: Clock,
        metrics: Metrics,
        confirmed: Confirmed | None = None,
    ) -> None:
        """`confirmed` is told of each known booking to which the provider's word has added something."""
        self._providers = providers
        self._log = log
        self._appender = appender
        self._clock = clock
        self._metrics = metrics
        self._confirmed = confirmed

    async def position(self) -> int:
        """Where the log ends now: what `seen` has to be given, read before a list is requested."""
        return (await self._log.state()).last

    async def look(
        self,
        source: str,
        provider_id: str,
        *,
        host: str | None = None,
        hosts: Sequence[str] = (),
        priority: Priority = Priority.VERIFICATION,
        provenance: Provenance = "webhook",
        causation_id: str | None = None,
        reason: str | None = None,
    ) -> Looked:
        """Fetch a booking by its id and append what is new.

        `host` is asked for first, then `hosts`, then those the history knows, where the key sees one user's
        bookings only.
        `reason` is why it was moved, for which the provider has no place.
        Raises what the provider raises, RefusalError of code `forbidden` if it may not be seen by any of
        them; NoProviderError; LogUnavailableError (the outcome is unknown: look again), UnstorableError, and
        ConcurrencyError if others kept being faster.
        """
        _refuse_overlong(provider_id)
        first = (host, *hosts) if host else hosts
        for attempt in range(_TRIES):
            head = await self._appender.head(source, provider_id)
            reading = await self._fetched(source, provider_id, _hosts(first, head.state), priority)
            self._count(source, reading)
            if reading is None or reading.snapshot is None:
                return _nothing_added(head, reading)
            try:
                settled = await self._settle(
                    _moved_for(reading.snapshot, reason), head, provenance, causation_id
                )
            except ConcurrencyError:
                await asyncio.sleep(random.uniform(0, min(0.01 * 2**attempt, _LONGEST_PAUSE)))  # noqa: S311
                continue
            return _added(settled, reading)
        raise ConcurrencyError(f"{provider_id} changed {_TRIES} times while it was fetched")

    async def seen(
        self,
        source: str,
        reading: Reading,
        *,
        before: int,
        provenance: Provenance,
        causation_id: str | None = None,
    ) -> Looked:
        """Append what is new in a row of a list that was requested when the log ended at `before`.

        If its history has grown since then the row is stale, and the booking is fetched by its id.
        """
        snapshot = reading.snapshot
        if snapshot is None:
            return Looked(None, None, (), 0, missing=False, reading=reading)
        _refuse_overlong(snapshot.provider_id)
        head = await self._appender.head(source, snapshot.provider_id)
        if head.version <= before:
            with suppress(ConcurrencyError):
                return _added(await self._settle(snapshot, head, provenance, causation_id), reading)
        self._metrics.lookups.labels(source, "stale_row").inc()
        return await self.look(
            source,
            snapshot.provider_id,
            hosts=[host.id for host in snapshot.hosts if host.id],
            priority=_PRIORITY_OF[provenance],
            provenance=provenance,
            causation_id=causation_id,
        )

    async def _fetched(
        self, source: str, provider_id: str, hosts: tuple[str, ...], priority: Priority
    ) -> Reading | None:
        provider = self._providers.get(source)
        if provider is None:
            raise NoProviderError(f"the source {source} has no API that could be asked")
        refused: RefusalError | None = None
        for host in provider.lists_of(hosts) or (None,):
            try:
                reading = await provider.fetch(provider_id, host=host, priority=priority)
            except RefusalError as error:
                if error.code != _FORBIDDEN:
                    raise
                refused = error
                continue
            if reading is not None:
                return reading
        if refused is not None:
            raise refused
        return None

    def _count(self, source: str, reading: Reading | None) -> None:
        outcome = "missing" if reading is None else "found" if reading.snapshot else "unreadable"
        self._metrics.lookups.labels(source, outcome).inc()

    async def _settle(
        self, snapshot: BookingSnapshot, head: Head, provenance: Provenance, causation_id: str | None
    ) -> Settled:
        _refuse_overlong(snapshot.provider_id)
        if is_far_ahead(snapshot, moment=self._clock.now()):
            # Taken all the same, since nobody knows better; payloads of the booking count as old till then.
            _log.warning("version_ahead", source=snapshot.source, provider_id=snapshot.provider_id)
        settled = await self._appender.settle(
            snapshot, head=head, provenance=provenance, causation_id=causation_id
        )
        if settled.facts and head.state is not None and self._confirmed is not None:
            await self._confirmed(snapshot.source, snapshot.provider_id)
        return settled


def _moved_for(snapshot: BookingSnapshot, reason: str | None) -> BookingSnapshot:
    return snapshot.model_copy(update={"reason": reason}) if reason else snapshot


def _refuse_overlong(provider_id: str) -> None:
    if not fits_subject(provider_id):
        raise UnstorableError("its id is too long to be stored")


def _hosts(first: Sequence[str], state: Booking | None) -> tuple[str, ...]:
    known = [host.id for host in state.hosts if host.id] if state else []
    return tuple(dict.fromkeys((*first, *known)))


def _nothing_added(head: Head, reading: Reading | None) -> Looked:
    booking_id = head.state.booking_id if head.state else None
    return Looked(booking_id, head.state, (), head.version, missing=reading is None, reading=reading)


def _added(settled: Settled, reading: Reading) -> Looked:
    state = settled.head.state
    return Looked(
        booking_id=state.booking_id if state else None,
        state=state,
        facts=settled.facts,
        position=max(settled.position, settled.head.version),
        missing=False,
        reading=reading,
    )
