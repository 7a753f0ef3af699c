"""Repairs as operations: compared afresh, written as rows, watched until the workers are done.

What was shown is what is done: an item that was decided by something else than what is found now is
refused, and the others are done all the same.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import structlog
from sqlmodel import Session

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.delivery import repair
from hub.delivery.comparison import Comparer, Comparison
from hub.delivery.plan import Item, Ticket
from hub.delivery.repair import Placed, Repair
from hub.errors import HubError
from hub.operations import Operation, Operations
from hub.store import sinks
from hub.store.database import Database
from hub.store.operations import FinalState

LOOK_EVERY = timedelta(milliseconds=200)
LONGEST_WATCH = timedelta(minutes=10)
"""After this the operation ends; its rows go on waiting, as rows do."""

GONE = "it is not found out of step any more"
DIFFERENT = "the target has changed since"

Kind = Literal["apply", "drift"]
Result = Literal["done", "refused", "failed", "waiting"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One item somebody saw and wants done."""

    sink: str
    key: str
    part: str
    external_id: str | None
    action: str
    ticket: Ticket

    @classmethod
    def of(cls, item: Item) -> "Ask":
        return cls(item.sink, item.key, item.part, item.external_id, item.action, item.ticket)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be repaired: these items, or whatever is due at these sinks (of these keys)."""

    sinks: tuple[str, ...]
    asks: tuple[Ask, ...] | None = None
    keys: Mapping[str, frozenset[str]] | None = None

    def asked_of(self, sink: str) -> frozenset[str] | None:
        """The keys of the items that were asked for."""
        if self.asks is None:
            return None
        return frozenset(ask.key for ask in self.asks if ask.sink == sink)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one item."""

    ask: Ask
    result: Result
    message: str | None = None

    def detail(self) -> dict[str, Any]:
        """As the operation keeps it."""
        ask = self.ask
        return {
            "sink": ask.sink,
            "key": ask.key,
            "part": ask.part,
            "external_id": ask.external_id,
            "action": ask.action,
            "result": self.result,
            "message": self.message,
        }


class _Run:
    """One repair on its way: what was written, what became of it, what was refused before."""

    def __init__(self, operation: Operation, cause: str) -> None:
        self.operation = operation
        self.cause = cause
        self.placed: dict[str, dict[str, list[Ask]]] = {}
        self.told: list[Told] = []
        self.watched: list[Told] = []
        self.errors: dict[str, str] = {}

    def not_compared(self, sink: str, reason: str, asks: Sequence[Ask] | None) -> None:
        """Without a comparison nothing is known, so nothing is done."""
        self.errors[sink] = reason
        self.told += [Told(ask, "failed", reason) for ask in asks or () if ask.sink == sink]

    def progress(self, session: Session) -> list[Told]:
        """How far the rows are."""
        found: list[Told] = []
        for sink, asks in self.placed.items():
            for key, outcome in repair.outcomes(session, sink, self.cause, asks.keys()).items():
                found += [Told(ask, outcome.result, outcome.message) for ask in asks[key]]
        return found

    async def report(self) -> bool:
        """Write down how far it is; False if nobody wants it any more."""
        results = Counter(one.result for one in (*self.watched, *self.told))
        failed = results["failed"] + results["refused"]
        return await self.operation.progress(done=results["done"], failed=failed, total=results.total())

    def summary(self) -> tuple[FinalState, dict[str, Any]]:
        """The end: every item that is not done is named, with the reason."""
        told = (*self.watched, *self.told)
        found = Counter(one.result for one in told)
        counts = {result: found[result] for result in ("done", "refused", "failed", "waiting")}
        left = [one.detail() for one in told if one.result != "done"]
        state: FinalState = "done"
        if left or self.errors:
            state = "partly" if counts["done"] or counts["waiting"] else "failed"
        return state, {"counts": counts, "not_done": left, "errors": self.errors}


