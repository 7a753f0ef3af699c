"""Reading a stream by batched direct get: the fastest way, with flat memory and no consumer to lose."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from nats.aio.msg import Msg

from hub.errors import LogError, LogUnavailableError
from hub.log.broker import LogConnection

MOST_SUBJECTS = 1000
"""How many last messages one question may ask for; the server refuses more than 1,024."""

_SILENCE_SECONDS = 5.0
_MOST_BYTES = 8 << 20
_MOST_MESSAGES = 1000

_NOT_FOUND, _END, _TOO_MANY = "404", "204", "413"


class TooManyResultsError(LogError):
    """More subjects match than the server returns at once."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream holds it."""

    subject: str
    position: int
    recorded_at: datetime
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Answer:
    done: asyncio.Future[int]
    """How many more messages match than were sent."""
    messages: list[Msg] = field(default_factory=list)


class DirectGet:
    """Asks one stream; any number of questions may run at the same time."""

    def __init__(self, connection: LogConnection, stream: str) -> None:
        self._connection = connection
        self._subject = f"$JS.API.DIRECT.GET.{stream}"
        self._answers: dict[str, _Answer] = {}
        self._numbers = count(1)
        self._inbox: str | None = None
        self._opening = asyncio.Lock()

    async def from_position(self, position: int, limit: int) -> list[Stored]:
        """Up to `limit` (and 8 MB) messages from this position on; empty at the end of the stream."""
        batch = max(1, min(limit, _MOST_MESSAGES))
        return (await self._ask({"seq": position, "batch": batch, "max_bytes": _MOST_BYTES}))[0]

    async def matching(self, pattern: str, *, position: int, limit: int) -> list[Stored]:
        """The same, only messages whose subject matches."""
        batch = max(1, min(limit, _MOST_MESSAGES))
        question = {"seq": position, "next_by_subj": pattern, "batch": batch, "max_bytes": _MOST_BYTES}
        return (await self._ask(question))[0]

    async def last_of_each(self, subjects: list[str]) -> list[Stored]:
        """The last message of every subject that has one, by position; wildcards are allowed.

        TooManyResultsError when more match than one answer can hold.
        """
        question = {"multi_last": subjects, "batch": MOST_SUBJECTS, "max_bytes": _MOST_BYTES}
        messages, left = await self._ask(question)
        if left:
            raise TooManyResultsError(f"{left} more messages match than fit into one answer")
        return messages

    async def last(self, pattern: str) -> Stored | None:
        """The newest message whose subject matches."""
        return await self._one({"last_by_subj": pattern})

    async def at(self, position: int) -> Stored | None:
        """The message at exactly this position."""
        return await self._one({"seq": position})

    async def _one(self, question: dict[str, Any]) -> Stored | None:
        answer = await self._connection.request(self._subject, json.dumps(question).encode())
        status = (answer.headers or {}).get("Status")
        if status is None:
            return _stored(answer)
        if status == _NOT_FOUND:
            return None
        raise _refused(status, answer)

    async def _ask(self, question: dict[str, Any]) -> tuple[list[Stored], int]:
        inbox = await self._opened()
        token = str(next(self._numbers))
        answer = _Answer(asyncio.get_running_loop().create_future())
        self._answers[token] = answer
        try:
            body = json.dumps(question).encode()
            await self._connection.post(self._subject, body, reply=f"{inbox}.{token}")
            left = await self._finished(answer)
        finally:
            del self._answers[token]
            if not answer.done.cancel() and not answer.done.cancelled():
                answer.done.exception()
        return [_stored(message) for message in answer.messages], left

    async def _finished(self, answer: _Answer) -> int:
        """Wait for the end of the answer, as long as messages keep coming."""
        seen = -1
        while not answer.done.done():
            if seen == len(answer.messages):
                raise LogUnavailableError(f"no answer to {self._subject} for {_SILENCE_SECONDS:.0f} s")
            seen = len(answer.messages)
            await asyncio.wait({answer.done}, timeout=_SILENCE_SECONDS)
        return answer.done.result()

    async def _opened(self) -> str:
        async with self._opening:
            if self._inbox is None:
                inbox = self._connection.client.new_inbox()
                await self._connection.subscribe(f"{inbox}.*", self._arrived)
                self._connection.on_disconnect.add(self._cut_off)
                self._inbox = inbox
            return self._inbox

    async def _arrived(self, message: Msg) -> None:
        answer = self._answers.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done.done():
            return
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            answer.messages.append(message)
        elif status == _NOT_FOUND:
            answer.done.set_result(0)
        elif status == _END and _is_last(headers, answer.messages):
            answer.done.set_result(int(headers["Nats-Num-Pending"]))
        else:
            answer.done.set_exception(_refused(status, message))

    def _cut_off(self) -> None:
        """A lost connection ends every open answer: the rest of it will not come."""
        for answer in self._answers.values():
            if not answer.done.done():
                answer.done.set_exception(
                    LogUnavailableError("the connection to NATS was lost while reading")
                )


def _stored(message: Msg) -> Stored:
    headers = message.headers or {}
    return Stored(
        subject=headers["Nats-Subject"],
        position=int(headers["Nats-Sequence"]),
        recorded_at=datetime.fromisoformat(headers["Nats-Time-Stamp"]),
        headers=headers,
        body=message.data,
    )


def _is_last(headers: dict[str, str], messages: list[Msg]) -> bool:
    """Whether the last message that was sent is the last one that arrived."""
    return bool(messages) and (messages[-1].headers or {}).get("Nats-Sequence") == headers.get(
        "Nats-Last-Sequence"
    )


def _refused(status: str, message: Msg) -> LogError:
    description = (message.headers or {}).get("Description", "")
    if status == _TOO_MANY:
        return TooManyResultsError(description)
    return LogUnavailableError(f"direct get was refused: {status} {description}")
