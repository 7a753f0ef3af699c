"""The ledgers of sinks without an outside system, kept in the store (docs/adr/0014).

A work on a ledger has it to itself: on SQLite because one transaction writes at a time, on PostgreSQL by
an advisory lock per sink, which ends with the transaction, so that the next work sees all of this one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from adapters.errors import TransientError
from adapters.ledger import EntryState, LedgerEntry, LedgerPage, Pools, refuse_double_booking
from hub.clock import Clock
from hub.errors import StoreError
from hub.store import recalls
from hub.store.database import Database
from hub.store.statements import upsert
from hub.store.tables import LedgerEntryRow, LedgerRow

T = TypeVar("T")

LOCKS = 0x6C65_6467
"""The first half of the advisory locks of ledgers; the second is made of the sink's name."""

LIVE: tuple[EntryState, ...] = ("held", "waiting")

_SAME_MEMBERS = (
    "key", "state", "line", "start", "end", "busy_from", "busy_until", "epoch", "position", "since",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflicts:
    """How many keys of a sink wait for units at a time that is not over."""

    count: int
    since: datetime
    first: datetime
    """When the earliest of these meetings begins."""


class StoreLedger:
    """The ledger of one sink."""

    def __init__(self, database: Database, sink: str, *, clock: Clock) -> None:
        self._database = database
        self._sink = sink
        self._clock = clock

    async def transact(self, work: Callable[[LedgerPage], T]) -> T:
        """Run the work alone, over all processes, and commit what it wrote."""

        def alone(session: Session) -> T:
            if self._database.dialect == "postgresql":
                session.execute(select(func.pg_advisory_xact_lock(LOCKS, func.hashtext(self._sink))))
            return work(_Page(session, self._sink, self._clock.now()))

        try:
            return await self._database.write(alone)
        except StoreError as error:
            raise TransientError(f"the ledger is not to be reached: {error}") from error

    async def read(self, work: Callable[[LedgerPage], T]) -> T:
        """Run the work on one picture of the store."""
        try:
            return await self._database.read(
                lambda session: work(_Page(session, self._sink, self._clock.now()))
            )
        except StoreError as error:
            raise TransientError(f"the ledger is not to be reached: {error}") from error


class _Page:
    def __init__(self, session: Session, sink: str, now: datetime) -> None:
        self._session = session
        self._sink = sink
        self._now = now

    def get(self, key: str) -> LedgerEntry | None:
        row = self._session.get(LedgerEntryRow, (self._sink, key), populate_existing=True)
        return None if row is None else entry_of(row)

    def between(self, busy_from: datetime, busy_until: datetime) -> Sequence[LedgerEntry]:
        found = _live(
            self._session,
            self._sink,
            col(LedgerEntryRow.busy_from) < busy_until,
            col(LedgerEntryRow.busy_until) > busy_from,
        )
        return [entry for entry in found if entry.meets(busy_from, busy_until)]

    def every(self) -> Sequence[LedgerEntry]:
        return _live(self._session, self._sink)

    def put(self, entry: LedgerEntry) -> None:
        if entry.units:
            refuse_double_booking(entry, self.between(entry.busy_from, entry.busy_until))
        values = {name: getattr(entry, name) for name in _SAME_MEMBERS}
        values |= {"sink": self._sink, "needs": dict(entry.needs)}
        values["units"] = {pool: list(names) for pool, names in entry.units.items()}
        upsert(self._session, LedgerEntryRow, [values])

    def recall(self, keys: Sequence[str], *, position: int) -> None:
        recalls.recall(self._session, self._sink, keys, position=position, now=self._now)

    def agree(self, terms: str, pools: Pools) -> None:
        known = self._session.get(LedgerRow, self._sink)
        if known is not None and known.terms == terms:
            return
        # Pairs, for a JSON object on PostgreSQL forgets in which order its members were written.
        listed = [[pool, list(units)] for pool, units in pools.items()]
        values = {"sink": self._sink, "terms": terms, "pools": listed, "agreed_at": self._now}
        upsert(self._session, LedgerRow, [values])
        recalls.recall_all(self._session, self._sink, now=self._now)


def pools_of(session: Session, sink: str) -> Pools | None:
    """The units this sink plans with, in the order of its settings; None if it keeps no ledger."""
    row = session.get(LedgerRow, sink)
    return None if row is None else dict(row.pools)


def within(session: Session, sink: str, *, since: datetime, until: datetime) -> list[LedgerEntry]:
    """Everything held or waited for in this time, that which lasts no time included."""
    return _live(
        session, sink, col(LedgerEntryRow.busy_from) < until, col(LedgerEntryRow.busy_until) >= since
    )


def conflicts(session: Session, *, now: datetime) -> dict[str, Conflicts]:
    """What waits, by sink; no entry = nothing."""
    grouped = session.execute(
        select(
            LedgerEntryRow.sink,
            func.count(),
            func.min(LedgerEntryRow.since),
            func.min(LedgerEntryRow.start),
        )
        .where(col(LedgerEntryRow.state) == "waiting", col(LedgerEntryRow.busy_until) > now)
        .group_by(col(LedgerEntryRow.sink))
    )
    return {sink: Conflicts(count, since, first) for sink, count, since, first in grouped}


def entry_of(row: LedgerEntryRow) -> LedgerEntry:
    """The row as adapters know it."""
    members = {name: getattr(row, name) for name in _SAME_MEMBERS}
    units = {pool: tuple(names) for pool, names in row.units.items()}
    return LedgerEntry(**members, needs=row.needs, units=units)


def _live(session: Session, sink: str, *conditions: ColumnElement[bool]) -> list[LedgerEntry]:
    rows = session.exec(
        select(LedgerEntryRow)
        .where(col(LedgerEntryRow.sink) == sink, col(LedgerEntryRow.state).in_(LIVE), *conditions)
        .order_by(col(LedgerEntryRow.line), col(LedgerEntryRow.key))
        .execution_options(populate_existing=True)
    )
    return [entry_of(row) for row in rows]
