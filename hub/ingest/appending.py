"""From one snapshot to facts in the log: head, derive, append, and again if somebody outran a payload.

The facts of one snapshot are one atomic batch. Only if they would be too much for one (every fact carries
all attendees) they are several, one after the other: a derivation that is cut off anywhere is completed
by the same snapshot.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from events.base import BookingEvent
from events.derive import continue_chain, derive, unconfirmed
from events.envelope import Envelope, Provenance
from events.snapshot import BookingSnapshot
from events.state import Booking
from hub.activity import ENVELOPES
from hub.errors import ConcurrencyError, FactConflictError, HubError, LogError, LogUnavailableError
from hub.ingest.contacts import with_contacts
from hub.ingest.replacing import Linked, as_shown
from hub.log.event_log import AppendedBatch, EventLog, History
from hub.log.privacy import Privacy
from hub.log.publish import MOST_MESSAGES
from hub.telemetry import Metrics

_TRIES = 12
_LONGEST_PAUSE = 0.5
_MOST_HALVES = 50
_MOST_ATTENDEES_AT_ONCE = 10_000
"""Counted over all facts of a batch, since each carries every attendee: about 5 MB and 100 ms of sealing."""
_FEWEST_AT_ONCE = 2
"""What joins a replacement to its root belongs together."""

_log = structlog.get_logger(__name__)


class UnstorableError(HubError):
    """The log refuses these facts for good; the receipt needs a person."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of one history: the folded state and the version to expect, read before the snapshot counts."""

    state: Booking | None
    version: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one snapshot; `head` is the history's end after it."""

    head: Head
    facts: tuple[str, ...] = ()
    position: int = 0
    unconfirmed: bool = False

    @property
    def state(self) -> Booking | None:
        """The folded history after it."""
        return self.head.state


