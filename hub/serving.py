"""The web servers of the hub's process, on sockets that were bound before anything else started."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.errors import ConfigError
from hub.settings import ListenAddress

GRACE_SECONDS = 5
BACKLOG = 2048


class _Server(uvicorn.Server):
    """Leaves the signals to the hub, which has more to end than its web server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Front:
    """What a server serves, which may be put in the place of another while requests run on the old one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class WebServer:
    """One listening socket and the application behind it."""

    def __init__(self, address: ListenAddress, *, key: str, bound: socket.socket | None = None) -> None:
        """`bound` listens at this address already."""
        self._socket = bound or bound_to(address, key)
        host, port = self._socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}"  # noqa: S104
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, app: ASGIApp) -> None:
        """Answer from now on; returns when the first request would be answered."""
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="web server")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Finish the requests in hand and close the port; safe to call twice."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait({self._task})
        self._socket.close()


def write_announcement(path: Path, *, url: str) -> None:
    """Tell commands on this machine where the hub answers."""
    content = json.dumps({"pid": os.getpid(), "url": url})
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".hub-", delete=False) as beside:
        beside.write(content + "\n")
    os.replace(beside.name, path)


def bound_to(address: ListenAddress, key: str) -> socket.socket:
    """A socket that has this address; ConfigError, naming the key, if it cannot be had."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(f"{key}: {address.host} is not an address of this machine") from error
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(where)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"{key}: port {address.port} of {address.host} cannot be used ({os.strerror(error.errno or 0)}); "
            "choose another: make run PORT=8090, or bookinghub run --listen 127.0.0.1:8090"
        ) from error
    bound.listen(BACKLOG)
    bound.setblocking(False)
    return bound
