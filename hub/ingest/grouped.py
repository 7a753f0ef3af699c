"""What comes at the same moment is written in one transaction.

A transaction costs the same whatever is in it, and so does much of what a work does in it: statements are
run for many rows at once. An item that cannot be written is tried alone, so that it holds nobody up.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlmodel import Session

from hub.errors import StoreError
from hub.store.database import Database

_MOST_AT_ONCE = 200

T = TypeVar("T")
R = TypeVar("R")

Write = Callable[[Session, Sequence[T]], R]
"""One transaction's work; may run more than once, and with other items together than before."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Grouped(Generic[T, R]):
    """Writes items in groups; `written` hears what came of each transaction, after its commit."""

    def __init__(self, database: Database, write: Write[T, R], written: Callable[[R], None]) -> None:
        self._database = database
        self._work = write
        self._written = written
        self._waiting: list[_Waiting[T]] = []
        self._writer: asyncio.Task[None] | None = None

    async def put(self, item: T) -> None:
        """Return once the item is committed; raises StoreError, or what writing it alone has raised."""
        waiting = _Waiting(item)
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="grouped writes")
        await waiting.done

    async def _write_all(self) -> None:
        group: list[_Waiting[T]] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._write(group)
        finally:
            for waiting in (*group, *self._waiting):
                waiting.done.cancel()
            self._waiting.clear()

    async def _write(self, group: Sequence[_Waiting[T]]) -> None:
        items = [waiting.item for waiting in group]
        try:
            outcome = await self._database.write(lambda session: self._work(session, items))
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if len(group) == 1 or isinstance(error, StoreError):
                for waiting in group:
                    _fail(waiting, error)
                return
            for waiting in group:
                await self._write([waiting])
            return
        self._written(outcome)
        for waiting in group:
            _succeed(waiting)


def _succeed(waiting: _Waiting[T]) -> None:
    if not waiting.done.done():
        waiting.done.set_result(None)


def _fail(waiting: _Waiting[T], error: Exception) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(error)
