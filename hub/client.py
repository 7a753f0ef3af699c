"""The HTTP client of the commands: small, so that a command answers at once.

Written on the standard library: importing httpx takes longer than most answers. A `Transport` carries
one request; the one over HTTP and the one inside this process (for `--offline`) speak to the same API.
"""

import json
import ssl
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

API = "/api/v1"
PAGE = 500
PATIENCE_SECONDS = 30.0
LONG_PATIENCE_SECONDS = 240.0
"""For what a provider is asked: it may be slow, or let everybody wait."""

Query = Iterable[tuple[str, str]]


class ClientError(Exception):
    """Base of what can go wrong between a command and the hub; `problem` is told to programs."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "")))
        self.problem = dict(problem)


class ApiError(ClientError):
    """The hub answered with a problem."""

    @property
    def status(self) -> int:
        return int(self.problem.get("status") or 0)

    @property
    def code(self) -> str:
        return str(self.problem.get("code"))


class UnreachableError(ClientError):
    """Nobody answered at the hub's address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body; None if there is none."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: `target` is path and query."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    patience: float = PATIENCE_SECONDS


class Transport(Protocol):
    """Carries requests to the API."""

    def send(self, request: Sent) -> Answer: ...

    def stream(self, request: Sent) -> Iterator[bytes]:
        """The lines of an answer that has no end."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass, in which a hub inside this process goes on working."""
        ...


class HttpTransport:
    """Speaks to a hub at an address."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._base = parts.path.rstrip("/")

    def send(self, request: Sent) -> Answer:
        connection, response = self._begin(request, request.patience)
        try:
            body = response.read()
        except (OSError, HTTPException) as error:
            raise self._broken_off(request, error) from error
        finally:
            connection.close()
        return Answer(response.status, _headers(response), body)

    def stream(self, request: Sent) -> Iterator[bytes]:
        connection, response = self._begin(request, 2 * PATIENCE_SECONDS)
        try:
            if response.status != 200:
                _check(Answer(response.status, _headers(response), response.read()))
            while line := response.readline():
                yield line
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _begin(self, request: Sent, timeout: float) -> tuple[HTTPConnection, HTTPResponse]:
        connection = self._connection(timeout)
        try:
            connection.connect()
        except (OSError, HTTPException, UnicodeError) as error:
            connection.close()
            raise self._unreachable(error) from error
        try:
            connection.request(
                request.method, self._base + request.target, body=request.body, headers=dict(request.headers)
            )
            return connection, connection.getresponse()
        except (OSError, HTTPException, UnicodeError) as error:
            connection.close()
            raise self._broken_off(request, error) from error

    def _connection(self, timeout: float) -> HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        return HTTPConnection(self._host, self._port, timeout=timeout)

    def _unreachable(self, error: Exception) -> UnreachableError:
        return unreachable(f"no hub answers at {self._url} ({_reason(error)})")

    def _broken_off(self, request: Sent, error: Exception) -> UnreachableError:
        """An act that was sent may have been done: whoever reads that nobody is there would do it again."""
        if request.method == "GET":
            return self._unreachable(error)
        return unreachable(
            f"the hub at {self._url} gave no answer ({_reason(error)}); what was asked for "
            "may have been done, so look before you ask again",
            next="bookinghub status",
        )


class HubClient:
    """Asks the API and turns its problems into ApiError; `patience` is how long a question may take.

    `timezone` is the hub's, known after the first answer; `read_as` the times of the last list that the
    hub completed with a zone.
    """

    def __init__(
        self, transport: Transport, *, token: str | None = None, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._transport = transport
        self._patience = patience
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self.timezone = "UTC"
        self.read_as: str | None = None

    def get(self, path: str, query: Query = ()) -> Any:
        """The object at this path."""
        asked = Sent("GET", _target(path, query), self._headers, patience=self._patience)
        return self._answered(asked).json()

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Query = (),
        patience: float = PATIENCE_SECONDS,
    ) -> Any:
        """Act; each call has a key of its own, so that no proxy on the way can double it."""
        content = json.dumps(body or {}).encode()
        return self.post_raw(path, content, query=query, patience=patience)

    def post_raw(
        self, path: str, content: bytes, *, query: Query = (), patience: float = PATIENCE_SECONDS
    ) -> Any:
        """The same with a body as it is."""
        headers = self._headers | {
            "content-type": "application/json",
            "idempotency-key": uuid.uuid4().hex,
        }
        return self._answered(Sent("POST", _target(path, query), headers, content, patience)).json()

    def items(
        self, path: str, query: Query = (), *, limit: int | None, cursor: str | None = None
    ) -> Generator[dict[str, Any], None, str | None]:
        """The items of a list, the newest first; no limit = all.

        The generator's value is the cursor that leads on, None at the end of the list.
        """
        left = limit
        fixed = list(query)
        while True:
            size = PAGE if left is None else min(left, PAGE)
            paging = [("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
            page = self.get(path, [*fixed, *paging])
            yield from page["items"]
            cursor = page["next"]
            left = None if left is None else left - len(page["items"])
            if cursor is None or left == 0:
                return cursor

    def events(self, query: Query, *, after: int | None) -> Iterator[dict[str, Any]]:
        """Events as they happen, without end; raises UnreachableError if the stream breaks."""
        headers = self._headers | ({} if after is None else {"last-event-id": str(after)})
        request = Sent("GET", _target("/events/stream", query), headers)
        for line in self._transport.stream(request):
            name, _, value = line.rstrip(b"\n").partition(b": ")
            if name != b"data":
                continue
            event = json.loads(value)
            if "event_id" not in event:
                raise unreachable(str(event.get("detail", "the event log does not answer")))
            yield event
        raise unreachable("the hub ended the stream")

    def lines(self, path: str, query: Query = ()) -> Iterator[dict[str, Any]]:
        """The objects of an answer that may be long in the making; an empty line says that it goes on.

        A problem in the middle is raised like one at the beginning.
        """
        request = Sent("GET", _target(path, query), self._headers | {"accept": "application/x-ndjson"})
        for line in self._transport.stream(request):
            if not line.strip():
                continue
            value = json.loads(line)
            if str(value.get("type", "")).startswith("urn:bookinghub:problem:"):
                raise ApiError(value)
            yield value

    def pause(self, seconds: float) -> None:
        """Wait between two looks at the same thing."""
        self._transport.pause(seconds)

    def _answered(self, request: Sent) -> Answer:
        answer = self._transport.send(request)
        self.timezone = answer.headers.get("hub-timezone", self.timezone)
        self.read_as = answer.headers.get("selectors-read-as")
        _check(answer)
        return answer


def unreachable(detail: str, *, next: str = "bookinghub run") -> UnreachableError:
    """Nobody is there: says how to change that."""
    return UnreachableError(
        {
            "type": "urn:bookinghub:problem:unreachable",
            "title": "No hub answers",
            "status": None,
            "detail": detail,
            "code": "unreachable",
            "next": next,
            "request_id": None,
        }
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _target(path: str, query: Query) -> str:
    pairs = list(query)
    return API + path + (f"?{urlencode(pairs)}" if pairs else "")


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _check(answer: Answer) -> None:
    if answer.status < 400:
        return
    problem: Any = None
    with suppress(ValueError):
        problem = answer.json()
    if not isinstance(problem, dict) or "code" not in problem:
        raise unreachable(f"what answers there is no booking hub (HTTP {answer.status})")
    raise ApiError(problem)
