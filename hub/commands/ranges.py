"""Cancelling many bookings, one after the other, as an operation that lists what became of each.

Running it again is the resume: what is cancelled by then is not chosen any more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import partial
from typing import Any

import structlog

from events.state import Booking
from hub.clock import Clock
from hub.commands import plans
from hub.commands.errors import RefusedCommandError
from hub.commands.execution import Execution
from hub.errors import HubError
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState

KIND = "cancel-range"

_log = structlog.get_logger(__name__)


class Ranges:
    """Runs these operations in this process."""

    def __init__(self, execution: Execution, *, database: Database, clock: Clock) -> None:
        self._execution = execution
        self._database = database
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, bookings: Sequence[Booking], *, reason: str | None) -> str:
        """Begin to cancel these, in this order, and return the operation's id."""
        now = self._clock.now()
        row = await self._database.write(
            lambda session: operations.start(session, kind=KIND, total=len(bookings), now=now)
        )
        operation_id = row.operation_id
        task = asyncio.create_task(self._guarded(operation_id, bookings, reason), name=KIND)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation_id

    async def stop(self) -> None:
        """End them after the booking in hand is cut off; the same command goes on where they ended."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)

    async def _guarded(self, operation_id: str, bookings: Sequence[Booking], reason: str | None) -> None:
        items: list[dict[str, Any]] = []
        state: FinalState = "stopped"
        try:
            await self._cancel_all(operation_id, bookings, reason, items)
            state = _ended(items)
        except HubError as error:
            _log.error("cancel_range_failed", operation_id=operation_id, error=str(error))
            state = "partly" if items else "failed"
        finally:
            now, detail = self._clock.now(), {"items": items, "counts": _counts(items)}
            await self._database.write(
                lambda session: operations.finish(session, operation_id, state=state, now=now, detail=detail)
            )

    async def _cancel_all(
        self,
        operation_id: str,
        bookings: Sequence[Booking],
        reason: str | None,
        items: list[dict[str, Any]],
    ) -> None:
        for booking in bookings:
            items.append(await self._cancel(booking, reason))
            failed = sum(item["result"] not in ("done", "already-cancelled") for item in items)
            done = len(items) - failed
            progress = partial(operations.progress, operation_id=operation_id, done=done, failed=failed)
            if not await self._database.write(progress):
                return

    async def _cancel(self, booking: Booking, reason: str | None) -> dict[str, Any]:
        """One booking; whatever happened to it since it was shown."""
        result, message = "done", None
        try:
            newest = await self._execution.fresh(booking)
            done = await self._execution.run(plans.cancel(newest, reason=reason, everybody=True))
            message = None if done.confirmed else "the provider does not show it yet"
        except RefusedCommandError as problem:
            result, message = problem.code, problem.detail
        except HubError as error:
            result, message = "failed", str(error)
        return {
            "booking_id": booking.booking_id,
            "title": booking.title,
            "start": booking.start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "result": result,
            "message": message,
        }


def _ended(items: Sequence[Mapping[str, Any]]) -> FinalState:
    failed = sum(item["result"] not in ("done", "already-cancelled") for item in items)
    if not failed:
        return "done"
    return "partly" if failed < len(items) else "failed"


def _counts(items: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        counts[item["result"]] = counts.get(item["result"], 0) + 1
    return counts
