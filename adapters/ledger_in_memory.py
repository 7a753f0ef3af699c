"""A ledger that lives as long as its object: for adapters outside the hub, their tests and `certify`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from adapters.ledger import LedgerEntry, LedgerPage, Pools, refuse_double_booking

T = TypeVar("T")


class MemoryLedger:
    """Everything in one dictionary; for one event loop, where a work is never interrupted.

    `recalled` lists the keys the hub would bring up to date, in order, until somebody clears it.
    """

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.recalled: list[str] = []
        self.terms: str | None = None

    async def transact(self, work: Callable[[LedgerPage], T]) -> T:
        """Work on a copy that takes the place of the original."""
        page = _MemoryPage(dict(self.entries), self.terms)
        result = work(page)
        self.entries, self.terms = page.entries, page.terms
        self.recalled.extend(page.recalled)
        return result

    async def read(self, work: Callable[[LedgerPage], T]) -> T:
        """Work on a copy that is thrown away."""
        return work(_MemoryPage(dict(self.entries), self.terms))


class _MemoryPage:
    def __init__(self, entries: dict[str, LedgerEntry], terms: str | None) -> None:
        self.entries = entries
        self.terms = terms
        self.recalled: list[str] = []

    def get(self, key: str) -> LedgerEntry | None:
        return self.entries.get(key)

    def between(self, busy_from: datetime, busy_until: datetime) -> Sequence[LedgerEntry]:
        return [entry for entry in self.every() if entry.meets(busy_from, busy_until)]

    def every(self) -> Sequence[LedgerEntry]:
        live = [entry for entry in self.entries.values() if entry.state != "released"]
        return sorted(live, key=lambda entry: (entry.line, entry.key))

    def put(self, entry: LedgerEntry) -> None:
        refuse_double_booking(entry, self.every())
        self.entries[entry.key] = entry

    def recall(self, keys: Sequence[str], *, position: int) -> None:
        self.recalled.extend(keys)

    def agree(self, terms: str, pools: Pools) -> None:
        if terms != self.terms:
            self.terms = terms
            self.recalled.extend(entry.key for entry in self.every())
