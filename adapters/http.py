"""The HTTP client of adapters: failures arrive as the errors the hub acts on.

What a status means is decided here once; an adapter names the statuses that are answers to it and
what a 403 of its system says. Nothing this module raises or logs holds an address beyond the host, a
header or a body: paths and queries carry tokens and guests' data.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError

MOST_BYTES = 16 << 20
"""A longer answer is refused, decompressed length counted."""

_PASSING = frozenset((408, 425, 429))
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_DIRECT: Mapping[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are found in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    host: str = ""

    def json(self) -> Any:
        """The JSON document; TransientError if it is none, since an answer may arrive cut."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise TransientError(
                f"{self.host} answered {self.status} with no whole JSON document", effect_unknown=True
            ) from error


def _no_reason(_: Answer) -> str | None:
    """The status says it all."""
    return None


@dataclass(frozen=True, slots=True)
class Sorting:
    """How one system's refusals are read.

    `forbidden` is what a 403 means, or a function that tells by the answer. `reason` finds a code that
    may be shown in an error, never free text: systems quote what they were sent.
    """

    forbidden: type[AdapterError] | Callable[[Answer], AdapterError | type[AdapterError]] = AuthError
    reason: Callable[[Answer], str | None] = _no_reason


SORTING = Sorting()


@dataclass(slots=True)
class HttpClient:
    """Connections of one sink; opened with the first request, so that making a sink reaches nobody.

    Redirects are not followed: the address in the configuration is the one that is meant. `sent` counts
    the requests so far, by which the hub keeps to the sink's rate.
    """

    timeout: timedelta = timedelta(seconds=30)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    transport: httpx.AsyncBaseTransport | None = None
    sent: int = field(default=0, init=False)
    _client: httpx.AsyncClient | None = field(default=None, init=False)

    async def request(
        self,
        method: str,
        url: str,
        *,
        allow: Collection[int] = (),
        sorting: Sorting = SORTING,
        **options: Any,
    ) -> Answer:
        """The answer if its status is 2xx or in `allow`, else the error the hub acts on.

        `options` are httpx's `headers`, `params`, `json`, `content`, `auth`. After TransientError the
        request may have had its effect all the same, and `effect_unknown` says so.
        """
        host = urlsplit(url).hostname or "the address"
        try:
            answer = await self._exchange(method, url, host, options)
        except httpx.InvalidURL as error:
            raise PermanentError(f"{host}: not an address that can be called") from error
        except httpx.HTTPError as error:
            raise TransientError(
                f"{method} to {host} failed: {type(error).__name__}",
                effect_unknown=method not in _READING and not isinstance(error, _NOT_SENT),
            ) from error
        if 200 <= answer.status < 300 or answer.status in allow:
            return answer
        raise self._sorted(method, answer, sorting)

    async def get(self, url: str, **options: Any) -> Answer:
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Answer:
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> Answer:
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> Answer:
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Any) -> Answer:
        return await self.request("DELETE", url, **options)

    async def aclose(self) -> None:
        """Close the connections; safe to call twice, and the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(self, method: str, url: str, host: str, options: dict[str, Any]) -> Answer:
        self.sent += 1
        async with self._opened().stream(method, url, **options) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise PermanentError(f"{host} answered {response.status_code} with more than 16 MiB")
            return Answer(response.status_code, response.headers, bytes(content), host)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            # Both loggers write whole addresses and headers.
            for name in ("httpx", "httpcore"):
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                timeout=self.timeout.total_seconds(),
                follow_redirects=False,
                transport=self.transport,
                mounts=None if self.transport else dict(_DIRECT),
            )
        return self._client

    def _sorted(self, method: str, answer: Answer, sorting: Sorting) -> AdapterError:
        reason = sorting.reason(answer)
        message = f"{method} to {answer.host} answered {answer.status}{f' {reason}' if reason else ''}"
        if answer.status in _PASSING or answer.status >= 500:
            return TransientError(message, retry_after=retry_after(answer.headers, now=self.clock()))
        if answer.status == 401:
            return AuthError(message)
        if answer.status == 403:
            return _meaning(sorting, answer, message)
        return PermanentError(message)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """The wait a `Retry-After` names, in seconds or as a date (RFC 9110, 10.2.3); None without one.

    A date counts from the answer's own `Date`, so that a clock that differs does not matter.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**7))
    moment = http_date(text)
    if moment is None:
        return None
    return max(moment - (http_date(headers.get("date", "")) or now), timedelta())


def http_date(text: str) -> datetime | None:
    """The moment a header names; None if it names none, whatever stands there."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _meaning(sorting: Sorting, answer: Answer, message: str) -> AdapterError:
    kind = sorting.forbidden if isinstance(sorting.forbidden, type) else sorting.forbidden(answer)
    return kind if isinstance(kind, AdapterError) else kind(message)
