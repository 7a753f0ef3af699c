"""One hub at a time asks a source for one thing, and within a hub one task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from sqlmodel import Session

from hub.clock import Clock
from hub.errors import StoreError
from hub.polling.errors import BusyError, LeaseLostError
from hub.store import leases
from hub.store.database import Database

LENGTH = timedelta(minutes=3)
RENEW_EVERY = timedelta(seconds=45)
LOOK_EVERY = timedelta(milliseconds=200)
LONGEST_WAIT = timedelta(minutes=2)

_log = structlog.get_logger(__name__)


class Leases:
    """The leases of one hub. `owner` outlives the process: a hub that was killed goes on at once."""

    def __init__(self, database: Database, clock: Clock, *, owner: str) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._held: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        """Hold the lease while the body runs; False if somebody has it, then the body must do nothing.

        The body is ended by LeaseLostError if the lease is lost meanwhile.
        """
        if name in self._held:
            yield False
            return
        self._held.add(name)
        try:
            if not await self._acquire(name):
                yield False
                return
            try:
                async with self._renewed(name):
                    yield True
            finally:
                await self._database.write(lambda session: leases.release(session, name, owner=self._owner))
        finally:
            self._held.discard(name)

    @asynccontextmanager
    async def wait_for(self, name: str) -> AsyncIterator[None]:
        """The same, waiting for whoever has it; BusyError if that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_WAIT.total_seconds()
        while True:
            async with self.hold(name) as held:
                if held:
                    yield
                    return
            if loop.time() > deadline:
                raise BusyError(f"{name} is held by another hub, or by a run that takes long")
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    @asynccontextmanager
    async def _renewed(self, name: str) -> AsyncIterator[None]:
        lost = asyncio.Event()
        try:
            async with asyncio.timeout(None) as scope:
                renewing = asyncio.create_task(self._renew(name, scope, lost))
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError as error:
            if not lost.is_set():
                raise
            raise LeaseLostError(f"the lease {name} was lost") from error

    async def _renew(self, name: str, scope: asyncio.Timeout, lost: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY.total_seconds())
            try:
                kept = await self._database.write(lambda session: self._keep(session, name))
            except StoreError as error:
                # The body writes to the same store: it meets the outage itself.
                _log.warning("lease_not_renewed", lease=name, error=str(error))
                continue
            if not kept:
                lost.set()
                scope.reschedule(asyncio.get_running_loop().time())
                return

    async def _acquire(self, name: str) -> bool:
        now = self._clock.now()
        return await self._database.write(
            lambda session: leases.acquire(session, name, owner=self._owner, now=now, length=LENGTH)
        )

    def _keep(self, session: Session, name: str) -> bool:
        now = self._clock.now()
        return leases.renew(session, name, owner=self._owner, now=now, length=LENGTH)
