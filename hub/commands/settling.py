"""Finding out what became of a request that nobody answered, or whose effect is not shown yet.

Looks again and again, as an operation that can be watched; never asks for the same thing a second time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState

KIND = "settle"
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 30, 60, 120))
"""How long it waits before each look: a request may be worked on at the provider for a while."""

Find = Callable[[], Awaitable[bool]]
"""Whether the provider shows it by now; raises what looking raises."""


async def _nothing() -> None:
    """Nothing is left behind by what did not happen."""


_log = structlog.get_logger(__name__)


class Settlements:
    """Runs these operations in this process."""

    def __init__(self, database: Database, *, clock: Clock, looks: Sequence[timedelta] = LOOKS) -> None:
        self._database = database
        self._clock = clock
        self._looks = looks
        self._tasks: set[asyncio.Task[None]] = set()

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
        now = self._clock.now()
        row = await self._database.write(
            lambda session: operations.start(
                session, kind=KIND, total=1, now=now, detail={**detail, "accepted": accepted}
            )
        )
        operation_id = row.operation_id
        task = asyncio.create_task(self._guarded(operation_id, find, absent, accepted=accepted), name=KIND)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation_id

    async def stop(self) -> None:
        """End them; what they look for shows in later looks at the bookings."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)

    async def _guarded(
        self, operation_id: str, find: Find, absent: Callable[[], Awaitable[None]], *, accepted: bool
    ) -> None:
        state: FinalState = "stopped"
        detail: dict[str, Any] = {}
        try:
            happened, problem = await self._look(find)
            state, detail = _ended(happened=happened, accepted=accepted, problem=problem)
            if detail["happened"] is False:
                await absent()
        except Exception as error:  # noqa: BLE001 - the operation says what the log explains
            _log.error("settling_failed", operation_id=operation_id, error=type(error).__name__)
            state, detail = "failed", {"error": type(error).__name__}
        finally:
            await self._finish(operation_id, state, detail)

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

    async def _finish(self, operation_id: str, state: FinalState, detail: Mapping[str, Any]) -> None:
        now, done = self._clock.now(), int(state == "done")

        def work(session: Any) -> None:
            operations.progress(session, operation_id, done=done, failed=int(state == "failed"))
            operations.finish(session, operation_id, state=state, now=now, detail=detail)

        await self._database.write(work)


def _ended(*, happened: bool, accepted: bool, problem: str | None) -> tuple[FinalState, dict[str, Any]]:
    if happened:
        return "done", {"happened": True}
    if problem is not None:
        return "failed", {"happened": None, "error": f"nobody could look: {problem}"}
    if accepted:
        return "partly", {"happened": None, "error": "the provider said yes and does not show it"}
    return "failed", {"happened": False, "error": "it did not happen; it may be asked for again"}
