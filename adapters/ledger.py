"""A ledger of who holds which units when, for adapters without an outside system.

The hub keeps it in its store, the contract kits in memory; both are `Ledger`s. All that a work does to a
ledger happens at one moment: no other work on it, of this or any other process, sees half of it or runs
meanwhile. A unit is held by at most one key at any instant, whatever an adapter asks for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")

Pools = Mapping[str, Sequence[str]]
"""Units by pool, in the order in which they are given out; a unit is in one pool only."""

EntryState = Literal["held", "waiting", "released"]


class DoubleBookedError(RuntimeError):
    """An adapter wanted to give out a unit that somebody holds: a mistake of the program."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one key wants or has: `needs` of each pool from `busy_from` until just before `busy_until`.

    `start` and `end` are the meeting itself, without the time to prepare and to clear up. `line` is its
    place among those that wait, lowest first. `epoch` and `position` say which state of the key this is;
    `since` when it came to be held, to wait or to be released. What is released is kept, so that a state
    that comes late does not bring it back.
    """

    key: str
    state: EntryState
    line: int
    start: datetime
    end: datetime
    busy_from: datetime
    busy_until: datetime
    needs: Mapping[str, int]
    units: Mapping[str, tuple[str, ...]]
    epoch: int
    position: int
    since: datetime

    @property
    def names(self) -> frozenset[str]:
        """The units it holds."""
        return frozenset(name for names in self.units.values() for name in names)

    def meets(self, busy_from: datetime, busy_until: datetime) -> bool:
        """Whether the two share an instant; what only touches, or lasts no time, shares none."""
        return max(self.busy_from, busy_from) < min(self.busy_until, busy_until)


class LedgerPage(Protocol):
    """The ledger within one work."""

    def get(self, key: str) -> LedgerEntry | None:
        """The entry of this key, a released one too."""
        ...

    def between(self, busy_from: datetime, busy_until: datetime) -> Sequence[LedgerEntry]:
        """What is held or waited for at some instant of this time, lowest in line first."""
        ...

    def every(self) -> Sequence[LedgerEntry]:
        """Everything held or waited for, lowest in line first."""
        ...

    def put(self, entry: LedgerEntry) -> None:
        """Write this key's entry; raises DoubleBookedError if another one holds one of its units then."""
        ...

    def recall(self, keys: Sequence[str], *, position: int) -> None:
        """The entries of these keys were changed by an event of another: the hub brings them up to date.

        `position` is that of the event.
        """
        ...

    def agree(self, terms: str, pools: Pools) -> None:
        """Plan by these terms from now on.

        If others applied before, or none are known, the hub brings every key up to date that is not
        over, those that asked first before the others.
        """
        ...


class Ledger(Protocol):
    """One sink's own ledger. Both methods raise TransientError if it cannot be reached."""

    async def transact(self, work: Callable[[LedgerPage], T]) -> T:
        """Run the work alone and keep all it wrote, or nothing of it if it raises.

        A work is a plain function of the page. It may be run again before it is kept.
        """
        ...

    async def read(self, work: Callable[[LedgerPage], T]) -> T:
        """Run a work that writes nothing on one unchanging picture of the ledger."""
        ...


def refuse_double_booking(entry: LedgerEntry, others: Iterable[LedgerEntry]) -> None:
    """What every ledger asks before it writes; `others` are the entries at the same time."""
    for other in others:
        if other.key != entry.key and other.meets(entry.busy_from, entry.busy_until):
            both = sorted(other.names & entry.names)
            if both:
                raise DoubleBookedError(f"{both[0]} is held by {other.key}, {entry.key} cannot have it too")
