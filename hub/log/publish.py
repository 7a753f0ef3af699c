"""Storing messages in a stream, all of them or none, on disk before the answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from nats.aio.msg import Msg

from hub.errors import LogError, LogUnavailableError
from hub.log.broker import LogConnection, read_answer

MOST_MESSAGES = 1000
"""The server's limit of one atomic batch; a larger one is refused, never split."""

_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class Message:
    """One message that is about to be stored."""

    subject: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """An upper bound of what the server counts: body, headers and those the batch adds."""
        own = sum(len(name) + len(value.encode()) + 4 for name, value in self.headers.items())
        return len(self.body) + own + _OVERHEAD


def expected_version(version: int, history: str) -> dict[str, str]:
    """Headers that let a message in only if the last one of this history has this position."""
    return {
        "Nats-Expected-Last-Subject-Sequence": str(version),
        "Nats-Expected-Last-Subject-Sequence-Subject": history,
    }


async def store(
    connection: LogConnection, stream: str, messages: Sequence[Message], *, timeout: float = 5.0
) -> int:
    """The position of the last message; JetStreamRefusedError if nothing was stored.

    LogUnavailableError means that the outcome is unknown: the messages may be stored, or be stored
    a moment later.
    """
    _check(connection, messages)
    began = time.monotonic()
    try:
        answer = await _sent(connection, stream, messages, timeout)
    except LogUnavailableError:
        if connection.is_connected:
            connection.writes.unanswered(stream, seconds=time.monotonic() - began)
        raise
    ack = read_answer(f"storing in {stream}", answer.data)
    if not isinstance(ack.get("seq"), int) or ack.get("stream") != stream:
        raise LogUnavailableError(f"storing in {stream}: the answer is not JetStream's")
    connection.writes.answered(stream)
    return int(ack["seq"])


async def _sent(connection: LogConnection, stream: str, messages: Sequence[Message], timeout: float) -> Msg:
    if len(messages) > 1:
        return await _batch(connection, stream, messages, timeout)
    headers = {**messages[0].headers, "Nats-Expected-Stream": stream}
    return await connection.request(messages[0].subject, messages[0].body, headers=headers, timeout=timeout)


async def _batch(connection: LogConnection, stream: str, messages: Sequence[Message], timeout: float) -> Msg:
    """Send an atomic batch; only the last message is answered, for all of them."""
    client = connection.client
    batch = {"Nats-Batch-Id": uuid4().hex, "Nats-Expected-Stream": stream}
    *others, last = messages
    async with connection.bounded(last.subject, timeout):
        for number, message in enumerate(others, 1):
            headers = {**message.headers, **batch, "Nats-Batch-Sequence": str(number)}
            await client.publish(message.subject, message.body, headers=headers)
        commit = {"Nats-Batch-Sequence": str(len(messages)), "Nats-Batch-Commit": "1"}
        return await client.request(
            last.subject, last.body, timeout=timeout + 1, headers={**last.headers, **batch, **commit}
        )


def _check(connection: LogConnection, messages: Sequence[Message]) -> None:
    if not messages:
        raise ValueError("nothing to store")
    if len(messages) > MOST_MESSAGES:
        raise LogError(f"{len(messages)} messages do not fit into one batch of at most {MOST_MESSAGES}")
    largest = max(message.size for message in messages)
    if largest > connection.max_message_bytes:
        # Sent all the same, it would make the server close the connection.
        raise LogError(
            f"a message of {largest} bytes is larger than the {connection.max_message_bytes} NATS takes"
        )
