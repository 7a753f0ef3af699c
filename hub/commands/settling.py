"""Finding out what became of a request that nobody answered, or whose effect is not shown yet.

Looks again and again, as an operation that can be watched; never asks for the same thing a second time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError
from hub.operations import Operation, Operations
from hub.store.database import Database
from hub.store.operations import FinalState

KIND = "settle"
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 30, 60, 120))
"""How long it waits before each look: a request may be worked on at the provider for a while."""

Find = Callable[[], Awaitable[bool]]
"""Whether the provider shows it by now; raises what looking raises."""


async def _nothing() -> None:
    """Nothing is left behind by what did not happen."""


class Settlements:
    """Runs these operations in this process."""

    def __init__(self, database: Database, *, clock: Clock, looks: Sequence[timedelta] = LOOKS) -> None:
        self._operations = Operations(database, clock)
        self._looks = looks

    async def begin(
        self,
        find: Find,
        *,
        detail: Mapping[str, Any],
        accepted: bool = False,
        absent: Callable[[], Awaitable[None]] = _nothing,
    ) -> str:
        """Begin to look, and return the operation's id.

        `accepted`: the provider has said yes to it. `absent` is called when it certainly did not happen.
        """

        async def work(operation: Operation) -> FinalState:
            happened, problem = await self._look(find)
            state, ended = _ended(happened=happened, accepted=accepted, problem=problem)
            if ended["happened"] is False:
                await absent()
            operation.detail |= ended
            await operation.progress(done=int(state == "done"), failed=int(state == "failed"))
            return state

        return await self._operations.begin(KIND, work, total=1, detail={**detail, "accepted": accepted})

    async def stop(self) -> None:
        """End them; what they look for shows in later looks at the bookings."""
        await self._operations.stop()

    async def _look(self, find: Find) -> tuple[bool, str | None]:
        """Whether it has happened, and why the last look could not tell if it could not."""
        problem: str | None = None
        for wait in self._looks:
            await asyncio.sleep(wait.total_seconds())
            try:
                if await find():
                    return True, None
                problem = None
            except (AdapterError, HubError) as error:
                problem = str(error)
        return False, problem


def _ended(*, happened: bool, accepted: bool, problem: str | None) -> tuple[FinalState, dict[str, Any]]:
    if happened:
        return "done", {"happened": True}
    if problem is not None:
        return "failed", {"happened": None, "error": f"nobody could look: {problem}"}
    if accepted:
        return "partly", {"happened": None, "error": "the provider said yes and does not show it"}
    return "failed", {"happened": False, "error": "it did not happen; it may be asked for again"}
