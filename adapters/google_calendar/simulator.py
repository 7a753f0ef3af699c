"""A stand-in for Google Calendar v3 over HTTP, with switches for what goes wrong there.

Plain ASGI: `uvicorn --factory adapters.google_calendar.simulator:create_app`. Beside the calendar itself
(below any path that ends in `/calendar/v3`) and `POST /token` it answers:

    POST /_faults    {"on": "insert", "kind": "status", "status": 503, "skip": 1, "times": 2}; DELETE clears
    POST /_switches  {"undelete": false}
    POST /_vanish    {"calendar": "…", "id": "…"}
    GET  /_calls     every call with its outcome, no contents; DELETE empties the list
    GET  /_state     all calendars with all entries
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from adapters.google_calendar.simulated import Calendars, RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_BASE = "/calendar/v3"
_REASONS: Mapping[int, str] = {
    400: "invalid",
    401: "authError",
    403: "rateLimitExceeded",
    404: "notFound",
    429: "rateLimitExceeded",
}


@dataclass(slots=True)
class Fault:
    """What goes wrong with calls of one kind (`*`: any), after `skip` of them, `times` times (None: always).

    `status` answers so and does nothing, `html` likewise with a 502 page; `lost_reply` and `truncated`
    do it and spoil the answer; `disconnect` does nothing and hangs up; `delay` answers after `seconds`.
    """

    kind: Literal["status", "html", "lost_reply", "truncated", "disconnect", "delay"]
    on: str = "*"
    status: int = 503
    reason: str | None = None
    retry_after: str | None = None
    seconds: float = 0
    skip: int = 0
    times: int | None = 1

    def fires(self, call: str) -> bool:
        """Count this call; whether it is one that goes wrong."""
        if self.on not in ("*", call) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; one with `cut` breaks off after so many bytes although more were announced."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None

    async def send(self, send: Send) -> None:
        headers = [
            ("content-type", self.content_type),
            ("content-length", str(len(self.body))),
            *self.headers,
        ]
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if self.cut is None:
            await send({"type": "http.response.body", "body": self.body})
        else:
            await send({"type": "http.response.body", "body": self.body[: self.cut], "more_body": True})


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise RefusedError(400, "parseError", "Parse Error") from None
        if not isinstance(value, dict):
            raise RefusedError(400, "parseError", "Parse Error")
        return value


class Simulator:
    """The ASGI application. `tokens` are the accepted bearer tokens; None accepts any."""

    def __init__(self, calendars: Calendars, *, tokens: Collection[str] | None = None) -> None:
        self.calendars = calendars
        self.faults: list[Fault] = []
        self.calls: list[dict[str, Any]] = []
        self._tokens = None if tokens is None else set(tokens)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        reply = await self._answer(await _read(scope, receive))
        await reply.send(send)

    async def _answer(self, request: Request) -> Reply:
        try:
            if request.path[:1] == ("token",):
                return self._token()
            if request.path[:1] and request.path[0].startswith("_"):
                return self._control(request)
            return await self._calendar_call(request)
        except RefusedError as refusal:
            return _refused(refusal)

    def _token(self) -> Reply:
        """Gives whoever asks a token, as the token endpoint of service accounts."""
        token = f"issued-{len(self.calls)}"
        if self._tokens is not None:
            self._tokens.add(token)
        return _json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _control(self, request: Request) -> Reply:
        match (request.method, request.path[0]):
            case ("POST", "_faults"):
                self.faults.append(_fault(request.json()))
            case ("DELETE", "_faults"):
                self.faults.clear()
            case ("POST", "_switches"):
                self.calendars.undelete = bool(request.json().get("undelete", True))
            case ("POST", "_vanish"):
                named = request.json()
                self.calendars.vanish(named["calendar"], named["id"])
            case ("GET", "_calls"):
                return _json(self.calls)
            case ("DELETE", "_calls"):
                self.calls.clear()
            case ("GET", "_state"):
                return _json(self.calendars.state())
            case _:
                raise RefusedError(404, "notFound", "Not Found")
        return _json([asdict(fault) for fault in self.faults])

    async def _calendar_call(self, request: Request) -> Reply:
        call, calendar, entry_id = _route(request)
        record: dict[str, Any] = {
            "call": call,
            "calendar": calendar,
            "id": entry_id,
            "if_match": request.headers.get("if-match"),
            "send_updates": request.query.get("sendUpdates", [None])[-1],
            "status": None,
        }
        self.calls.append(record)
        self._authorise(request)
        fired = [fault for fault in self.faults if fault.fires(call)]
        await asyncio.sleep(sum(fault.seconds for fault in fired))
        fault = next((fault for fault in fired if fault.kind != "delay"), None)
        reply = self._undone(fault) or self._done(request, call, calendar, entry_id)
        record["status"] = reply.status
        return _spoilt(reply, fault) if fault else reply

    def _authorise(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token or (self._tokens is not None and token not in self._tokens):
            raise RefusedError(401, "authError", "Invalid Credentials", "Authorization")

    @staticmethod
    def _undone(fault: Fault | None) -> Reply | None:
        if fault is None or fault.kind in ("lost_reply", "truncated"):
            return None
        if fault.kind == "disconnect":
            return Reply(200, b"{}", cut=0)
        if fault.kind == "html":
            return Reply(502, b"<html><title>502 Bad Gateway</title></html>", "text/html")
        headers = (("retry-after", fault.retry_after),) if fault.retry_after else ()
        reason = fault.reason or _REASONS.get(fault.status, "backendError")
        return _refused(RefusedError(fault.status, reason, reason), headers)

    def _done(self, request: Request, call: str, calendar: str, entry_id: str) -> Reply:
        etag = request.headers.get("if-match")
        if request.query.get("sendUpdates", ["none"])[-1] not in ("all", "externalOnly", "none"):
            return _refused(
                RefusedError(400, "invalidParameter", "Invalid value for: sendUpdates", "sendUpdates")
            )
        try:
            match call:
                case "insert":
                    return _json(self.calendars.insert(calendar, request.json()))
                case "get":
                    return _json(self.calendars.get(calendar, entry_id))
                case "update":
                    body = request.json()
                    return _json(self.calendars.update(calendar, entry_id, body, if_match=etag))
                case "patch":
                    body = request.json()
                    return _json(self.calendars.patch(calendar, entry_id, body, if_match=etag))
                case "delete":
                    self.calendars.delete(calendar, entry_id, if_match=etag)
                    return Reply(204)
                case _:
                    return _json(self.calendars.page(calendar, request.query))
        except RefusedError as refusal:
            return _refused(refusal)


def create_app(roles: Mapping[str, str] | None = None, *, tokens: Collection[str] | None = None) -> Simulator:
    """A stand-in with empty calendars. `roles`: calendar id -> owner, writer or reader."""
    return Simulator(Calendars(roles, clock=lambda: datetime.now(UTC)), tokens=tokens)


async def _read(scope: Message, receive: Receive) -> Request:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    raw = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("ascii").partition("?")[0]
    path = path.partition(_BASE)[2] if _BASE in path else path
    return Request(
        method=scope["method"],
        path=tuple(unquote(part) for part in path.split("/") if part),
        query=parse_qs(scope["query_string"].decode(), keep_blank_values=True),
        headers={name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


def _route(request: Request) -> tuple[str, str, str]:
    match request.path:
        case ("calendars", calendar, "events"):
            calls, entry_id = {"POST": "insert", "GET": "list"}, ""
        case ("calendars", calendar, "events", entry_id):
            calls = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
        case _:
            raise RefusedError(404, "notFound", "Not Found")
    if request.method not in calls:
        raise RefusedError(405, "httpMethodNotAllowed", "Method Not Allowed")
    return calls[request.method], calendar, entry_id


def _json(value: object) -> Reply:
    return Reply(200, json.dumps(value, ensure_ascii=False).encode())


def _refused(refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    problem = {"domain": "global", "reason": refusal.reason, "message": refusal.message}
    if refusal.location:
        problem |= {"locationType": "header", "location": refusal.location}
    body = {"error": {"errors": [problem], "code": refusal.status, "message": refusal.message}}
    return Reply(refusal.status, json.dumps(body).encode(), headers=headers)


def _spoilt(reply: Reply, fault: Fault) -> Reply:
    """`truncated` looks whole to HTTP; a lost reply breaks off before its first byte."""
    if fault.kind == "lost_reply":
        return Reply(200, reply.body or b"{}", cut=0)
    if fault.kind == "truncated" and reply.status < 300:
        return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.content_type)
    return reply


def _fault(wanted: dict[str, Any]) -> Fault:
    try:
        return Fault(**wanted)
    except TypeError as error:
        raise RefusedError(400, "invalid", str(error)) from None
