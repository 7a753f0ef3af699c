"""The API inside this process, for commands with `--offline`: the same handlers, no port and no token."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import httpx

from hub.client import Answer, Sent, unreachable
from hub.telemetry import configure_logging
from hub.web.app import build_app
from hub.web.services import HubServices


class InProcess:
    """Opens a hub's services and carries requests to them; `with` closes them again."""

    def __init__(self, opening: AbstractAsyncContextManager[HubServices]) -> None:
        self._opening = opening
        self._runner = asyncio.Runner()
        self._finished: asyncio.Event | None = None
        self._holder: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    def __enter__(self) -> "InProcess":
        # Standard output is the command's: what the hub's parts log here goes beside it, if it matters.
        configure_logging(log_format="text", level="warning")
        self._runner.__enter__()
        try:
            self._client = self._runner.run(self._open())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._close())
        finally:
            self._runner.close()

    def send(self, request: Sent) -> Answer:
        return self._runner.run(self._send(request))

    def stream(self, request: Sent) -> Iterator[bytes]:
        raise unreachable("nothing happens while no hub runs, so there is nothing to follow")

    def pause(self, seconds: float) -> None:
        self._runner.run(asyncio.sleep(seconds))

    async def _open(self) -> httpx.AsyncClient:
        """One task enters and leaves the services: what they hold may belong to the task that made it."""
        ready: asyncio.Future[HubServices] = asyncio.get_running_loop().create_future()
        finished = self._finished = asyncio.Event()

        async def hold() -> None:
            async with self._opening as services:
                ready.set_result(services)
                await finished.wait()

        holder = self._holder = asyncio.create_task(hold(), name="offline hub")
        either: set[asyncio.Future[Any]] = {holder, ready}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await holder
        transport = httpx.ASGITransport(app=build_app(ready.result()))
        return httpx.AsyncClient(transport=transport, base_url="http://offline")

    async def _send(self, request: Sent) -> Answer:
        if self._client is None:
            raise RuntimeError("not opened")
        response = await self._client.request(
            request.method,
            request.target,
            headers=dict(request.headers),
            content=request.body,
        )
        return Answer(response.status_code, dict(response.headers), response.content)

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        if self._finished is not None and self._holder is not None:
            self._finished.set()
            await self._holder
