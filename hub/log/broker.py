"""The connection to NATS: requests with a bound, subscriptions that survive, and the JetStream API.

One FastStream broker connects, publishes and subscribes; the log's own calls go through its client.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import nats.errors
from faststream.nats.security import NatsCredentials, NatsUserPassword
from faststream.security import BaseSecurity
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from hub.errors import ConfigError, LogError, LogUnavailableError
from hub.log.client import HubBroker, OutageReporter
from hub.log.server_binary import check_version
from hub.log.server_files import ServerAddress
from hub.log.writes import Writes

_RECONNECT_SECONDS = 0.25
_PING_SECONDS = 5
_UNANSWERED_PINGS = 3
_PENDING_BYTES = 16 << 20
_SUBSCRIBE_SECONDS = 5.0

Callback = Callable[[], None]


class JetStreamRefusedError(LogError):
    """JetStream answered with an error: nothing was done. Decide by `code`, its `err_code`."""

    def __init__(self, what: str, error: dict[str, Any]) -> None:
        super().__init__(f"{what}: {error.get('description', 'refused')} ({error.get('err_code')})")
        self.code = int(error.get("err_code", 0))
        self.status = int(error.get("code", 0))


class LogConnection:
    """The hub's connection to its log; made by `connect`.

    `reconnects` counts regained connections: a reader compares it to know when its checkpoint has to
    be verified again.
    """

    def __init__(self, address: ServerAddress) -> None:
        self.reconnects = 0
        self.reporter = OutageReporter()
        self.writes = Writes()
        self.on_disconnect: set[Callback] = set()
        """Called from the event loop after every loss of the connection; answers under way will not come."""
        self.on_reconnect: set[Callback] = set()
        """Called from the event loop after every regained connection."""
        self.broker = HubBroker(
            {
                "error_cb": self.reporter.on_error,
                "disconnected_cb": self._disconnected,
                "reconnected_cb": self._reconnected,
            },
            servers=[part.strip() for part in address.url.split(",")],
            name="bookinghub",
            security=_security(address),
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=_UNANSWERED_PINGS,
            pending_size=_PENDING_BYTES,
            graceful_timeout=5.0,
        )
        self._client: Client | None = None
        self._waiting: set[asyncio.Timeout] = set()

    async def open(self) -> None:
        """Make the first connection; `connect` bounds and explains it."""
        await self.broker.start()
        self._client = self.broker.connection
        self.reporter.established = True

    @property
    def client(self) -> Client:
        """The raw client; its subscriptions survive reconnects."""
        if self._client is None:
            raise LogUnavailableError("the connection to NATS was not opened")
        return self._client

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached at this moment."""
        return self._client is not None and self._client.is_connected

    @property
    def server_version(self) -> str:
        """The version of the server now connected to."""
        version = self.client.connected_server_version
        return f"{version.major}.{version.minor}.{version.patch}"

    @property
    def max_message_bytes(self) -> int:
        """The server's limit for headers and body together."""
        return int(self.client.max_payload)

    async def request(
        self, subject: str, body: bytes, *, headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Msg:
        """One question and its answer; LogUnavailableError when there is none in time.

        Nothing is sent while disconnected: nats-py would keep it and send it after the caller gave up.
        """
        async with self.bounded(subject, timeout):
            return await self.client.request(subject, body, timeout=timeout + 1, headers=headers)

    async def post(
        self,
        subject: str,
        body: bytes,
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Send without waiting for an answer; whether it arrives is not known."""
        async with self.bounded(subject, timeout):
            await self.client.publish(subject, body, reply, headers)

    async def api(
        self, operation: str, body: dict[str, Any] | None = None, *, timeout: float = 5.0
    ) -> dict[str, Any]:
        """Call `$JS.API.<operation>`; JetStreamRefusedError when it answers with an error."""
        question = json.dumps(body).encode() if body is not None else b""
        answer = await self.request(f"$JS.API.{operation}", question, timeout=timeout)
        return read_answer(operation, answer.data)

    async def subscribe(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """A core subscription, known to the server when this returns."""
        async with self.bounded(subject, _SUBSCRIBE_SECONDS):
            subscription = await self.client.subscribe(subject, cb=callback)
        try:
            # Any answer proves it. nats-py's own flush, given up, would later stop its reading for good.
            await self.api("INFO")
        except LogError:
            await self.unsubscribe(subscription)
            raise
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Drop a subscription, whatever state the connection is in."""
        with suppress(nats.errors.Error, OSError):
            await subscription.unsubscribe()

    async def close(self) -> None:
        """Stop the subscribers and close the connection; safe to call twice."""
        self.reporter.established = False
        if self.is_connected:
            with suppress(nats.errors.Error, OSError):
                await self.broker.stop()
        if self._client is not None:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def bounded(self, subject: str, timeout: float) -> AsyncIterator[None]:
        """Bounds calls of the raw client and turns their failures into LogUnavailableError.

        Ends after the timeout, or at once when the connection is lost: no answer can come then.
        """
        if not self.is_connected:
            raise LogUnavailableError("not connected to NATS")
        scope = asyncio.timeout(timeout)
        task = asyncio.current_task()
        cancels = task.cancelling() if task else 0
        try:
            async with scope:
                self._waiting.add(scope)
                yield
            if task is not None and task.cancelling() > cancels:
                # Python 3.11's wait_for drops a cancellation that meets the answer; a loop would run on.
                raise asyncio.CancelledError
        except nats.errors.NoRespondersError as error:
            raise LogUnavailableError(
                f"nobody answers {subject}: no such stream, or JetStream is off"
            ) from error
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise LogUnavailableError(f"no answer to {subject}: {type(error).__name__}") from error
        finally:
            self._waiting.discard(scope)

    async def _disconnected(self) -> None:
        self.reporter.lost("closed by the server")
        self.writes.forget()
        now = asyncio.get_running_loop().time()
        for scope in tuple(self._waiting):
            scope.reschedule(now)
        for callback in tuple(self.on_disconnect):
            callback()

    async def _reconnected(self) -> None:
        self.reconnects += 1
        self.reporter.back()
        for callback in tuple(self.on_reconnect):
            callback()


async def connect(address: ServerAddress, *, within: timedelta = timedelta(seconds=30)) -> LogConnection:
    """Connect, and refuse a server the hub cannot work with.

    LogUnavailableError if none answers in time, ConfigError for wrong credentials or a version without
    atomic batches.
    """
    connection = LogConnection(address)
    where = ", ".join(_without_user(part) for part in address.url.split(","))
    try:
        async with asyncio.timeout(within.total_seconds()):
            await connection.open()
    except nats.errors.Error as error:
        raise ConfigError(f"NATS at {where} refused the connection: {error}") from error
    except (OSError, TimeoutError) as error:
        raise LogUnavailableError(
            f"no NATS server answered at {where} within {within.total_seconds():.0f} s"
        ) from error
    try:
        check_version(connection.server_version, what=f"NATS at {where}")
    except ConfigError:
        await connection.close()
        raise
    return connection


def read_answer(what: str, body: bytes) -> dict[str, Any]:
    """The JSON object of a JetStream answer; JetStreamRefusedError if it carries an error."""
    try:
        answer = json.loads(body)
        error = answer.get("error")
    except (ValueError, AttributeError) as problem:
        raise LogUnavailableError(f"{what}: the answer is not JetStream's") from problem
    if error:
        raise JetStreamRefusedError(what, error)
    return dict(answer)


def _security(address: ServerAddress) -> BaseSecurity | None:
    if address.credentials is not None:
        return NatsCredentials(str(address.credentials))
    if address.user is not None and address.password is not None:
        return NatsUserPassword(address.user, address.password)
    return None


def _without_user(url: str) -> str:
    scheme, separator, rest = url.strip().rpartition("//")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
