"""The hub's own memory of documents as a stand-in: what `certify` tries publishing adapters on.

An adapter reaches it within the process, as `AdapterContext.publication`, and meets the same switches as
with any other stand-in; readers come over HTTP. The hub's store refuses nothing, it is only away, so a
status or a broken connection means that nothing was done, and a spoilt answer that it was.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from adapters.errors import TransientError
from adapters.publishing import Document, Feed, MemoryPublication
from adapters.simulation import RefusedError, Reply, Request, Simulation

T = TypeVar("T")


class PublishingSimulation(Simulation):
    """The publication of one sink and its feed, at `/<token>` or `/<token>/<audience>` with the suffix.

    `shown` says what a reader sees of one content.
    """

    def __init__(self, feed: Feed, *, shown: Callable[[str], Any]) -> None:
        super().__init__()
        self.publication = self
        self._feed = feed
        self._shown = shown
        self._kept = MemoryPublication()

    async def publish(self, document: Document) -> Document:
        return await self._within("publish", lambda: self._kept.publish(document))

    async def find(self, key: str, part: str) -> Document | None:
        return await self._within("find", lambda: self._kept.find(key, part))

    async def every(self) -> Sequence[Document]:
        return await self._within("every", lambda: self._kept.every())

    def call_of(self, request: Request) -> str:
        if request.method != "GET":
            raise RefusedError(405, "method", "only GET")
        return "read"

    def turned_away(self, request: Request) -> RefusedError | None:
        token, audience = self._asked(request)
        return None if self._feed.opens(token, audience) else RefusedError(404, "feed", "no such feed")

    async def perform(self, request: Request, call: str) -> Reply:
        _, audience = self._asked(request)
        contents = [
            document.content
            for document in self._kept.shown()
            if document.content and (audience is None or audience in document.audiences)
        ]
        return Reply(200, self._feed.render(contents, audience).encode(), self._feed.media_type)

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        return Reply(refusal.status, json.dumps({"error": refusal.message}).encode(), headers=headers)

    def objects(self) -> Mapping[str, Any]:
        return {
            f"{document.key}/{document.part}": {
                "shown": self._shown(document.content or ""),
                "audiences": list(document.audiences),
            }
            for document in self._kept.shown()
        }

    def _asked(self, request: Request) -> tuple[str, str | None]:
        address = "/".join(request.path).removesuffix(self._feed.suffix)
        token, separator, audience = address.partition("/")
        return token, audience if separator else None

    async def _within(self, call: str, effect: Callable[[], Awaitable[T]]) -> T:
        """One call of the adapter, with whatever goes wrong now."""
        fired = [fault for fault in self.faults if fault.fires(call)]
        kinds = {fault.kind for fault in fired}
        away = bool(kinds - {"delay", "lost_reply", "truncated"})
        # Noted as answered at once: a call that is given up meanwhile ends with its caller.
        self.calls.append({"call": call, "status": 503 if away else 200})
        await asyncio.sleep(sum(fault.seconds for fault in fired))
        if away:
            raise TransientError("the publication was away")
        done = await effect()
        if kinds - {"delay"}:
            raise TransientError("the answer of the publication was lost")
        return done
