"""A sink's rate: a token bucket in the sink's row, so that it holds over all hubs on one store.

A token is taken in the transaction that claims a key. Whatever an attempt costs beyond that (further
parts, short retries, several requests within a call) is charged when its result is written, and
slows down those after it. See docs/adr/0011.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from hub.settings import Rate
from hub.store import sinks
from hub.store.tables import SinkRow

AT_ONCE = 10
"""This part of the rate may be used at one moment, so that a few changes need not queue."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""A bucket that was last filled later than this from now was so by a clock that has been set back since."""

_ROUNDING = 1e-9
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a sink may be called: `capacity` calls at one moment, `per_second` in the long run."""

    capacity: int
    per_second: float

    @classmethod
    def of(cls, rate: Rate) -> "Pace":
        """The bucket that never lets more than the rate pass within any of its periods."""
        capacity = max(1, rate.count // AT_ONCE)
        return cls(capacity, (rate.count - capacity + 1) / rate.per.total_seconds())

    def level(self, row: SinkRow, now: datetime) -> float:
        """The tokens there are at this moment; negative after a charge."""
        if row.tokens is None or row.tokens_at is None or row.tokens_at > now + CLOCKS_DIFFER:
            return self.capacity
        elapsed = max(0.0, (now - row.tokens_at).total_seconds())
        return min(float(self.capacity), row.tokens + elapsed * self.per_second)

    def allowed(self, row: SinkRow, now: datetime) -> int:
        """How many calls may begin now."""
        return max(0, int(self.level(row, now) + _ROUNDING))

    def ready_at(self, row: SinkRow, now: datetime) -> datetime:
        """When the next call may begin."""
        missing = 1.0 - self.level(row, now)
        return now if missing <= 0 else now + timedelta(seconds=missing / self.per_second) + _TICK

    def spend(self, row: SinkRow, tokens: int, now: datetime) -> None:
        """Take the tokens out of the row, which the caller has locked; may leave it in debt."""
        level, before = self.level(row, now), row.tokens_at or now
        # Not back: a hub whose clock is a little behind would give the time between the clocks away twice.
        row.tokens_at = now if before > now + CLOCKS_DIFFER else max(now, before)
        row.tokens = level - tokens

    def charge(self, session: Session, sink: str, tokens: int, now: datetime) -> None:
        """Take what was used beyond the tokens taken before."""
        row = sinks.lock(session, sink)
        if row is not None:
            self.spend(row, tokens, now)


class Meter:
    """What one process has used of a sink's rate, and how much of it was paid for with tokens.

    A call costs one, or as many as its adapter has sent requests.
    """

    def __init__(self, sent: Callable[[], int]) -> None:
        self._sent = sent
        self._calls = 0
        self._paid = 0

    def called(self) -> None:
        """A call begins."""
        self._calls += 1

    def paid(self) -> None:
        """A token was taken for a call to come."""
        self._paid += 1

    def take_owed(self) -> int:
        """What was used without a token; whoever takes it charges it."""
        owed = max(0, max(self._calls, self._sent()) - self._paid)
        self._paid += owed
        return owed
