"""Rebuilds as operations: begun by a request, watched by others, ended with the hub."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from hub.clock import Clock
from hub.operations import Operation, Operations
from hub.projections.feed import Feed
from hub.projections.rebuild import Progress, Rebuilder
from hub.store.database import Database
from hub.store.operations import FinalState

REPORT_SECONDS = 0.5


class Rebuilds:
    """Runs rebuilds of one store in this process; `paused` holds the reader between two batches."""

    def __init__(
        self,
        feed: Feed,
        database: Database,
        *,
        clock: Clock,
        paused: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._rebuilder = Rebuilder(feed, database, clock=clock)
        self._operations = Operations(database, clock)
        self._paused = paused

    async def begin(self, *, verify: bool) -> str:
        """Begin, and return the operation's id; a second rebuild at the same time fails as an operation."""

        async def work(operation: Operation) -> FinalState:
            operation.detail |= await self._reported(operation, verify=verify)
            return "partly" if operation.detail.get("differences") else "done"

        return await self._operations.begin("verify" if verify else "rebuild", work)

    async def wait(self) -> None:
        """Until no rebuild of this process runs any more."""
        await self._operations.wait()

    async def stop(self) -> None:
        """End them; the generation that served goes on serving."""
        await self._operations.stop()

    async def _reported(self, operation: Operation, *, verify: bool) -> dict[str, Any]:
        """The work itself, its progress written twice a second."""
        newest: list[Progress] = []
        reporting = asyncio.create_task(self._report(operation, newest))
        try:
            if verify:
                found = await self._rebuilder.verify(progress=newest.append, pause=self._paused)
                return {
                    "differences": [
                        {"table": d.table, "key": list(map(str, d.key)), "columns": list(d.columns)}
                        for d in found
                    ]
                }
            built = await self._rebuilder.rebuild(progress=newest.append)
            return {"generation": built.generation, "position": built.position, "seconds": built.seconds}
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            await _write(operation, newest)

    async def _report(self, operation: Operation, newest: list[Progress]) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await _write(operation, newest)


async def _write(operation: Operation, newest: list[Progress]) -> None:
    if newest:
        last = newest[-1]
        newest[:] = [last]
        await operation.progress(done=last.done, total=last.total)
