"""The little of HTTP the webhook door needs: a bounded body in, JSON or a problem out."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 256 * 1024
BODY_SECONDS = 30.0

_DRAINED = 4 * 1024 * 1024
"""How much of a body that is too large is still read: a client that is cut off sees no answer."""

_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_NOT_KEPT = (b"cache-control", b"no-store")

_TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Content too large",
    415: "Unsupported media type",
    500: "Internal error",
    503: "Service unavailable",
}


class RefusedError(Exception):
    """The request is refused; nothing of it was stored, unless `receipt` names what was."""

    def __init__(
        self, status: int, code: str, detail: str, *, receipt: str | None = None, **headers: str
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.receipt = status, code, detail, receipt
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class ClientGoneError(Exception):
    """The client left before its body was complete; nobody waits for an answer."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body, at most 256 KiB of it; raises RefusedError or ClientGoneError."""
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity").lower() not in (b"", b"identity"):
        detail = "send the body without content encoding"
        raise RefusedError(415, "unsupported-media-type", detail, accept_encoding="identity")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > _DRAINED:
        raise _too_large(connection="close")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            message = await _next(receive)
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                body = await _rest(bytearray(body), receive)
    except TimeoutError as error:
        detail = f"the body was not complete after {BODY_SECONDS:.0f} s"
        raise RefusedError(408, "timeout", detail, connection="close") from error
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


async def _rest(body: bytearray, receive: Receive) -> bytes:
    more, size = True, len(body)
    while more:
        message = await _next(receive)
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > _DRAINED:
            raise _too_large(connection="close")
        if size <= LARGEST_BODY:
            body += chunk
    if size > LARGEST_BODY:
        raise _too_large()
    return bytes(body)


async def _next(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _too_large(**headers: str) -> RefusedError:
    return RefusedError(413, "too-large", f"a webhook has at most {LARGEST_BODY} bytes", **headers)


async def send_json(send: Send, body: Mapping[str, Any], *, with_body: bool = True) -> None:
    """Answer 200 with a JSON object."""
    await _send(send, 200, [_JSON, _NOT_KEPT], json.dumps(body).encode(), with_body=with_body)


async def send_problem(send: Send, refused: RefusedError, *, with_body: bool = True) -> None:
    """Answer with a problem object (RFC 9457) as the rest of the API does."""
    problem = {
        "type": "about:blank",
        "title": _TITLES[refused.status],
        "status": refused.status,
        "detail": refused.detail,
        "code": refused.code,
        "next": f"bookinghub inbox show {refused.receipt}" if refused.receipt else None,
        "request_id": secrets.token_hex(8),
    }
    if refused.receipt:
        problem["receipt"] = refused.receipt
    own = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in refused.headers.items()]
    content = json.dumps(problem).encode()
    await _send(send, refused.status, [_PROBLEM, _NOT_KEPT, *own], content, with_body=with_body)


async def _send(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], content: bytes, *, with_body: bool
) -> None:
    headers.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content if with_body else b""})