class Appender:
    """Derives and appends; safe to call for one booking from several processes at once."""

    def __init__(
        self, log: EventLog, privacy: Privacy, *, metrics: Metrics, linked: Linked = as_shown
    ) -> None:
        self._log = log
        self._privacy = privacy
        self._metrics = metrics
        self._linked = linked

    async def head(self, source: str, provider_id: str) -> Head:
        """Where the history of this id ends."""
        envelope, version = await self._log.head(source, provider_id)
        return Head(envelope.booking if envelope else None, version)

    async def settle(
        self,
        snapshot: BookingSnapshot,
        *,
        head: Head,
        provenance: Provenance = "webhook",
        causation_id: str | None = None,
    ) -> Settled:
        """Append what this snapshot adds to its history, starting from a head read before it was looked at.

        Raises LogUnavailableError (the outcome is unknown: read the head before trying again),
        UnstorableError, and ConcurrencyError if others kept being faster. With an API read that is at once:
        it shows what was before the others wrote and outranks them, so it has to be made again.
        """
        for attempt in range(_TRIES):
            facts, expected = await self._derived(head, snapshot)
            if not facts:
                if provenance == "webhook":
                    _log.info("nothing new", source=snapshot.source, booking_id=snapshot.provider_id)
                return Settled(head, unconfirmed=unconfirmed(head.state, snapshot))
            batch = [Envelope.of(fact, provenance=provenance, causation_id=causation_id) for fact in facts]
            try:
                return await self._append(batch, expected, (snapshot.source, snapshot.provider_id))
            except ConcurrencyError:
                if snapshot.origin == "api":
                    self._metrics.append_conflicts.inc()
                    raise
                await self._outran(attempt)
                head = await self.head(snapshot.source, snapshot.provider_id)
        raise ConcurrencyError(f"{snapshot.provider_id} changed {_TRIES} times while it was derived")

    async def record(
        self,
        source: str,
        provider_id: str,
        decide: Callable[[Booking], BookingEvent | None],
        *,
        causation_id: str | None = None,
    ) -> Settled:
        """Append a fact of our own that no provider shows, decided on the newest state of the booking.

        Raises what `settle` raises. A history that nobody knows, and None as a decision, append nothing.
        """
        for attempt in range(_TRIES):
            head = await self._counting_half(source, provider_id) or Head(None, 0)
            fact = decide(head.state) if head.state else None
            if fact is None:
                return Settled(head)
            envelope = Envelope.of(fact, provenance="command", causation_id=causation_id)
            own = (source, fact.provider_id)
            try:
                return await self._append([envelope], {own: head.version}, own)
            except ConcurrencyError:
                await self._outran(attempt)
        raise ConcurrencyError(f"{provider_id} changed {_TRIES} times while it was decided on")

    async def _derived(
        self, head: Head, snapshot: BookingSnapshot
    ) -> tuple[Sequence[BookingEvent], Mapping[History, int]]:
        snapshot = with_contacts(snapshot, head.state, self._privacy)
        own = (snapshot.source, snapshot.provider_id)
        if head.state is None:
            snapshot = await self._linked(snapshot)
        if head.state is None and snapshot.replaces not in (None, snapshot.provider_id):
            former = await self._counting_half(snapshot.source, snapshot.replaces or "")
            if former is not None and former.state is not None:
                expected = {own: head.version, (snapshot.source, former.state.provider_id): former.version}
                return continue_chain(former.state, snapshot), expected
        return derive(head.state, snapshot), {own: head.version}

    async def _outran(self, attempt: int) -> None:
        """Somebody was faster: count it, and wait a moment before the next try."""
        self._metrics.append_conflicts.inc()
        await asyncio.sleep(random.uniform(0, min(0.01 * 2**attempt, _LONGEST_PAUSE)))  # noqa: S311

    async def _counting_half(self, source: str, provider_id: str) -> Head | None:
        """The half that counts now of the booking this id belongs to; None if nothing is known of it."""
        for _ in range(_MOST_HALVES):
            head = await self.head(source, provider_id)
            if head.state is None or head.state.provider_id == provider_id:
                return head
            provider_id = head.state.provider_id
        return None

    async def _append(
        self, envelopes: Sequence[Envelope], expected: Mapping[History, int], own: History
    ) -> Settled:
        for part in _parts(envelopes):
            appended = await self._append_at_once(part, expected)
            last = _last_of(part, own[1], appended.first_position)
            expected = {own: last}
        state = envelopes[-1].booking
        head = Head(state.model_copy(update={"position": last}) if state else None, last)
        return Settled(head, tuple(envelope.type for envelope in envelopes), appended.last_position)

    async def _append_at_once(
        self, batch: Sequence[Envelope], expected: Mapping[History, int]
    ) -> AppendedBatch:
        began = time.perf_counter()
        try:
            appended = await self._log.append(batch, expected=expected)
        except (ConcurrencyError, LogUnavailableError):
            raise
        except FactConflictError as error:
            _log.error("fact_conflict", source=batch[0].source, booking_id=batch[0].booking_id)
            raise UnstorableError("fact conflict") from error
        except LogError as error:
            raise UnstorableError(f"its facts cannot be stored: {error}") from error
        self._metrics.append_duration.observe(time.perf_counter() - began)
        for envelope in batch:
            self._metrics.facts.labels(envelope.source, envelope.type, envelope.provenance).inc()
        _tell(batch)
        return appended


def _tell(batch: Sequence[Envelope]) -> None:
    """One line for what became known of a booking; a history that is read is told as a whole."""
    last = batch[-1]
    if last.provenance != "backfill":
        _log.info(
            "facts recorded",
            source=last.source,
            booking_id=last.booking_id,
            facts=[envelope.type for envelope in batch],
            provenance=last.provenance,
            **{ENVELOPES: batch},
        )


def _parts(envelopes: Sequence[Envelope]) -> Iterator[Sequence[Envelope]]:
    """The envelopes of one derivation, as many at once as are not too much."""
    booking = envelopes[-1].booking
    attendees = max(1, len(booking.attendees)) if booking else 1
    size = min(MOST_MESSAGES, max(_FEWEST_AT_ONCE, _MOST_ATTENDEES_AT_ONCE // attendees))
    for start in range(0, len(envelopes), size):
        yield envelopes[start : start + size]


def _last_of(batch: Sequence[Envelope], provider_id: str, first_position: int) -> int:
    """Where the last event of this id's own history stands: a chain writes to another one too."""
    return max(
        first_position + index for index, envelope in enumerate(batch) if envelope.provider_id == provider_id
    )
