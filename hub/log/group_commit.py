"""One durable write for everything that waits at the same moment.

A write with fsync costs much the same for one receipt as for two hundred, so while one is under way
the next ones gather and go together, as one atomic batch.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from hub.errors import LogError, LogUnavailableError
from hub.log.broker import JetStreamRefusedError, LogConnection
from hub.log.publish import Message, store

_MOST_MESSAGES = 200
_MOST_BYTES = 2 << 20
_MOST_WAITING_BYTES = 64 << 20
_WRITE_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_UNAVAILABLE = 503

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiter:
    message: Message
    deadline: float
    size: int
    done: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class GroupCommit:
    """Stores single messages of one stream; every caller waits for its own to be on disk.

    While JetStream is away callers wait up to `patience` seconds. A write whose answer was lost is
    written again, so a message may be stored twice, never not at all.
    """

    def __init__(self, connection: LogConnection, stream: str, *, patience: float = 15.0) -> None:
        self._connection = connection
        self._stream = stream
        self._patience = patience
        self._queue: deque[_Waiter] = deque()
        self._waiting_bytes = 0
        self._group: list[_Waiter] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def store(self, message: Message) -> int:
        """The position of the message, once it is on disk; LogUnavailableError if that took too long."""
        size = message.size
        if size > self._connection.max_message_bytes:
            raise LogError(f"a message of {size} bytes is larger than NATS takes")
        if self._closed or self._waiting_bytes + size > _MOST_WAITING_BYTES:
            raise LogUnavailableError(
                "the hub is stopping" if self._closed else "too much waits for JetStream"
            )
        waiter = _Waiter(message, _now() + self._patience, size)
        self._queue.append(waiter)
        self._waiting_bytes += size
        self._write_on()
        try:
            return await waiter.done
        finally:
            self._waiting_bytes -= size

    async def close(self) -> None:
        """Give up what still waits; safe to call twice."""
        self._closed = True
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait({self._writer})
        _fail(self._queue, LogUnavailableError("the hub is stopping"))

    def _write_on(self) -> None:
        if self._writer is None and self._queue and not self._closed:
            self._writer = asyncio.create_task(self._write_all(), name=f"group commit {self._stream}")
            self._writer.add_done_callback(self._ended)

    def _ended(self, writer: asyncio.Task[None]) -> None:
        """Whatever ended the writer, nobody is left waiting for it."""
        error = None if writer.cancelled() else writer.exception()
        if error is not None:
            _log.error("group_commit_failed", stream=self._stream, error=repr(error))
        _fail(self._group, LogUnavailableError("the write was ended"))
        self._writer = None
        self._write_on()

    async def _write_all(self) -> None:
        while self._queue:
            self._group = self._next_group()
            while self._group:
                await self._write(self._group)
                self._group = [waiter for waiter in self._group if not waiter.done.done()]

    def _next_group(self) -> list[_Waiter]:
        group: list[_Waiter] = []
        total = 0
        while self._queue and len(group) < _MOST_MESSAGES:
            if group and total + self._queue[0].size > _MOST_BYTES:
                break
            waiter = self._queue.popleft()
            if not waiter.done.done():
                group.append(waiter)
                total += waiter.size
        return group

    async def _write(self, group: list[_Waiter]) -> None:
        """One attempt; leaves waiting whoever may be served by the next one."""
        limit = min(_WRITE_SECONDS, max(waiter.deadline for waiter in group) - _now())
        try:
            messages = [waiter.message for waiter in group]
            last = await store(self._connection, self._stream, messages, timeout=max(limit, _PAUSE_SECONDS))
        except LogUnavailableError as error:
            await self._pause(group, error)
        except JetStreamRefusedError as error:
            if error.status == _UNAVAILABLE:
                await self._pause(group, error)
            elif len(group) == 1:
                _fail(group, LogUnavailableError(str(error)))
            else:
                # Nothing was stored; find the one that is refused without making the others wait.
                for waiter in group:
                    await self._write([waiter])
        else:
            for position, waiter in enumerate(group, last - len(group) + 1):
                if not waiter.done.done():
                    waiter.done.set_result(position)

    async def _pause(self, group: list[_Waiter], error: LogError) -> None:
        """JetStream is away: give up those who waited long enough, try again for the others."""
        now = _now()
        late = [waiter for waiter in group if waiter.deadline <= now]
        _fail(late, LogUnavailableError(f"not stored within {self._patience:.0f} s: {error}"))
        await asyncio.sleep(_PAUSE_SECONDS)


def _fail(waiters: Iterable[_Waiter], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done.done():
            waiter.done.set_exception(error)


def _now() -> float:
    return asyncio.get_running_loop().time()
