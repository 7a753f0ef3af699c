"""A hub and its playground as processes of their own, in a folder that is thrown away."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hub.client import HttpTransport, HubClient, UnreachableError
from hub.ports import free_port

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "hub.yaml"
CALENDAR, CRM, MAIL, PROVIDER = "google_calendar", "hubspot", "notify", "meetergo"
READY_SECONDS = 90.0
PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05

T = TypeVar("T")


class DemoError(Exception):
    """Something did not come about that the hub promises."""


class World:
    """One data folder, the hub that works on it, and the simulated systems behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._config = folder / "demo.yaml"
        self._config.write_text(json.dumps(self._on_top()), encoding="utf-8")
        self._log = folder / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(trust_env=False, timeout=10)

    def _on_top(self) -> dict[str, Any]:
        """What differs from the shipped configuration: nothing happens by itself, and polls come soon."""
        return {
            "hub": {"data_dir": str(self.data)},
            "http": {"listen": self.url.removeprefix("http://")},
            "simulator": {"every": "0s", "misbehave": False},
            "sources": {PROVIDER: {"poll": {"every": "4s"}}},
        }

    def start(self) -> None:
        """Start the hub and wait until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
                [
                    *(sys.executable, "-P", "-m", "hub", "run", "--log-format", "json"),
                    *("--config", SHIPPED, "--config", self._config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(self._is_ready, what="a hub that is ready", within=READY_SECONDS)

    def kill(self) -> None:
        """`kill -9` of the hub; its nats-server and its playground live on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def kill_server(self) -> None:
        """`kill -9` of nats-server under the running hub."""
        os.kill(int(json.loads((self.data / "nats.json").read_text())["pid"]), signal.SIGKILL)

    def close(self) -> None:
        """End everything, however far it came."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=30)
            self.kill()
        self._end_left_behind()
        self._http.close()

    def keep(self) -> Path:
        """The hub's log, moved to where it outlives the folder."""
        kept = self.folder.with_name(f"{self.folder.name}.log")
        if self._log.exists():
            shutil.copy(self._log, kept)
        return kept

    def _end_left_behind(self) -> None:
        """After a kill without a new start nobody else ends the children."""
        for name in ("nats.json", "sim.lock"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                os.kill(int(json.loads((self.data / name).read_text())["pid"]), signal.SIGKILL)

    def wait(self, holds: Callable[[], T], *, what: str, within: float = PATIENCE_SECONDS) -> T:
        """The first answer that is true; DemoError if none comes in time."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found = holds()
            if found:
                return found
            time.sleep(_LOOK_SECONDS)
        raise DemoError(f"{what} did not come within {within:.0f} s")

    @property
    def api(self) -> HubClient:
        """The API of the running hub."""
        return HubClient(HttpTransport(self.url), token=(self.data / "admin.token").read_text().strip())

    def items(self, path: str) -> list[dict[str, Any]]:
        """A whole list."""
        return list(self.api.items(path, limit=None))

    def booking(self, booking_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/bookings/{booking_id}")
        return found

    def events(self, booking_id: str) -> list[dict[str, Any]]:
        """What became known of a booking, the oldest first."""
        found = self.api.items("/events", [("booking", booking_id)], limit=None)
        return sorted(found, key=lambda event: int(event["position"]))

    def sim(self, act: str, **asked: Any) -> dict[str, Any]:
        """One act of `bookinghub sim`."""
        played: dict[str, Any] = self.api.post(f"/sim/{act}", asked)
        return dict(played["done"])

    def stand_in(self, name: str, path: str, method: str = "GET", body: Any = None) -> Any:
        """One control call at a stand-in."""
        port = json.loads((self.data / "sim.json").read_text())[name]
        answer = self._http.request(method, f"http://127.0.0.1:{port}{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def act(self, **asked: Any) -> dict[str, Any]:
        """Something happens at the provider, whether a hub runs or not."""
        done: dict[str, Any] = self.stand_in(PROVIDER, "/_play", "POST", asked)
        return done

    def settle(self) -> None:
        """Wait until everything answered so far is worked on and delivered."""
        self.wait(self._is_settled, what="zero lag everywhere", within=60)

    def _is_settled(self) -> bool:
        try:
            status = self.api.get("/status")
        except UnreachableError:
            return False
        inbox = status["inbox"]
        lags = [one["lag_events"] for one in (*status["projections"].values(), *status["sinks"].values())]
        return not any((inbox["waiting"], inbox["dirty"], *lags))

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            words = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise DemoError(f"the hub ended at once and said: {words[0]}")
        with suppress(httpx.TransportError):
            return self._http.get(f"{self.url}/readyz").status_code == httpx.codes.OK
        return False


def same_time(first: str, second: str) -> bool:
    """Whether two written times are one."""
    return datetime.fromisoformat(first) == datetime.fromisoformat(second)
