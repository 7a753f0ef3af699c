"""What happens to every request before and after the application: id, size limit, headers, one log line.

Written below the framework, so that its own errors pass through here as well. A path is never logged,
for the door's address holds a token; the route that took the request is.
"""

import time
import traceback
import uuid
from collections.abc import MutableMapping
from re import compile as pattern
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.web.problems import ProblemError, problem_of

BODY_LIMIT = 1024 * 1024
_GIVEN_ID = pattern(r"[A-Za-z0-9._-]{8,64}")
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)

log = structlog.get_logger("hub.web")


class Edge:
    """Wraps an application; nothing it raises gets any further."""

    def __init__(self, app: ASGIApp, *, body_limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._limit)
        try:
            exchange.check_declared_length()
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - the last one who can still answer
            await exchange.fail(error)
        finally:
            exchange.write_log()


class _Exchange:
    """One request and its answer on their way through the edge."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._received = 0
        self._status: int | None = None
        self._began = time.perf_counter()
        given = _header(scope, b"x-request-id")
        self._id = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = self._id

    def check_declared_length(self) -> None:
        declared = _header(self._scope, b"content-length")
        if declared.isdigit() and int(declared[:18]) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            names = {name.lower() for name, _ in message.get("headers", ())}
            added = [(name, value) for name, value in _HEADERS if name not in names]
            id_header = (b"x-request-id", self._id.encode())
            message = {**message, "headers": [*message.get("headers", ()), *added, id_header]}
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        problem = problem_of(error)
        if problem.code == "internal":
            log.error(
                "request failed",
                route=self._route(),
                request_id=self._id,
                error=type(error).__name__,
                trace=_places(error),
            )
        if self._status is None:
            await problem.response(self._id)(self._scope, self._receive, self.send)

    def write_log(self) -> None:
        log.info(
            "request",
            method=self._scope["method"],
            route=self._route(),
            status=self._status,
            request_id=self._id,
            duration_seconds=round(time.perf_counter() - self._began, 4),
        )

    def _route(self) -> str | None:
        address: str | None = self._scope["state"].get("address")
        return address or getattr(self._scope.get("route"), "path", None)

    def _too_large(self) -> ProblemError:
        return ProblemError("too-large", f"the body is larger than {self._limit} bytes")


def _header(scope: Scope, name: bytes) -> str:
    value: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return value.decode("latin-1")


def _places(error: Exception) -> list[str]:
    """Where it went wrong, innermost last; not the message, which may hold what a guest typed."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
