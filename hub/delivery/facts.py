"""What an act of the hub's own made true becomes a fact of the booking, once, whoever acts how often.

The id of the fact names the refund, and the history knows which refunds it has; so an act that is repeated
because its outcome was not written down adds nothing.
"""

import asyncio
import random
from collections.abc import Sequence

from adapters.errors import TransientError
from events.envelope import Envelope
from events.refunds import Refund, refunded
from events.state import Booking
from hub.errors import ConcurrencyError, LogError
from hub.log import EventLog
from hub.telemetry import Metrics

_TRIES = 12
_LONGEST_PAUSE = 0.5
_MOST_HALVES = 50


class FactKeeper:
    """Appends facts that no snapshot shows; safe to call from several processes at once."""

    def __init__(self, log: EventLog, *, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics

    async def keep_refunds(
        self, source: str, provider_id: str, refunds: Sequence[Refund], *, causation_id: str | None
    ) -> tuple[str, ...]:
        """Append those the history has not yet; the ids of the new facts.

        `provider_id` is any of the booking's. Raises a LogError if the log does not take them; the same call
        again then appends what is still missing.
        """
        for attempt in range(_TRIES):
            try:
                return await self._append(source, provider_id, refunds, causation_id)
            except ConcurrencyError:
                self._metrics.append_conflicts.inc()
                await asyncio.sleep(random.uniform(0, min(0.01 * 2**attempt, _LONGEST_PAUSE)))  # noqa: S311
        raise ConcurrencyError(f"{provider_id} changed {_TRIES} times while a refund was noted")

    async def keep_for(self, envelope: Envelope, refunds: Sequence[Refund]) -> None:
        """Those that went back because of an event."""
        source, provider_id = envelope.source, envelope.provider_id
        await self.keep_refunds(source, provider_id, refunds, causation_id=envelope.event_id)

    async def _append(
        self, source: str, provider_id: str, refunds: Sequence[Refund], causation_id: str | None
    ) -> tuple[str, ...]:
        state, version = await _head(self._log, source, provider_id)
        batch = []
        for refund in refunds:
            fact = refunded(state, refund)
            if fact is not None:
                state = fact.booking
                batch.append(Envelope.of(fact, provenance="command", causation_id=causation_id))
        if batch:
            await self._log.append(batch, expected={(source, state.provider_id): version})
        for envelope in batch:
            self._metrics.facts.labels(source, envelope.type, envelope.provenance).inc()
        return tuple(envelope.event_id for envelope in batch)


async def newest(log: EventLog, booking: Booking) -> Booking:
    """A booking as the log has it now, with facts that no projection shows yet."""
    try:
        state, _ = await _head(log, booking.source, booking.provider_id)
    except LogError as error:
        raise TransientError(f"the booking cannot be read again: {error}") from error
    return state


async def _head(log: EventLog, source: str, provider_id: str) -> tuple[Booking, int]:
    """The state and version of the half of a booking that counts now."""
    for _ in range(_MOST_HALVES):
        envelope, version = await log.head(source, provider_id)
        state = envelope.booking if envelope else None
        if state is None:
            break
        if state.provider_id == provider_id:
            return state, version
        provider_id = state.provider_id
    raise LogError(f"the log has no history of {provider_id}")