class Applier:
    """Runs repairs of one store in this process; the workers that act on them may be anywhere."""

    def __init__(
        self,
        comparer: Comparer,
        db: Database,
        clock: Clock,
        *,
        wake: Callable[[], None],
        look_every: timedelta = LOOK_EVERY,
    ) -> None:
        self._comparer = comparer
        self._db = db
        self._clock = clock
        self._operations = Operations(db, clock)
        self._wake = wake
        self._look_every = look_every.total_seconds()

    async def begin(self, wanted: Wanted, *, kind: Kind = "apply") -> str:
        """Begin, and return the operation's id."""

        async def work(operation: Operation) -> FinalState:
            run = await self._repair(operation, f"{kind}:{operation.id}", wanted)
            state, summary = run.summary()
            operation.detail |= summary
            return state

        total = None if wanted.asks is None else len(wanted.asks)
        return await self._operations.begin(kind, work, total=total, detail={"sinks": list(wanted.sinks)})

    async def wait(self) -> None:
        """Until no repair of this process is watched any more."""
        await self._operations.wait()

    async def stop(self) -> None:
        """End the watching; rows that are written stay."""
        await self._operations.stop()

    async def _repair(self, operation: Operation, cause: str, wanted: Wanted) -> "_Run":
        run = _Run(operation, cause)
        for sink in wanted.sinks:
            try:
                comparison = await self._comparer.compare(
                    sink, keys=(wanted.keys or {}).get(sink), asked=wanted.asked_of(sink)
                )
            except (HubError, AdapterError) as error:
                run.not_compared(sink, str(error), wanted.asks)
            else:
                items, refused = _chosen(comparison, wanted.asks)
                run.told += refused
                await self._place(run, comparison, items)
        self._wake()
        await self._watch(run)
        return run

    async def _place(self, run: "_Run", comparison: Comparison, items: Sequence[Item]) -> None:
        """Write the rows of one sink, and note what could not be written."""
        sink = comparison.sink
        if not items:
            return

        def write(session: Session) -> Placed:
            row = sinks.get(session, sink)
            target = row.target if row else None
            order = Repair(sink, run.cause, tuple(items), comparison.of_bookings, target)
            return repair.place(session, order, now=self._clock.now())

        placed = await self._db.write(write)
        for item in items:
            if item.key in placed.keys:
                run.placed.setdefault(sink, {}).setdefault(item.key, []).append(Ask.of(item))
            else:
                run.told.append(Told(Ask.of(item), "refused", placed.refused[item.key]))

    async def _watch(self, run: "_Run") -> None:
        """Until every row has come to its end, or nobody can be expected to bring it there."""
        ends = asyncio.get_running_loop().time() + LONGEST_WATCH.total_seconds()
        while True:
            run.watched = await self._db.read(run.progress)
            goes_on = await run.report()
            waiting = {one.ask.sink for one in run.watched if one.result == "waiting"}
            over = asyncio.get_running_loop().time() > ends
            if not waiting or over or not goes_on or await self._halted(waiting):
                return
            await asyncio.sleep(self._look_every)

    async def _halted(self, names: Iterable[str]) -> bool:
        """Whether none of these sinks is called at present, so that waiting leads nowhere."""

        def read(session: Session) -> bool:
            rows = [sinks.get(session, name) for name in names]
            return all(row is None or row.state != "running" for row in rows)

        return await self._db.read(read)


def _chosen(comparison: Comparison, asks: Sequence[Ask] | None) -> tuple[list[Item], list[Told]]:
    """The items to do now, and the asked ones that are not what they were when somebody saw them."""
    due = {_name(Ask.of(item)): item for item in comparison.items if item.is_due}
    if asks is None:
        return list(due.values()), []
    items: list[Item] = []
    refused: list[Told] = []
    for ask in asks:
        if ask.sink != comparison.sink:
            continue
        item = due.get(_name(ask))
        if item is None:
            refused.append(Told(ask, "refused", GONE))
        elif item.ticket != ask.ticket or item.action != ask.action:
            reason = repair.CHANGED if item.ticket.position != ask.ticket.position else DIFFERENT
            refused.append(Told(ask, "refused", reason))
        else:
            items.append(item)
    return items, refused


def _name(ask: Ask) -> tuple[str, str, str | None]:
    return ask.key, ask.part, ask.external_id
