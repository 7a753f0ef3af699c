"""A client that calls an ASGI application directly, as a server would."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Application = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """What the application sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    application: Application,
    path: str,
    *chunks: bytes,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    leaves: bool = False,
) -> Answer | None:
    """Send the chunks as one request; a client that `leaves` does not finish it. None = no answer."""
    sent: list[MutableMapping[str, Any]] = []
    waiting = list(_messages(chunks or (b"",), leaves))

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    given = {"content-length": str(sum(map(len, chunks)))} | dict(headers or {})
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    await application(scope, receive, send)
    if not sent:
        return None
    start, *bodies = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], answered, b"".join(body.get("body", b"") for body in bodies))


def _messages(chunks: Sequence[bytes], leaves: bool) -> list[MutableMapping[str, Any]]:
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": leaves or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    return [*messages, {"type": "http.disconnect"}] if leaves else messages
