"""Whose turn it is to read bookings of a source back: of all hubs on one store, one at a time.

A key's requests are counted by the provider over all of them, and each mark is worth one.
"""

from datetime import datetime, timedelta

from sqlmodel import Session

from hub.clock import Clock
from hub.store import leases
from hub.store.database import Database

LENGTH = timedelta(seconds=30)
"""How long the others wait for a hub that died; one that goes on under its name does not wait for itself."""


class Turns:
    """The turns of one hub, called `owner` also after a restart."""

    def __init__(self, database: Database, *, clock: Clock, owner: str) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._until: dict[str, datetime] = {}

    async def has(self, source: str) -> bool:
        """Whether it is this hub's turn; then it stays so for half of the length at least."""
        now = self._clock.now()
        if LENGTH / 2 < self._until.get(source, now) - now <= LENGTH:
            return True
        self._until.pop(source, None)
        name = _lease(source)
        holder = await self._database.read(
            lambda session: leases.holder(session, name, now=now, length=LENGTH)
        )
        if holder not in (None, self._owner) or not await self._database.write(
            lambda session: leases.acquire(session, name, owner=self._owner, now=now, length=LENGTH)
        ):
            return False
        self._until[source] = now + LENGTH
        return True

    async def leave(self) -> None:
        """Let the others begin at once."""
        held, self._until = tuple(self._until), {}

        def release(session: Session) -> None:
            for source in held:
                leases.release(session, _lease(source), owner=self._owner)

        if held:
            await self._database.write(release)


def _lease(source: str) -> str:
    return f"verify {source}"
