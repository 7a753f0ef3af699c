"""What the stand-ins for outside systems share: an ASGI application with switches for what goes wrong.

A stand-in keeps its system's documented behaviour; this module adds the control routes, which begin
with an underscore so that no system has them:

    POST /_faults    {"on": "insert", "kind": "status", "status": 503, "skip": 1, "times": 2}; DELETE clears
    GET  /_calls     every call with its outcome, no contents; DELETE empties the list
    GET  /_objects   what a user of the system sees, by id, without what changes at every write
    POST /_play      {"act": "move", …}: what a person does there, where a stand-in knows such acts
    POST /_listen    {"endpoint": "http://…"}: where webhooks go, for a stand-in that sends some

One that `keep`s what it holds can be put into a playground: it goes on after a restart where it was.
One whose system does not speak HTTP alone answers `converse` too, on a port of its own; what is said there
is a call like any other, with the same faults.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RefusedError(Exception):
    """A refusal before it is worded as the system words it."""

    def __init__(self, status: int, reason: str, message: str, location: str | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.location = status, reason, message, location


@dataclass(slots=True)
class Fault:
    """What goes wrong with calls of one kind (`*`: any), after `skip` of them, `times` times (None: always).

    `status` answers so and does nothing, `html` likewise with a 502 page; `lost_reply` and `truncated`
    do it and spoil the answer (a refusal is never truncated, the next answer is); `disconnect` does
    nothing and hangs up; `delay` answers after `seconds`.
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

    def spare(self) -> None:
        """It met a call it does not apply to: the next one is its turn."""
        if self.times is not None:
            self.times += 1


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
    """One request; `path` in decoded parts, header names in lower case."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The JSON object in the body, empty if there is no body."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise RefusedError(400, "parseError", "Parse Error") from None
        if not isinstance(value, dict):
            raise RefusedError(400, "parseError", "Parse Error")
        return value


class Simulation(ABC):
    """The ASGI application of one stand-in, to be served by `uvicorn --factory`."""

    base: ClassVar[str] = ""
    """Where the system's API begins; whatever stands before it in a path is dropped."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.calls: list[dict[str, Any]] = []
        self.neighbours: Mapping[str, Simulation] = {}
        """The other stand-ins of a playground, by type."""

    @abstractmethod
    def call_of(self, request: Request) -> str:
        """The name of the call, by which faults choose; RefusedError for a route the system has not."""

    @abstractmethod
    async def perform(self, request: Request, call: str) -> Reply:
        """The effect and the answer; may raise RefusedError."""

    @abstractmethod
    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """The refusal as this system words it; `reason` may be empty for a made-up failure."""

    @abstractmethod
    def objects(self) -> Mapping[str, Any]:
        """What a user of the system sees, by id, without members that change at every write."""

    def turned_away(self, request: Request) -> RefusedError | None:
        """The refusal of wrong credentials, which comes before anything made up; None if they are right."""
        return None

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        """What the list of calls says of this one: no contents, no credentials."""
        return {"call": call, "status": None}

    def control(self, request: Request) -> Reply | None:
        """Answer a further control route; None if there is no such route."""
        return None

    async def steered(self, request: Request) -> Reply | None:
        """Answer a further control route that has to wait for something; None if there is no such route."""
        return None

    def uncounted(self, request: Request) -> Reply | None:
        """Answer what is no call of the system's API, such as its token endpoint."""
        return None

    def keep(self) -> str:
        """Everything it holds as one text, for `restore`."""
        raise NotImplementedError

    def restore(self, kept: str) -> None:
        """Hold what was kept, and nothing else; ValueError if it cannot be read."""
        raise NotImplementedError

    def converse(self, kept: Callable[[], None]) -> asyncio.Protocol:
        """One connection by what the system speaks beside HTTP; `kept` is called before an answer leaves."""
        raise NotImplementedError

    async def live(self, *, every: timedelta, misbehave: bool) -> None:
        """Let something happen by itself every so often, if anything does at this system."""
        return

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        reply = await self._answer(await self._read(scope, receive))
        await reply.send(send)

    async def _answer(self, request: Request) -> Reply:
        try:
            if request.path[:1] and request.path[0].startswith("_"):
                return await self.steered(request) or self._controlled(request)
            return self.uncounted(request) or await self._called(request)
        except RefusedError as refusal:
            return self.refused(refusal)

    def _controlled(self, request: Request) -> Reply:
        match (request.method, request.path[0]):
            case ("POST", "_faults"):
                self.faults.append(_fault(request.json()))
            case ("DELETE", "_faults"):
                self.faults.clear()
            case ("GET", "_calls"):
                return json_reply(self.calls)
            case ("DELETE", "_calls"):
                self.calls.clear()
            case ("GET", "_objects"):
                return json_reply(self.objects())
            case _:
                reply = self.control(request)
                if reply is None:
                    raise RefusedError(404, "notFound", "Not Found")
                return reply
        return json_reply([asdict(fault) for fault in self.faults])

    async def _called(self, request: Request) -> Reply:
        call = self.call_of(request)
        record = self.noted(request, call)
        self.calls.append(record)
        refusal = self.turned_away(request)
        if refusal is not None:
            record["status"] = refusal.status
            return self.refused(refusal)
        fired = [fault for fault in self.faults if fault.fires(call)]
        await asyncio.sleep(sum(fault.seconds for fault in fired))
        fault = next((fault for fault in fired if fault.kind != "delay"), None)
        reply = self._undone(fault) or await self._done(request, call)
        record["status"] = reply.status
        if fault is not None and fault.kind == "truncated" and reply.status >= 300:
            fault.spare()
        return _spoilt(reply, fault) if fault else reply

    async def _done(self, request: Request, call: str) -> Reply:
        try:
            return await self.perform(request, call)
        except RefusedError as refusal:
            return self.refused(refusal)

    def _undone(self, fault: Fault | None) -> Reply | None:
        if fault is None or fault.kind in ("lost_reply", "truncated"):
            return None
        if fault.kind == "disconnect":
            return Reply(200, b"{}", cut=0)
        if fault.kind == "html":
            return Reply(502, b"<html><title>502 Bad Gateway</title></html>", "text/html")
        headers = (("retry-after", fault.retry_after),) if fault.retry_after else ()
        return self.refused(RefusedError(fault.status, fault.reason or "", fault.reason or ""), headers)

    async def _read(self, scope: Message, receive: Receive) -> Request:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("ascii").partition("?")[0]
        path = path.partition(self.base)[2] if self.base and self.base in path else path
        return Request(
            method=scope["method"],
            path=tuple(unquote(part) for part in path.split("/") if part),
            query=parse_qs(scope["query_string"].decode(), keep_blank_values=True),
            headers={name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
        )


def json_reply(value: object, status: int = 200) -> Reply:
    """A JSON document as an answer."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode())


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
