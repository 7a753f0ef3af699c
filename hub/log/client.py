"""FastStream's broker on a nats-py client that never gives up and never fills the log.

nats-py closes a connection for good on most errors that a server sends. FastStream's pull loop then
spins without ever yielding, which stops the whole process, and its error callback raises on some of
them, which kills nats-py's reconnect loop. See docs/adr/0009-faststream-on-a-client-of-our-own.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client, Srv

_CLOSED_PAUSE_SECONDS = 0.05
_PERMISSIONS = "permissions violation"
_REFUSALS = ("authorization violation", "authentication")

_OUTAGES = (OSError, TimeoutError, nats.errors.UnexpectedEOF, nats.errors.StaleConnectionError)

_log = structlog.get_logger(__name__)


class ReconnectingClient(Client):
    """A nats-py client that treats every error of the server as an outage, not as the end.

    It also reads headers in one pass: nats-py looks at every character of every name, which is half
    the cost of reading the log.
    """

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
        return headers

    async def _process_err(self, err_msg: str) -> None:
        if _PERMISSIONS in err_msg.lower():
            await super()._process_err(err_msg)
        else:
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg}"))

    async def _connect_to_server(self, s: Srv) -> None:
        # An attempt that failed after the connection stood leaves it open.
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        if self.is_closed:
            await asyncio.sleep(_CLOSED_PAUSE_SECONDS)
        await super().publish(subject, payload, reply, headers)


class OutageReporter:
    """One log line when the connection is lost and one when it is back, not one per attempt."""

    def __init__(self) -> None:
        self.established = False
        self._lost_at: float | None = None

    async def on_error(self, error: Exception) -> None:
        """Called by nats-py for every failed attempt; raises only while the first connection is made."""
        if not self.established and any(word in str(error).lower() for word in _REFUSALS):
            # nats-py knows this only as text. Later it is an outage like any other.
            raise error
        if isinstance(error, _OUTAGES):
            self.lost(repr(error))
        elif self._lost_at is None:
            _log.error("log_client_error", error=repr(error))

    def lost(self, reason: str) -> None:
        """The connection does not stand, or an attempt to regain it failed."""
        if self.established and self._lost_at is None:
            self._lost_at = time.monotonic()
            _log.warning("log_connection_lost", reason=reason)

    def back(self) -> None:
        """The connection stands again."""
        if self._lost_at is not None:
            _log.info("log_connection_back", seconds=round(time.monotonic() - self._lost_at, 1))
        self._lost_at = None


class HubBroker(NatsBroker):
    """FastStream's broker on our client, without FastStream's error callback.

    That callback raises on some errors, which kills nats-py's reconnect loop for good.
    """

    def __init__(self, callbacks: dict[str, Callable[..., Awaitable[None]]], **options: Any) -> None:
        super().__init__(logger=None, apply_types=False, **options)
        self._callbacks = callbacks

    async def _connect(self) -> Client:
        client = ReconnectingClient()
        try:
            await client.connect(**(self._connection_kwargs | self._callbacks))
        except BaseException:
            await client.close()
            raise
        self.config.connect(client)
        return client
