"""Radicale and Xandikos: CalDAV servers that nobody here wrote, as processes of their own."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx

from adapters.api import AdapterContext
from adapters.caldav.config import CalDavConfig
from adapters.caldav.simulated import seen
from adapters.caldav.sink import CalDavSink
from adapters.simulation import RefusedError, Reply, Request, Simulation
from adapters.testing import SimulatedSide, SimulatorServer
from tests.e2e.harness import free_port

USERNAME, PASSWORD = "hub", "a-made-up-password"
_PASSED_ON = frozenset(("authorization", "content-type", "depth", "if-match", "if-none-match"))
_PASSED_BACK = frozenset(("etag", "location", "www-authenticate"))


class IndependentServer:
    """One server with one calendar, which a test empties before it begins."""

    calendar: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._log = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [*self.command(folder, self._port)], cwd=folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}",
            auth=(USERNAME, PASSWORD),
            timeout=60,
            trust_env=False,
        )
        self._await_answer()
        self.client.request("MKCALENDAR", self.calendar).raise_for_status()

    def command(self, folder: Path, port: int) -> list[str]:
        raise NotImplementedError

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def entries(self) -> dict[str, str]:
        """The text of every entry by name."""
        listed = self.client.request("PROPFIND", self.calendar, headers={"Depth": "1"}).raise_for_status()
        names = sorted({part.partition("<")[0] for part in listed.text.split(self.calendar)[1:]} - {""})
        return {name: self.client.get(self.calendar + name).raise_for_status().text for name in names}

    def empty(self) -> None:
        for name in self.entries():
            self.client.delete(self.calendar + name).raise_for_status()

    def by_hand(self, method: str, name: str, content: str = "") -> None:
        """What a person's calendar program does: no hub, no conditions."""
        headers = {"Content-Type": "text/calendar; charset=utf-8"} if content else {}
        address = self.calendar + name
        self.client.request(method, address, content=content.encode(), headers=headers).raise_for_status()

    def only(self) -> tuple[str, str]:
        """Name and text of the one entry there is."""
        (entry,) = self.entries().items()
        return entry

    def _await_answer(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.request("PROPFIND", "/", headers={"Depth": "0"})
            except httpx.TransportError:
                said = (self._folder / "server.log").read_text()
                assert self._process.poll() is None, f"{type(self).__name__} ended: {said}"
                assert time.monotonic() < deadline, f"{type(self).__name__} does not answer: {said}"
                time.sleep(0.05)
            else:
                return


class Radicale(IndependentServer):
    calendar = "/hub/team/"

    def command(self, folder: Path, port: int) -> list[str]:
        (folder / "users").write_text(f"{USERNAME}:{PASSWORD}\n")
        settings = {
            "server": {"hosts": f"127.0.0.1:{port}"},
            "auth": {
                "type": "htpasswd",
                "htpasswd_filename": str(folder / "users"),
                "htpasswd_encryption": "plain",
                "delay": "0",
            },
            "storage": {"filesystem_folder": str(folder / "collections")},
            "web": {"type": "none"},
        }
        lines = [
            line
            for section, values in settings.items()
            for line in (f"[{section}]", *(f"{name} = {value}" for name, value in values.items()))
        ]
        (folder / "radicale.conf").write_text("\n".join(lines))
        return [sys.executable, "-m", "radicale", "--config", "radicale.conf"]


class Xandikos(IndependentServer):
    """Takes any account, since it leaves that to a proxy."""

    calendar = "/hub/calendars/team/"

    def command(self, folder: Path, port: int) -> list[str]:
        program = str(Path(sys.executable).with_name("xandikos"))
        where = ["--listen-address", "127.0.0.1", "--port", str(port)]
        return [program, "serve", "-d", "data", "--defaults", *where, "--current-user-principal", "/hub/"]


class FaultyRoute(Simulation):
    """Passes every request on to the server behind it, unless something is to go wrong on the way."""

    def __init__(self, server: IndependentServer) -> None:
        super().__init__()
        self._server = server

    def call_of(self, request: Request) -> str:
        return request.method.lower()

    def objects(self) -> Mapping[str, Any]:
        return {name: seen(text.encode()) for name, text in self._server.entries().items()}

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        element = f'<D:error xmlns:D="DAV:"><D:{refusal.reason}/></D:error>' if refusal.reason else ""
        return Reply(refusal.status, element.encode(), "application/xml", headers)

    async def perform(self, request: Request, call: str) -> Reply:
        path = "/" + "/".join(request.path)
        address = f"{path}/" if call in ("propfind", "report") else path
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        answer = await asyncio.to_thread(
            self._server.client.request,
            request.method,
            address,
            content=request.body,
            headers=headers,
            auth=None,
        )
        back = tuple((name, value) for name, value in answer.headers.items() if name in _PASSED_BACK)
        return Reply(answer.status_code, answer.content, answer.headers.get("content-type", ""), back)


class IndependentSide(SimulatedSide):
    """The other side of the contract kit: the emptied calendar, behind a route with faults."""

    def __init__(self, route: SimulatorServer, server: IndependentServer) -> None:
        super().__init__(route, FaultyRoute(server))
        self.server = server
        server.empty()

    def sink(self, context: AdapterContext, **members: Any) -> CalDavSink:
        account = {"username": USERNAME, "password": PASSWORD}
        config = {"url": f"{self.url}{self.server.calendar}"} | account | members
        return CalDavSink(CalDavConfig.model_validate(config), context)
