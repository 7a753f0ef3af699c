"""Comparing one sink with its target: look there, look here, say what differs.

The adapter is one of its own, opened for this and closed again: a comparison works while its sink is
paused, in a process that delivers nothing, and beside deliveries whose requests it does not count.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from adapters.api import BookingMirror, ContactMirror
from hub.clock import Clock
from hub.delivery.errors import NotComparableError
from hub.delivery.look import Look, Mirror
from hub.delivery.plan import Item, Standing, Waiting, compare
from hub.delivery.retry import Sleep
from hub.delivery.sinks import RunningSink
from hub.delivery.wanted import Scope, read_picture
from hub.store import sinks
from hub.store.database import Database

BuildSink = Callable[[str], Awaitable[RunningSink | None]]
"""A sink of the configuration with an adapter of its own, not opened yet; None if it is switched off."""
LogEnd = Callable[[], Awaitable[int | None]]
"""The last position of the log; None if that is not known, or not known to be the log that was read."""
StartOf = Callable[[str], Literal["upcoming", "now", "beginning"]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one look at a target found, what it took, and how people call the target."""

    sink: str
    system: str
    of_bookings: bool
    items: tuple[Item, ...]
    compared: int
    requests: int
    seconds: float


class Comparer:
    """Compares the mirrors of the configuration with their targets; changes nothing anywhere."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        build: BuildSink,
        start_of: StartOf,
        log_end: LogEnd,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._db = db
        self._clock = clock
        self._build = build
        self._start_of = start_of
        self._log_end = log_end
        self._sleep = sleep

    async def compare(
        self, sink: str, *, keys: frozenset[str] | None = None, asked: frozenset[str] | None = None
    ) -> Comparison:
        """What differs at this sink, for these keys or for all it is responsible for.

        Where each object costs a request of its own, `asked` says which of all are of interest.

        Raises NotComparableError if nothing can be compared there, an AdapterError if the target does
        not answer, and then nothing is known: a part of a comparison is none.
        """
        began = time.monotonic()
        running = await self._build(sink)
        if running is None:
            raise NotComparableError(f"{sink} is switched off")
        mirror = running.adapter
        if not isinstance(mirror, BookingMirror | ContactMirror):
            raise NotComparableError(f"{sink} acts once per event; it keeps nothing that could differ")
        if keys is None and isinstance(mirror, ContactMirror):
            keys = asked
        look = Look(running, mirror, db=self._db, clock=self._clock, sleep=self._sleep)
        async with look:
            log_end = await self._log_end()
            scope = replace(await self._scope(sink, mirror, keys), wants=running.wants)
            before = await self._db.read(lambda session: read_picture(session, scope))
            observed = await look.see(before, everything=keys is None)
            found = frozenset(one.key for one in observed)
            seen = replace(scope, also=found if keys is None else frozenset())
            after = await self._db.read(lambda session: read_picture(session, seen))
        standing = _at_rest(before.standing, after.standing)
        items = compare(sink, standing, observed)
        return Comparison(
            sink=sink,
            system=mirror.title or mirror.name.replace("_", " ").title(),
            of_bookings=standing.of_bookings,
            items=items if _has_read(standing, log_end) else tuple(map(_not_read_yet, items)),
            compared=len(standing.desired),
            requests=look.requests,
            seconds=time.monotonic() - began,
        )

    async def _scope(self, name: str, mirror: Mirror, keys: frozenset[str] | None) -> Scope:
        row = await self._db.read(lambda session: sinks.get(session, name))
        return Scope(
            sink=name,
            mirror=mirror,
            start=self._start_of(name),
            start_position=row.start_position if row else 0,
            now=self._clock.now(),
            keys=keys,
        )


def _at_rest(before: Standing, after: Standing) -> Standing:
    """The later standing; a key that changed while the target was looked at counts as under way."""
    moving = {
        key
        for key in after.desired.keys() | after.held.keys() | before.waiting.keys()
        if after.moved_since(before, key) or before.waiting.get(key) == "delivery_pending"
    }
    under_way: dict[str, Waiting] = dict.fromkeys(moving, "delivery_pending")
    return replace(after, waiting={**after.waiting, **under_way})


def _has_read(standing: Standing, log_end: int | None) -> bool:
    """Whether every booking that may have an object is known: else its object looks like nobody's."""
    return log_end is not None and standing.position >= log_end


def _not_read_yet(item: Item) -> Item:
    return replace(item, cause="not_read_yet") if item.cause == "unknown_booking" else item
