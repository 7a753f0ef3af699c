"""Work that goes on after whoever asked has an answer: begun here, watched by others, ended with the hub.

What can be watched of it is its row, see `hub.store.operations`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState

_log = structlog.get_logger(__name__)


class Operation:
    """One of them, for those who work at it; what stands in `detail` at the end is added to its row."""

    def __init__(self, operation_id: str, database: Database) -> None:
        self.id = operation_id
        self.detail: dict[str, Any] = {}
        self._database = database

    async def progress(self, *, done: int, failed: int = 0, total: int | None = None) -> bool:
        """Tell how far it is, in whole numbers; False if nobody wants it any more: then stop."""
        return await self._database.write(
            lambda session: operations.progress(session, self.id, done=done, failed=failed, total=total)
        )


Work = Callable[[Operation], Awaitable[FinalState]]


class Operations:
    """The operations of one part of this process. However one ends, its row says how and why."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(
        self, kind: str, work: Work, *, total: int | None = None, detail: Mapping[str, Any] | None = None
    ) -> str:
        """Begin, and return the operation's id; `total` and `detail` are known from the beginning."""
        operation = await self._started(kind, total, detail)
        task = asyncio.create_task(self._work(kind, operation, work), name=f"{kind} {operation.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation.id

    async def run(self, kind: str, work: Work, *, detail: Mapping[str, Any] | None = None) -> Operation:
        """Begin, and wait for the end, which may be a failure."""
        operation = await self._started(kind, None, detail)
        await self._work(kind, operation, work)
        return operation

    async def wait(self) -> None:
        """Until none that was begun goes on."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """End those that were begun, where they are."""
        for task in tuple(self._tasks):
            task.cancel()
        await self.wait()

    async def _started(self, kind: str, total: int | None, detail: Mapping[str, Any] | None) -> Operation:
        now = self._clock.now()
        row = await self._database.write(
            lambda session: operations.start(session, kind=kind, total=total, now=now, detail=detail)
        )
        return Operation(row.operation_id, self._database)

    async def _work(self, kind: str, operation: Operation, work: Work) -> None:
        state: FinalState = "failed"
        try:
            state = await work(operation)
        except (AdapterError, HubError) as error:
            operation.detail["error"] = str(error)
        except asyncio.CancelledError:
            state = "stopped"
            raise
        except Exception as error:  # noqa: BLE001 - the operation says what the log explains
            _log.error("operation_failed", kind=kind, operation_id=operation.id, exc_info=error)
            operation.detail["error"] = f"unexpected {type(error).__name__}"
        finally:
            now, detail = self._clock.now(), operation.detail
            await self._database.write(
                lambda session: operations.finish(session, operation.id, state=state, now=now, detail=detail)
            )
