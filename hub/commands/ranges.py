"""Cancelling many bookings, one after the other, as an operation that lists what became of each.

Running it again is the resume: what is cancelled by then is not chosen any more.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import structlog

from events.state import Booking
from hub.clock import Clock
from hub.commands import plans
from hub.commands.errors import RefusedCommandError
from hub.commands.execution import Execution
from hub.errors import HubError
from hub.operations import Operation, Operations
from hub.store.database import Database
from hub.store.operations import FinalState

KIND = "cancel-range"

_log = structlog.get_logger(__name__)


class Ranges:
    """Runs these operations in this process."""

    def __init__(self, execution: Execution, *, database: Database, clock: Clock) -> None:
        self._execution = execution
        self._operations = Operations(database, clock)

    async def begin(self, bookings: Sequence[Booking], *, reason: str | None) -> str:
        """Begin to cancel these, in this order, and return the operation's id."""

        async def work(operation: Operation) -> FinalState:
            items: list[dict[str, Any]] = []
            try:
                await self._cancel_all(operation, bookings, reason, items)
            except HubError as error:
                _log.error("cancel_range_failed", operation_id=operation.id, error=str(error))
                return "partly" if items else "failed"
            finally:
                operation.detail |= {"items": items, "counts": _counts(items)}
            return _ended(items)

        return await self._operations.begin(KIND, work, total=len(bookings))

    async def stop(self) -> None:
        """End them after the booking in hand is cut off; the same command goes on where they ended."""
        await self._operations.stop()

    async def _cancel_all(
        self,
        operation: Operation,
        bookings: Sequence[Booking],
        reason: str | None,
        items: list[dict[str, Any]],
    ) -> None:
        for booking in bookings:
            items.append(await self._cancel(booking, reason))
            failed = sum(item["result"] not in ("done", "already-cancelled") for item in items)
            if not await operation.progress(done=len(items) - failed, failed=failed):
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
