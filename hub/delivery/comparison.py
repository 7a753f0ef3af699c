"""Comparing one sink with its target: look there, look here, say what differs.

The adapter is one of its own, opened for this and closed again: a comparison works while its sink is
paused, in a process that delivers nothing, and beside deliveries whose requests it does not count.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, TypeVar

from adapters.api import BookingMirror, ContactMirror, Observed, Receipt
from hub.clock import Clock
from hub.delivery.errors import NotComparableError
from hub.delivery.plan import Item, Standing, Waiting, compare, missing
from hub.delivery.retry import Sleep, call_with_short_retries
from hub.delivery.sinks import RunningSink
from hub.delivery.wanted import Picture, Scope, read_picture
from hub.store import sinks
from hub.store.database import Database

T = TypeVar("T")

AT_A_TIME = 8
"""How many objects of one target are looked at together."""

LONGEST_SURVEY = timedelta(minutes=10)

Mirror = BookingMirror[Any] | ContactMirror[Any]
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
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_close, running)
            mirror = running.adapter
            if not isinstance(mirror, BookingMirror | ContactMirror):
                raise NotComparableError(f"{sink} acts once per event; it keeps nothing that could differ")
            await self._ask(running, mirror.open)
            log_end = await self._log_end()
            if keys is None and isinstance(mirror, ContactMirror):
                keys = asked
            scope = replace(await self._scope(sink, mirror, keys), wants=running.wants)
            before = await self._db.read(lambda session: read_picture(session, scope))
            observed = await self._observe(running, mirror, before, everything=keys is None)
            found = frozenset(one.key for one in observed)
            seen = replace(scope, also=found if keys is None else frozenset())
            after = await self._db.read(lambda session: read_picture(session, seen))
            requests = mirror.requests()
        standing = _at_rest(before.standing, after.standing)
        items = compare(sink, standing, observed)
        return Comparison(
            sink=sink,
            system=mirror.title or mirror.name.replace("_", " ").title(),
            of_bookings=standing.of_bookings,
            items=items if _has_read(standing, log_end) else tuple(map(_not_read_yet, items)),
            compared=len(standing.desired),
            requests=requests,
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

    async def _observe(
        self, running: RunningSink, mirror: Mirror, picture: Picture, *, everything: bool
    ) -> Sequence[Observed]:
        """What stands at the target; whatever a listing does not show is looked for once more by itself.

        A listing may lag behind, and an object that was made a moment ago is not one somebody deleted.
        """
        listed: Sequence[Observed] | None = None
        if everything and isinstance(mirror, BookingMirror):
            bookings = list(picture.bookings.values())
            listed = await self._ask(
                running,
                lambda: mirror.survey_all(bookings, picture.receipts),
                timeout=LONGEST_SURVEY,
            )
        if listed is None:
            return await self._observe_each(running, mirror, picture.standing, picture.places)
        absent = missing(picture.standing, listed)
        return [*listed, *await self._observe_each(running, mirror, picture.standing, absent)]

    async def _observe_each(
        self, running: RunningSink, mirror: Mirror, standing: Standing, wanted: Iterable[tuple[str, str]]
    ) -> list[Observed]:
        hands = asyncio.Semaphore(AT_A_TIME)

        async def look(key: str, part: str) -> Observed | None:
            receipt = _receipt_of(standing, key, part)
            async with hands:
                return await self._ask(running, lambda: mirror.observe(key, part, receipt))

        tasks = [asyncio.create_task(look(*one), name=f"observe {running.name}") for one in wanted]
        try:
            found = await asyncio.gather(*tasks)
        except NotImplementedError as error:
            raise NotComparableError(f"{running.name}: {error}") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [one for one in found if one is not None]

    async def _ask(
        self, running: RunningSink, call: Callable[[], Awaitable[T]], *, timeout: timedelta | None = None
    ) -> T:
        return await call_with_short_retries(call, timeout=timeout or running.timeout, sleep=self._sleep)


async def _close(running: RunningSink) -> None:
    await running.adapter.close()
    await running.adapter.context.http.aclose()


def _receipt_of(standing: Standing, key: str, part: str) -> Receipt | None:
    held = standing.held.get(key, {}).get(part)
    return held.receipt if held else None


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
