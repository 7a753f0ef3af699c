"""Rebuilds as operations: begun by a request, watched by others, ended with the hub."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from hub.clock import Clock
from hub.errors import HubError
from hub.projections.feed import Feed
from hub.projections.rebuild import Progress, Rebuilder
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState

REPORT_SECONDS = 0.5

_log = structlog.get_logger(__name__)


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
        self._database = database
        self._clock = clock
        self._paused = paused
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, *, verify: bool) -> str:
        """Begin, and return the operation's id; a second rebuild at the same time fails as an operation."""
        kind, now = ("verify" if verify else "rebuild"), self._clock.now()
        row = await self._database.write(
            lambda session: operations.start(session, kind=kind, total=None, now=now)
        )
        operation_id = row.operation_id
        task = asyncio.create_task(self._guarded(operation_id, verify=verify), name="rebuild")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation_id

    async def wait(self) -> None:
        """Until no rebuild of this process runs any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """End them; the generation that served goes on serving."""
        for task in tuple(self._tasks):
            task.cancel()
        await self.wait()

    async def _guarded(self, operation_id: str, *, verify: bool) -> None:
        state: FinalState = "failed"
        detail: dict[str, Any] = {}
        try:
            detail = await self._reported(operation_id, verify=verify)
            state = "partly" if detail.get("differences") else "done"
        except HubError as error:
            detail = {"error": str(error)}
        except asyncio.CancelledError:
            state = "stopped"
            raise
        except Exception as error:  # noqa: BLE001 - the operation says what the log explains
            _log.error("rebuild_failed", exc_info=error)
            detail = {"error": type(error).__name__}
        finally:
            now = self._clock.now()
            await self._database.write(
                lambda session: operations.finish(session, operation_id, state=state, now=now, detail=detail)
            )

    async def _reported(self, operation_id: str, *, verify: bool) -> dict[str, Any]:
        """The work itself, its progress written twice a second."""
        newest: list[Progress] = []
        reporting = asyncio.create_task(self._report(operation_id, newest))
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
            await self._write(operation_id, newest)

    async def _report(self, operation_id: str, newest: list[Progress]) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self._write(operation_id, newest)

    async def _write(self, operation_id: str, newest: list[Progress]) -> None:
        if newest:
            last = newest[-1]
            newest[:] = [last]
            await self._database.write(
                lambda session: operations.progress(session, operation_id, done=last.done, total=last.total)
            )
