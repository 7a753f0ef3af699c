"""What an adapter without an outside system publishes: documents of which the hub serves a feed itself.

A sink publishes one document per key and part; its `Feed` says how those become what a reader fetches, and
who may. The hub keeps the documents beside its receipts and knows nothing of what is in them.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """One published item, in the adapter's own notation.

    `content` None: withdrawn; what is left keeps older states from coming back. `audiences` are those
    who may see it in a feed of their own, `ends_at` is when it begins to be past, `changed_at` when
    readers saw another content last.
    """

    key: str
    part: str
    content: str | None
    epoch: int
    position: int
    changed_at: datetime
    ends_at: datetime | None = None
    audiences: tuple[str, ...] = ()
    fingerprint: str | None = None
    sequence: int = 0

    def withdrawn(self, *, changed_at: datetime) -> "Document":
        """The same without what it said; a document that says nothing already stays as it is."""
        if self.content is None:
            return self
        return replace(
            self, content=None, fingerprint=None, audiences=(), ends_at=None, changed_at=changed_at
        )

    def is_later_than(self, other: "Document") -> bool:
        """Whether it stands for a later position of the same epoch; another epoch never blocks."""
        return self.epoch == other.epoch and self.position > other.position


class Publication(Protocol):
    """Where the documents of one sink are kept; TransientError if that cannot be reached."""

    async def publish(self, document: Document) -> Document:
        """Keep it, unless a later one is there; the one that stands there now. Any number of times."""
        ...

    async def find(self, key: str, part: str) -> Document | None:
        """What stands there, withdrawn or not."""
        ...

    async def every(self) -> Sequence[Document]:
        """All that are not withdrawn, by key and part."""
        ...


class MemoryPublication:
    """A publication that ends with its process, for tests and for trying an adapter."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], Document] = {}

    async def publish(self, document: Document) -> Document:
        place = (document.key, document.part)
        there = self._documents.get(place)
        if there is None or not there.is_later_than(document):
            self._documents[place] = document
        return self._documents[place]

    async def find(self, key: str, part: str) -> Document | None:
        return self._documents.get((key, part))

    async def every(self) -> Sequence[Document]:
        return self.shown()

    def shown(self) -> list[Document]:
        """The same without waiting."""
        return [found for _, found in sorted(self._documents.items()) if found.content is not None]


@dataclass(frozen=True, slots=True)
class Feed:
    """How a sink's documents are shown together, at `/feeds/<sink>/<token>[/<audience>]<suffix>`.

    A document is shown until `past` after its end. Each of `tokens` opens everything; what
    `audience_token` makes of one opens the feed of that audience alone.
    """

    tokens: tuple[str, ...] = field(repr=False)
    media_type: str
    suffix: str
    past: timedelta
    render: Callable[[Sequence[str], str | None], str]

    def opens(self, token: str, audience: str | None) -> bool:
        """Compared in constant time, with all that would fit whichever does."""
        right = [*self.tokens, *(audience_token(own, audience) for own in self.tokens if audience)]
        given = token.encode("utf-8", "surrogateescape")
        fits = [hmac.compare_digest(given, one.encode()) for one in right]
        return any(fits)


def audience_token(token: str, audience: str) -> str:
    """A token for one audience, from which neither the whole token nor another's can be guessed."""
    return hmac.new(token.encode(), f"audience:{audience}".encode(), hashlib.sha256).hexdigest()[:40]
