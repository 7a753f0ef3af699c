"""The other side of an adapter that publishes: the hub's own memory of documents, and its failures."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.errors import TransientError
from adapters.publishing import Document, MemoryPublication

STALL_SECONDS = 0.5


class PublishingSide:
    """A publication that can lose replies and be cut off; `shown` says what a reader sees of a content."""

    def __init__(self, shown: Callable[[str], Any]) -> None:
        self.publication = self
        self._kept = MemoryPublication()
        self._shown = shown
        self._calls = 0
        self._left: int | None = None
        self._fails_next = self._loses_next = self._stalls_next = False

    async def publish(self, document: Document) -> Document:
        await self._begin()
        there = await self._kept.publish(document)
        self._end()
        return there

    async def find(self, key: str, part: str) -> Document | None:
        await self._begin()
        found = await self._kept.find(key, part)
        self._end()
        return found

    async def every(self) -> Sequence[Document]:
        await self._begin()
        found = await self._kept.every()
        self._end()
        return found

    def fail_next(self, reason: str) -> None:
        """A store of the hub's own refuses nothing: it is away, whatever the reason."""
        self._fails_next = True

    def lose_next_reply(self) -> None:
        self._loses_next = True

    def stall_next(self) -> None:
        self._stalls_next = True

    def cut_off_after(self, calls: int) -> None:
        self._left = calls

    def restore(self) -> None:
        self._left = None
        self._fails_next = self._loses_next = self._stalls_next = False

    def calls(self) -> int:
        return self._calls

    def objects(self) -> Mapping[str, Any]:
        return {
            f"{document.key}/{document.part}": (self._shown(document.content or ""), document.audiences)
            for document in self._kept.shown()
        }

    def close(self) -> None:
        """Nothing is held open."""

    async def _begin(self) -> None:
        self._calls += 1
        if self._left == 0 or self._fails_next:
            self._fails_next = False
            raise TransientError("the publication cannot be reached")
        if self._stalls_next:
            self._stalls_next = False
            await asyncio.sleep(STALL_SECONDS)

    def _end(self) -> None:
        """The effect is there; whether the reply comes."""
        if self._left is not None:
            self._left -= 1
        if self._loses_next or self._left == 0:
            self._loses_next = False
            raise TransientError("the reply of the publication was lost")
