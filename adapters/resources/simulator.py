"""The other side of this adapter for kits and `certify`: a ledger in memory, with switches for faults.

There is no outside system, so there is nothing to serve over HTTP. What can go wrong is a transaction
that does not take place, one whose answer is lost, and one that takes long.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from adapters.api import AdapterContext
from adapters.errors import TransientError
from adapters.ledger import LedgerPage
from adapters.ledger_in_memory import MemoryLedger
from adapters.registry import OtherSideType
from adapters.resources.config import ResourcesConfig
from adapters.resources.mapping import shown
from adapters.resources.sink import ResourcesSink

T = TypeVar("T")

STALL_SECONDS = 0.5
AFTER_THE_EFFECT = ("truncated", "lost_reply")

CONFIG: Mapping[str, Any] = {
    "pools": {"room": ["Atelier", "Galerie", "Salon"], "beamer": ["Beamer 1", "Beamer 2", "Beamer 3"]},
    "assign": [{"meeting_type": "*", "needs": {"room": 1, "beamer": 1}, "setup": "10m", "teardown": "10m"}],
    "release_on": ["cancelled", "no_show"],
}
"""Enough for three bookings at a time, so that what is shown does not depend on who came first."""

_REFUSES_NOTHING = "a ledger answers or does not; it refuses nothing and knows no credentials"

CANNOT: Mapping[str, str] = {
    "400": _REFUSES_NOTHING,
    "401": _REFUSES_NOTHING,
    "403": _REFUSES_NOTHING,
    "422": _REFUSES_NOTHING,
    "delay": "a store that is away names no time",
}
"""The cases of the kits that do not apply, with the reason."""


class LedgerSide(MemoryLedger):
    """A ledger that is away, answers late or loses its answer when told to."""

    def __init__(self) -> None:
        super().__init__()
        self._faults: list[str] = []
        self._stalled = False
        self._calls = 0
        self._calls_left: int | None = None
        self._late: set[asyncio.Task[Any]] = set()

    async def transact(self, work: Callable[[LedgerPage], T]) -> T:
        fault = self._arrived()
        if fault is not None and fault not in AFTER_THE_EFFECT:
            raise TransientError("the ledger is not to be reached")
        result = await self._done(work)
        if fault is not None:
            raise TransientError("the answer of the ledger was lost")
        return result

    async def read(self, work: Callable[[LedgerPage], T]) -> T:
        if self._arrived() is not None:
            raise TransientError("the ledger is not to be reached")
        return await super().read(work)

    def fail_next(self, reason: str) -> None:
        """The next call fails: after its effect if `reason` is `truncated`, else without one."""
        self._faults.append(reason)

    def lose_next_reply(self) -> None:
        """The next call has its effect, and nobody hears of it."""
        self._faults.append("lost_reply")

    def stall_next(self) -> None:
        """The next call is answered late."""
        self._stalled = True

    def cut_off_after(self, calls: int) -> None:
        """So many more calls take effect, the last of them unheard; then nothing gets through."""
        self._calls_left = calls

    def restore(self) -> None:
        """All is well again."""
        self._faults.clear()
        self._stalled, self._calls_left = False, None

    def idle(self) -> bool:
        """Whether no transaction is under way, one nobody waits for any more included."""
        return not self._late

    def calls(self) -> int:
        """How many calls arrived so far."""
        return self._calls

    def objects(self) -> Mapping[str, Any]:
        """What the plan shows, by key: how much of each pool is held, not which units."""
        return {
            key: {
                "state": entry.state,
                "held": {pool: len(units) for pool, units in entry.units.items()},
                **shown(entry),
            }
            for key, entry in self.entries.items()
            if entry.state != "released"
        }

    def close(self) -> None:
        """Nothing is open."""

    def _arrived(self) -> str | None:
        """Count the call; what goes wrong with it, None if nothing does."""
        self._calls += 1
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left <= 0:
                return "lost_reply" if self._calls_left == 0 else "cut_off"
        return self._faults.pop(0) if self._faults else None

    async def _done(self, work: Callable[[LedgerPage], T]) -> T:
        """The effect, which comes even if nobody waits for it any more, as in a store."""
        if not self._stalled:
            return await super().transact(work)
        self._stalled = False
        late = asyncio.create_task(self._after_a_while(work))
        self._late.add(late)
        late.add_done_callback(self._late.discard)
        return await asyncio.shield(late)

    async def _after_a_while(self, work: Callable[[LedgerPage], T]) -> T:
        await asyncio.sleep(STALL_SECONDS)
        return await super().transact(work)


def sink_on(side: LedgerSide, context: AdapterContext) -> ResourcesSink:
    """The adapter as the hub builds it, on this ledger."""
    return ResourcesSink(ResourcesConfig.model_validate(CONFIG), replace(context, ledger=side))


other_side = OtherSideType(
    name="resources",
    summary="a ledger in memory that is away, slow or loses its answers when told to",
    create=LedgerSide,
    sink=sink_on,
    cannot=CANNOT,
)
