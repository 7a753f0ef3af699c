"""Asking a source as an operation: begun by a request or by the schedule, watched by others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState

Ended = tuple[FinalState, dict[str, Any]]
"""How an operation ended, and what is added to its detail."""

Work = Callable[[str], Awaitable[Ended]]
"""What an operation of this id does."""

_log = structlog.get_logger(__name__)


class SourceOperations:
    """The operations of one process that ask sources."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    async def begin(self, kind: str, source: str, work: Work) -> str:
        """Begin, and return the operation's id."""
        operation_id = await self._started(kind, source)
        task = asyncio.create_task(self._run(operation_id, work), name=f"{kind} {source}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation_id

    async def run(self, kind: str, source: str, work: Work) -> Ended:
        """Begin, and wait for the end."""
        return await self._run(await self._started(kind, source), work)

    async def progress(self, operation_id: str, *, done: int, failed: int, total: int) -> None:
        """How far it is."""
        await self._database.write(
            lambda session: operations.progress(session, operation_id, done=done, failed=failed, total=total)
        )

    async def stop(self) -> None:
        """End those that were begun and wait for it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _started(self, kind: str, source: str) -> str:
        now = self._clock.now()
        row = await self._database.write(
            lambda session: operations.start(
                session, kind=kind, total=None, now=now, detail={"source": source}
            )
        )
        return row.operation_id

    async def _run(self, operation_id: str, work: Work) -> Ended:
        state: FinalState = "failed"
        detail: dict[str, Any] = {}
        try:
            state, detail = await work(operation_id)
        except (AdapterError, HubError) as error:
            detail = {"error": str(error)}
        except asyncio.CancelledError:
            state = "stopped"
            raise
        except Exception as error:  # noqa: BLE001 - the operation says what the log explains
            _log.error("source_operation_failed", exc_info=error)
            detail = {"error": type(error).__name__}
        finally:
            now = self._clock.now()
            await self._database.write(
                lambda session: operations.finish(session, operation_id, state=state, now=now, detail=detail)
            )
        return state, detail
