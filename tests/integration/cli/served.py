"""A hub on a real port, and commands run against it in this process."""

import io
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from structlog.testing import capture_logs

from hub.cli.running import run
from tests.integration.web.world import World


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The only line of JSON."""
        [line] = self.out.splitlines()
        return json.loads(line)

    @property
    def lines(self) -> list[Any]:
        """All lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal(io.StringIO):
    """Standard input that somebody types on."""

    def isatty(self) -> bool:
        return True


def bookinghub(*arguments: str, typed: str | None = None, stdin: bytes = b"") -> Ran:
    """Run one command line; `typed` is what a person at a terminal would answer."""
    out, err = io.StringIO(), io.StringIO()
    given = Terminal(typed) if typed is not None else io.TextIOWrapper(io.BytesIO(stdin))
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", given):
        code = run(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def serving(world: World) -> Iterator[str]:
    """Serve the world's application from a thread; gives its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        world.app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the server")
        with capture_logs():
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listening.close()


def wait_until(condition: Any, what: str, *, seconds: float = 60) -> None:
    """Wait for a condition, at most until the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come in {seconds} s")
        time.sleep(0.01)


def announce(folder: Path, url: str, pid: int) -> None:
    """What a running hub writes down for commands on its machine."""
    (folder / "hub.json").write_text(json.dumps({"pid": pid, "url": url}))
