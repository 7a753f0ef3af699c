"""A stand-in as the other side of the contract kits: served over HTTP, and driven over HTTP as well."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
import uvicorn

from adapters.publishing import Publication
from adapters.simulation import Message, Receive, Send, Simulation

START_SECONDS = 60.0


class SimulatorServer:
    """A web server in a thread on a free port of loopback; `app` may be changed while it runs."""

    def __init__(self, app: Simulation) -> None:
        self.app = app
        settings = uvicorn.Config(
            self._serve,
            interface="asgi3",
            port=0,
            log_level="critical",
            lifespan="off",
            ws="none",
            # The stand-ins have clocks of their own, which the machine's time would contradict.
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def start(self) -> None:
        """Serve; returns when the first request would be answered."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline:
                raise RuntimeError("the stand-in did not start")
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url, timeout=START_SECONDS, trust_env=False)

    def stop(self) -> None:
        """Close the port and wait for the thread."""
        self.client.close()
        self._server.should_exit = True
        self._thread.join(START_SECONDS)

    @property
    def url(self) -> str:
        """The address without a path."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


class SimulatedSide:
    """The `OtherSide` of any stand-in: an empty one, put onto a server that runs already."""

    def __init__(self, server: SimulatorServer, app: Simulation) -> None:
        server.app = app
        self.app = app
        self.publication: Publication | None = getattr(app, "publication", None)
        self.url = server.url
        self._client = server.client

    def fault(self, **members: Any) -> None:
        """Switch on something that goes wrong; see `adapters.simulation.Fault`."""
        self._client.post("/_faults", json=members).raise_for_status()

    def fail_next(self, reason: str) -> None:
        code, _, named = reason.partition(" ")
        if code in ("disconnect", "truncated"):
            self.fault(kind=code)
        elif code == "502":
            self.fault(kind="html")
        else:
            after = "7" if code == "429" else None
            self.fault(kind="status", status=int(code), reason=named or None, retry_after=after)

    def lose_next_reply(self) -> None:
        self.fault(kind="lost_reply")

    def stall_next(self) -> None:
        self.fault(kind="delay", seconds=0.5)

    def cut_off_after(self, calls: int) -> None:
        if calls:
            self.fault(kind="lost_reply", skip=calls - 1)
        self.fault(kind="disconnect", skip=calls, times=None)

    def restore(self) -> None:
        self._client.delete("/_faults").raise_for_status()

    def idle(self) -> bool:
        """Whether no call is under way."""
        return all(call["status"] is not None for call in self.called())

    def calls(self) -> int:
        return len(self.called())

    def called(self) -> list[dict[str, Any]]:
        """Every call since the last `forget_calls`."""
        calls: list[dict[str, Any]] = self._client.get("/_calls").json()
        return calls

    def forget_calls(self) -> None:
        self._client.delete("/_calls").raise_for_status()

    def made(self) -> list[str]:
        """The names of the calls."""
        return [call["call"] for call in self.called()]

    def objects(self) -> Mapping[str, Any]:
        objects: dict[str, Any] = self._client.get("/_objects").json()
        return objects

    def close(self) -> None:
        """The server goes on; the next stand-in on it starts empty."""
