"""The other side of this adapter for kits and `certify`: a ledger in memory, with switches for faults.

There is no outside system, so there is nothing to serve over HTTP and no entry under `hub.simulators`.
What can go wrong is a transaction that does not take place, one whose answer is lost, and one that
takes long. `other_side()` gives a fresh one, `sink_on(side, context)` the adapter working on it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from adapters.api import AdapterContext
from adapters.errors import TransientError
from adapters.ledger import LedgerPage
from adapters.ledger_in_memory import MemoryLedger
from adapters.resources.config import ResourcesConfig
from adapters.resources.mapping import shown
from adapters.resources.sink import ResourcesSink

T = TypeVar("T")

STALL_SECONDS = 0.5
AFTER_THE_EFFECT = ("truncated", "lost_reply")

CONFIG: Mapping[str, Any] = {
    "pools": {"room": ["Atelier", "Galerie"], "beamer": ["Beamer 1"]},
    "assign": [{"meeting_type": "*", "needs": {"room": 1, "beamer": 1}, "setup": "10m", "teardown": "10m"}],
    "release_on": ["cancelled", "no_show"],
}

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

    async def transact(self, work: Callable[[LedgerPage], T]) -> T:
        fault = await self._arrived()
        if fault is not None and fault not in AFTER_THE_EFFECT:
            raise TransientError("the ledger is not to be reached")
        result = await super().transact(work)
        if fault is not None:
            raise TransientError("the answer of the ledger was lost")
        return result

    async def read(self, work: Callable[[LedgerPage], T]) -> T:
        if await self._arrived() is not None:
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

    def calls(self) -> int:
        """How many calls arrived so far."""
        return self._calls

    def objects(self) -> Mapping[str, Any]:
        """What the plan shows, by key."""
        live = [entry for entry in self.entries.values() if entry.state != "released"]
        return {entry.key: {"state": entry.state, "units": entry.units, **shown(entry)} for entry in live}

    def close(self) -> None:
        """Nothing is open."""

    async def _arrived(self) -> str | None:
        """Count the call; what goes wrong with it, None if nothing does."""
        self._calls += 1
        if self._stalled:
            self._stalled = False
            await asyncio.sleep(STALL_SECONDS)
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left <= 0:
                return "lost_reply" if self._calls_left == 0 else "cut_off"
        return self._faults.pop(0) if self._faults else None


def other_side() -> LedgerSide:
    """A ledger in which nothing is planned."""
    return LedgerSide()


def sink_on(side: LedgerSide, context: AdapterContext, **config: Any) -> ResourcesSink:
    """The adapter as the hub builds it, on this ledger; `config` replaces members of `CONFIG`."""
    settings = ResourcesConfig.model_validate({**CONFIG, **config})
    return ResourcesSink(settings, replace(context, ledger=side))
