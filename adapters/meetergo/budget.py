"""The one budget of requests that a key has, shared by everything that calls with it.

meetergo allows 100 requests a minute per key and names neither what is left nor how long to wait. So each
token is given back a minute after it was taken: no window of a minute ever holds more than the limit,
where a bucket filled drop by drop would let twice as many through at its start. `Line` decides and has no
clock; `Budget` lets callers wait.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from weakref import WeakValueDictionary

from adapters.provider import Priority

MOST_PER_PERIOD = 100
PERIOD = timedelta(minutes=1)
PATIENCE = timedelta(minutes=1)
"""Who has waited this long moves up one class, as far as verification: nobody is starved."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=1)
"""After a 429 that names no time; doubled each time until an answer comes through."""

LONGEST_TOLD = timedelta(minutes=10)
"""A longer wait than this is not believed at once: one odd header would silence the source for days."""

LONGEST_WAIT = timedelta(minutes=1)
"""Whoever is told to wait longer is told so at once, and so is a person who comes during such a pause."""


KEPT_FREE: Mapping[Priority, float] = {
    Priority.COMMAND: 0.0,
    Priority.VERIFICATION: 0.1,
    Priority.POLL: 0.2,
    Priority.BACKFILL: 0.4,
}
"""The share of the tokens that a class leaves to those before it, so that a person never waits for a poll."""


class PausedError(Exception):
    """Nobody calls for as long as `left`, which is longer than a person is kept waiting."""

    def __init__(self, left: timedelta) -> None:
        super().__init__(f"paused for {left}")
        self.left = left


@dataclass(slots=True, eq=False)
class Ticket:
    """One request that wants a token; `joined` is when it began to wait."""

    priority: Priority
    joined: float
    future: "asyncio.Future[None] | None" = None

    def rank(self, now: float) -> Priority:
        """Its class, moved up by its wait; commands stay alone in front."""
        return Priority(self.priority - sum(now >= at for at in self.moves_up_at()))

    def moves_up_at(self) -> list[float]:
        """When it comes into the next class, and the one after."""
        steps = range(1, self.priority - Priority.VERIFICATION + 1)
        return [self.joined + step * PATIENCE.total_seconds() for step in steps]


@dataclass(slots=True)
class Line:
    """Who may go when: a pure decision over seconds of any clock that does not go back."""

    most: int = MOST_PER_PERIOD
    period: float = PERIOD.total_seconds()
    paused_until: float = 0.0
    waiting: list[Ticket] = field(default_factory=list)
    taken: deque[float] = field(default_factory=deque)

    def free(self, now: float) -> int:
        """How many tokens there are."""
        while self.taken and self.taken[0] + self.period <= now:
            self.taken.popleft()
        return self.most - len(self.taken)

    def join(self, ticket: Ticket) -> None:
        self.waiting.append(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Stop waiting; one that has gone already keeps its token, since its request may be out."""
        if ticket in self.waiting:
            self.waiting.remove(ticket)

    def admit(self, now: float) -> list[Ticket]:
        """Take a token for everybody who may go now, in their order."""
        admitted = []
        while self.waiting and now >= self.paused_until:
            first = self._first(now)
            if self.free(now) <= self._kept_from(first, now):
                break
            self.waiting.remove(first)
            self.taken.append(now)
            admitted.append(first)
        return admitted

    def send_away(self, now: float) -> list[Ticket]:
        """Take out the commands that a long pause would keep waiting; machines have time."""
        if self.paused_until - now <= LONGEST_WAIT.total_seconds():
            return []
        away = [ticket for ticket in self.waiting if ticket.priority is Priority.COMMAND]
        self.waiting = [ticket for ticket in self.waiting if ticket not in away]
        return away

    def next_at(self, now: float) -> float | None:
        """When somebody may go or move up, so that it is worth asking again; None if nobody waits."""
        if not self.waiting:
            return None
        if now < self.paused_until:
            return self.paused_until
        coming = [at for ticket in self.waiting for at in ticket.moves_up_at() if at > now]
        if self.taken:
            coming.append(self.taken[0] + self.period)
        return min(coming, default=None)

    def pause(self, until: float) -> None:
        """Nobody goes before this; a later pause stands."""
        self.paused_until = max(self.paused_until, until)

    def _first(self, now: float) -> Ticket:
        return min(self.waiting, key=lambda ticket: (ticket.rank(now), ticket.joined))

    def _kept_from(self, ticket: Ticket, now: float) -> int:
        return min(int(self.most * KEPT_FREE[ticket.rank(now)]), self.most - 1)


class Budget:
    """The line of one key; callers await their turn. Belongs to one event loop."""

    def __init__(self, most: int = MOST_PER_PERIOD, *, period: timedelta = PERIOD) -> None:
        self._line = Line(most=most, period=period.total_seconds())
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_PAUSE

    @property
    def free(self) -> int:
        """How many tokens there are now."""
        return self._line.free(asyncio.get_running_loop().time())

    @property
    def waiting(self) -> int:
        """How many requests wait for a token."""
        return len(self._line.waiting)

    async def take(self, priority: Priority) -> None:
        """Return when a request of this class may be sent; PausedError for a command in a long pause."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        ticket = Ticket(priority, loop.time(), future)
        self._line.join(ticket)
        self._serve()
        try:
            await future
        finally:
            self._line.leave(ticket)

    def refused(self, wait: timedelta | None) -> timedelta:
        """The provider answered 429: nobody calls for as long as it says, else ever longer. How long."""
        now = asyncio.get_running_loop().time()
        if wait is None and now < self._line.paused_until:
            # Sent before the pause began: several refusals at once are one.
            return timedelta(seconds=self._line.paused_until - now)
        told = min(self._pause if wait is None else wait, LONGEST_TOLD)
        if wait is None:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._line.pause(now + told.total_seconds())
        self._serve()
        return told

    def accepted(self) -> None:
        """The provider answered anything else, so the next pause is a short one again."""
        self._pause = FIRST_PAUSE

    def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for ticket in self._line.admit(loop.time()):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_result(None)
        left = timedelta(seconds=self._line.paused_until - loop.time())
        for ticket in self._line.send_away(loop.time()):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_exception(PausedError(left))
        if self._timer is not None:
            self._timer.cancel()
        at = self._line.next_at(loop.time())
        self._timer = None if at is None else loop.call_at(at, self._serve)


_budgets: WeakValueDictionary[str, Budget] = WeakValueDictionary()


def budget_of(key: str) -> Budget:
    """The budget everybody shares who calls with this key in this process."""
    return _budgets.setdefault(hashlib.sha256(key.encode()).hexdigest(), Budget())
