"""One look at a target, through an adapter of its own and at the pace the sink keeps to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlmodel import Session

from adapters.api import BookingMirror, ContactMirror, Observed, Receipt
from hub.clock import Clock
from hub.delivery.errors import NotComparableError
from hub.delivery.pace import Meter, Pace
from hub.delivery.plan import Standing, missing
from hub.delivery.retry import Sleep, call_with_short_retries
from hub.delivery.sinks import RunningSink
from hub.delivery.wanted import Picture
from hub.store import sinks
from hub.store.database import Database

T = TypeVar("T")

AT_A_TIME = 8
"""How many objects of one target are looked at together."""

LONGEST_SURVEY = timedelta(minutes=10)

NO_WAIT = timedelta()

Mirror = BookingMirror[Any] | ContactMirror[Any]


class Look:
    """Reads at one target; changes nothing there, and closes what it opened."""

    def __init__(
        self, running: RunningSink, mirror: Mirror, *, db: Database, clock: Clock, sleep: Sleep
    ) -> None:
        self._running = running
        self._mirror = mirror
        self._db = db
        self._clock = clock
        self._sleep = sleep
        self._meter = Meter(mirror.requests)

    async def __aenter__(self) -> "Look":
        try:
            await self._ask(self._mirror.open)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    @property
    def requests(self) -> int:
        """How many requests it took so far."""
        return self._mirror.requests()

    async def see(self, picture: Picture, *, everything: bool) -> Sequence[Observed]:
        """What stands at the target; whatever a listing does not show is looked for once more by itself.

        A listing may lag behind, and an object that was made a moment ago is not one somebody deleted.
        """
        listed = await self._listed(picture) if everything else None
        if listed is None:
            return await self._each(picture.standing, picture.places)
        return [*listed, *await self._each(picture.standing, missing(picture.standing, listed))]

    async def _listed(self, picture: Picture) -> Sequence[Observed] | None:
        mirror = self._mirror
        if not isinstance(mirror, BookingMirror):
            return None
        bookings = list(picture.bookings.values())
        return await self._ask(lambda: mirror.survey_all(bookings, picture.receipts), timeout=LONGEST_SURVEY)

    async def _each(self, standing: Standing, wanted: Iterable[tuple[str, str]]) -> list[Observed]:
        hands = asyncio.Semaphore(AT_A_TIME)

        async def look(key: str, part: str) -> Observed | None:
            receipt = _receipt_of(standing, key, part)
            async with hands:
                return await self._ask(lambda: self._mirror.observe(key, part, receipt))

        name = self._running.name
        tasks = [asyncio.create_task(look(*one), name=f"observe {name}") for one in wanted]
        try:
            found = await asyncio.gather(*tasks)
        except NotImplementedError as error:
            raise NotComparableError(f"{name}: {error}") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [one for one in found if one is not None]

    async def _ask(self, call: Callable[[], Awaitable[T]], *, timeout: timedelta | None = None) -> T:
        await self._take_turn()

        def counted() -> Awaitable[T]:
            self._meter.called()
            return call()

        return await call_with_short_retries(
            counted, timeout=timeout or self._running.timeout, sleep=self._sleep
        )

    async def _take_turn(self) -> None:
        """Wait for a token of the sink's rate, of which deliveries take theirs as well."""
        pace, name = self._running.pace, self._running.name
        if pace is None:
            return
        while (wait := await self._db.write(lambda session: self._take(session, pace, name))) > NO_WAIT:
            await self._sleep(wait.total_seconds())
        self._meter.paid()

    def _take(self, session: Session, pace: Pace, name: str) -> timedelta:
        row, now = sinks.lock(session, name), self._clock.now()
        if row is None:
            return NO_WAIT
        owed = self._meter.take_owed()
        if owed:
            pace.spend(row, owed, now)
        if not pace.allowed(row, now):
            return pace.ready_at(row, now) - now
        pace.spend(row, 1, now)
        return NO_WAIT

    async def _close(self) -> None:
        await self._mirror.close()
        await self._mirror.context.http.aclose()
        pace, owed = self._running.pace, self._meter.take_owed()
        if pace is not None and owed:
            now, name = self._clock.now(), self._running.name
            await self._db.write(lambda session: pace.charge(session, name, owed, now))


def _receipt_of(standing: Standing, key: str, part: str) -> Receipt | None:
    held = standing.held.get(key, {}).get(part)
    return held.receipt if held else None
