"""The stand-ins of a playground in one process: each on ports of its own, all kept in one file."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from adapters.registry import SimulatorType, load_simulator
from adapters.simulation import Fault, Message, Receive, Send, Simulation, json_reply
from hub.errors import ConfigError
from hub.serving import Front, WebServer, bound_to
from hub.settings import ListenAddress
from hub.simulation.memory import Memory

RESET = "/_reset"
KEEP_SECONDS = 0.5
"""How soon what happens by itself is written down."""

MOST_CALLS = 2_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a playground consists of; `every` 0 = nothing happens by itself.

    At `second_ports`, by type, stand-ins `converse`.
    """

    data_dir: Path
    ports: Mapping[str, int]
    every: timedelta
    misbehave: bool
    second_ports: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        shown = {"data_dir": str(self.data_dir), "every": self.every.total_seconds()}
        ports = {"ports": dict(self.ports), "second_ports": dict(self.second_ports)}
        return json.dumps(shown | ports | {"misbehave": self.misbehave}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        told = json.loads(text)
        every = timedelta(seconds=told["every"])
        return cls(
            Path(told["data_dir"]), told["ports"], every, told["misbehave"], second_ports=told["second_ports"]
        )


class Stage:
    """Serves the stand-ins of a plan; made inside a running loop, for what is remembered goes on at once."""

    def __init__(
        self,
        plan: Plan,
        memory: Memory,
        *,
        sockets: Mapping[int, socket.socket] | None = None,
        load: Callable[[str], SimulatorType] = load_simulator,
    ) -> None:
        """`sockets` listen already, by port; without them the ports are taken when it runs."""
        self._sockets = sockets or {}
        self._plan = plan
        self._memory = memory
        self._load = load
        self._apps = {name: self._remembered(name) for name in plan.ports}
        for name, app in self._apps.items():
            app.neighbours = {other: one for other, one in self._apps.items() if other != name}

    async def run(self, until: asyncio.Event) -> None:
        """Serve until this is set; ConfigError if a port is taken."""
        async with AsyncExitStack() as stack:
            for name, port in self._plan.ports.items():
                address, key = ListenAddress("127.0.0.1", port), f"the stand-in for {name}"
                server = WebServer(address, key=key, bound=self._sockets.get(port))
                stack.push_async_callback(server.stop)
                await server.start(Front(partial(self._answer, name)))
            for name, port in self._plan.second_ports.items():
                await stack.enter_async_context(await self._conversing(name, port))
            stack.callback(self._keep_all)
            async with asyncio.TaskGroup() as lives:
                tasks = [lives.create_task(self._live(name)) for name in self._apps]
                tasks.append(lives.create_task(self._keep_for_ever()))
                await until.wait()
                for task in tasks:
                    task.cancel()

    async def _answer(self, name: str, scope: Message, receive: Receive, send: Send) -> None:
        """One request; what it changes is kept before it is answered."""
        app = self._apps[name]

        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._keep(name)
            await send(message)

        if (scope["method"], scope["path"]) == ("POST", RESET):
            self._begin_again(name)
            await json_reply({}).send(send_kept)
            return
        await app(scope, receive, send_kept)
        del app.calls[:-MOST_CALLS]

    async def _conversing(self, name: str, port: int) -> asyncio.Server:
        """Take connections at the second port."""

        def connected() -> asyncio.Protocol:
            return self._apps[name].converse(partial(self._keep, name))

        bound = self._sockets.get(port) or bound_to(
            ListenAddress("127.0.0.1", port), f"the second port of the stand-in for {name}"
        )
        return await asyncio.get_running_loop().create_server(connected, sock=bound)

    async def _live(self, name: str) -> None:
        if self._plan.every:
            await self._apps[name].live(every=self._plan.every, misbehave=self._plan.misbehave)

    async def _keep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            self._keep_all()

    def _keep_all(self) -> None:
        for name in self._apps:
            self._keep(name)

    def _keep(self, name: str) -> None:
        app = self._apps[name]
        faults = [asdict(fault) for fault in app.faults]
        self._memory.write(name, json.dumps({"faults": faults, "state": app.keep()}))

    def _begin_again(self, name: str) -> None:
        self._apps[name].restore(self._new(name).keep())
        self._apps[name].faults.clear()
        self._apps[name].calls.clear()

    def _new(self, name: str) -> Simulation:
        playground = self._load(name).playground
        if playground is None:
            raise ConfigError(f"{name} has no stand-in for a playground")
        return playground()

    def _remembered(self, name: str) -> Simulation:
        """The stand-in as it was when it was last heard of, else as it begins."""
        app, kept = self._new(name), self._memory.read(name)
        if kept is None:
            return app
        try:
            told: dict[str, Any] = json.loads(kept)
            app.restore(told["state"])
            app.faults[:] = [Fault(**fault) for fault in told["faults"]]
        except (ValueError, KeyError, TypeError) as error:
            # Written by another version of the stand-in: a made-up world is not worth a refusal.
            _log.warning("stand_in_begins_anew", stand_in=name, error=type(error).__name__)
            return self._new(name)
        return app
