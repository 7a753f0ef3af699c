"""The doorbell of the log: tells a reader that there may be something new, never what."""

import asyncio

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from hub.log.broker import LogConnection

# A core subscription hears a message before it is stored, and an atomic batch long before its commit,
# so a reader that comes at once may find nothing. The bell therefore rings again a little later.
_ECHOES = (0.02, 0.25)


class Doorbell:
    """One reader's bell: a ring between two waits is kept, so none is missed."""

    def __init__(self, connection: LogConnection, subject: str, bells: "set[Doorbell]") -> None:
        self._connection = connection
        self._subject = subject
        self._bells = bells
        self._rung = asyncio.Event()
        self._echoes: dict[float, asyncio.TimerHandle] = {}
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Start listening; rings once, for what came before."""
        self._subscription = await self._connection.subscribe(self._subject, self._heard)
        self._connection.on_reconnect.add(self.ring)
        self._bells.add(self)
        self.ring()

    async def wait(self, timeout: float) -> bool:
        """Return True at the next ring, or False after the timeout."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        """Wake the reader."""
        self._rung.set()

    async def close(self) -> None:
        """Stop listening; safe to call twice."""
        self._connection.on_reconnect.discard(self.ring)
        self._bells.discard(self)
        for echo in self._echoes.values():
            echo.cancel()
        self._echoes.clear()
        if self._subscription is not None:
            await self._connection.unsubscribe(self._subscription)
            self._subscription = None

    async def _heard(self, _: Msg) -> None:
        self.ring()
        loop = asyncio.get_running_loop()
        for delay in _ECHOES:
            echo = self._echoes.pop(delay, None)
            if echo is not None:
                echo.cancel()
            self._echoes[delay] = loop.call_later(delay, self.ring)
