"""Reading a list page by page, from a server whose rows move meanwhile, and knowing whether it was all.

Pages count from 0 whatever two guides say. Offsets over a moving set skip and repeat rows, servers answer
a page again, or half of one; so rows are counted by id and the list is whole only if nothing is missing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from adapters.meetergo.answers import Page, Row
from adapters.meetergo.fields import Fields, known
from adapters.meetergo.requests import instant_text

MOST_ROWS = 100
"""Rows a page may have at most, as the API's validation says."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which appointments are listed: by when they start, in which order, of whom.

    `host` names another user's appointments, which an admin's key may ask for.
    """

    start: datetime | None = None
    end: datetime | None = None
    order: Literal["start", "created"] = "start"
    descending: bool = False
    host: str | None = None
    size: int = MOST_ROWS

    def params(self, page: int) -> Mapping[str, str | int]:
        """The query for one page; `page` and `pageSize` have no defaults at the provider."""
        params: dict[str, str | int] = {
            "page": page,
            "pageSize": self.size,
            "sortBy": "appointment.start" if self.order == "start" else "appointment.createdAt",
            "sortDirection": "DESC" if self.descending else "ASC",
        }
        if self.start:
            params["start"] = instant_text(self.start)
        if self.end:
            params["end"] = instant_text(self.end)
        return params | ({"userId": self.host} if self.host else {})


@dataclass(slots=True)
class Progress:
    """How far a list was read; pure, so that every kind of odd server can be tried."""

    next_page: int | None = 0
    rows: int = 0
    unreadable: int = 0
    seen: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)

    def take(self, page: Page, *, size: int) -> list[Row]:
        """The rows of this page that are new, and with them whether another page is asked for.

        A page that is shorter than asked for is not the last one if rows are missing: the server may
        cut pages. One that brings nothing new is, or reading would never end.
        """
        new = self._new(page)
        self.totals.add(page.total)
        self.rows += len(new)
        short = len(page.rows) < size if page.total is None else self.rows >= page.total
        self.next_page = None if not new or short else page.number + 1
        return new

    @property
    def complete(self) -> bool:
        """Whether every row of the list was seen: each page named the same total, and that many came."""
        return self.next_page is None and not self.unreadable and self.totals == {self.rows}

    def _new(self, page: Page) -> list[Row]:
        new = []
        for row in page.rows:
            row_id = known(Fields(row).identifier("id"))
            if row_id is None:
                self.unreadable += 1
            elif row_id not in self.seen:
                self.seen.add(row_id)
                new.append(row)
        return new


class Scan:
    """The pages of one list, each with the rows that are new; `complete` counts once it has ended."""

    def __init__(self, fetch: Callable[[int], Awaitable[Page]], *, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._progress = Progress()

    @property
    def complete(self) -> bool:
        return self._progress.complete

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        while self._progress.next_page is not None:
            page = await self._fetch(self._progress.next_page)
            yield self._progress.take(page, size=self._size)
