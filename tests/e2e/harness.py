"""The installed command as a user runs it, and stand-ins, each a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "bookinghub"
PAYLOADS = ROOT / "tests" / "payloads" / "meetergo"
WEBHOOK_TOKEN = "a-webhook-token-of-the-tests"
MOST_WORKERS = 4
"""As many test processes at a time as the Makefile allows."""
_PORTS_PER_WORKER = 3_000
CALENDAR = "team@group.calendar.google.com"


def free_port() -> int:
    """A port of loopback nobody listens on, below those of outgoing connections.

    Test processes that run side by side look in ranges of their own, or two would find the same one free.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + worker % MOST_WORKERS * _PORTS_PER_WORKER
    for port in range(first + os.getpid() % (_PORTS_PER_WORKER // 2), first + _PORTS_PER_WORKER):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port on loopback")


def wait_until(condition: Callable[[], Any], *, within: float = 60, what: str = "the condition") -> Any:
    """The first truthy answer; fails when there is none in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {within} s")


def instant(text: str) -> float:
    """A written time, comparable with another that was written in another zone."""
    return datetime.fromisoformat(text).timestamp()


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def payload(name: str) -> dict[str, Any]:
    """A sample webhook by its file name without `webhook_` and `.json`."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"webhook_{name}.json").read_text())
    return found


class Hub:
    """One data directory and the hub that works on it, or does not at the moment."""

    def __init__(self, folder: Path, *, sinks: Mapping[str, Any] | None = None, **sections: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.config = folder / "hub.yaml"
        content = {
            "hub": {"timezone": "Europe/Berlin", "data_dir": "data"},
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "sources": {
                "meetergo": {"type": "meetergo", "webhook": {"token": WEBHOOK_TOKEN}, "verify": "trust"}
            },
            "sinks": {"console": {"type": "console_log"}} if sinks is None else dict(sinks),
        } | sections
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps(content))
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder / "output.txt"
        self.errors = folder / "errors.txt"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> str:
        return f"{self.url}/webhooks/meetergo/{WEBHOOK_TOKEN}"

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def start(self, *, ready: bool = True, within: float = 120) -> "Hub":
        """Start the hub; with `ready` wait until it says so."""
        with self.output.open("ab") as output, self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [COMMAND, "run", "--config", self.config, "--log-format", "json"],
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        if ready:
            wait_until(self.is_ready, within=within, what=f"readiness (see {self.errors})")
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.errors.read_text()[-2000:]
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        return False

    def kill(self) -> bool:
        """End the hub at once, as a power cut would; the nats-server child lives on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        return True

    def nats_pid(self) -> int:
        """The nats-server of this data directory, as soon as there is one."""
        return int(wait_until(self._written_nats_pid, what="a nats-server"))

    def _written_nats_pid(self) -> int | None:
        """What the file names now: nothing while a server is being started."""
        with suppress(FileNotFoundError, ValueError):
            found: int | None = json.loads((self.data / "nats.json").read_text())["pid"]
            return found
        return None

    def kill_nats(self) -> bool:
        """End nats-server at once; False if the one that is named is dead already."""
        pid = self.nats_pid()
        if not is_alive(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def terminate(self, within: float = 60) -> int:
        """Ask the hub to end and wait for it; the nats-server ends with it."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(timeout=within)
        self.process = None
        return code

    def close(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        pid = self._written_nats_pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def post(self, body: Any, *, timeout: float = 60) -> httpx.Response:
        """One webhook."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(self.door, content=content, timeout=timeout)

    def api(self, path: str, **query: Any) -> Any:
        """The JSON of a reading call."""
        answer = httpx.get(
            f"{self.url}/api/v1/{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every item of a list, over all its pages."""
        found: list[dict[str, Any]] = []
        page = self.api(path, limit=500, **query)
        found.extend(page["items"])
        while page["next"]:
            page = self.api(path, limit=500, cursor=page["next"], **query)
            found.extend(page["items"])
        return found

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command, as a person types it."""
        done = subprocess.run(
            [COMMAND, *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
        )
        assert not check or done.returncode == 0, (
            f"{arguments}: {done.returncode} {done.stderr} {done.stdout}"
        )
        return done

    def is_settled(self) -> bool:
        """Whether everything answered so far is worked on, projected and delivered."""
        with suppress(httpx.TransportError, AssertionError):
            status = self.api("status")
            inbox = status["inbox"]
            lags = [p["lag_events"] for p in status["projections"].values()]
            lags += [s["lag_events"] for s in status["sinks"].values()]
            return not any((inbox["waiting"], inbox["dirty"], *lags))
        return False

    def settle(self, within: float = 120) -> None:
        """Wait until all lags are zero."""
        wait_until(self.is_settled, within=within, what="zero lag")


class StandInProcess:
    """A stand-in of an outside system as a process of its own; `app` makes it."""

    def __init__(self, folder: Path, app: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / f"stand-in-{self.port}.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "uvicorn",
                    "--factory",
                    app,
                    "--port",
                    str(self.port),
                    "--log-level",
                    "warning",
                ],
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        wait_until(self._answers, what=f"the stand-in {app}")

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return self._client.get("/_calls").status_code == 200
        return False

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far, with its outcome."""
        found: list[dict[str, Any]] = self._client.get("/_calls").json()
        return found

    def forget_calls(self) -> None:
        """Count from here on."""
        assert self._client.delete("/_calls").status_code == 200

    def heal(self) -> None:
        """Switch off all that goes wrong."""
        assert self._client.delete("/_faults").status_code == 200

    def fault(self, **fault: Any) -> None:
        """Switch on something that goes wrong."""
        assert self._client.post("/_faults", json=fault).status_code == 200

    def close(self) -> None:
        self._client.close()
        self.process.kill()
        self.process.wait()


class CalendarStandIn(StandInProcess):
    """The Google Calendar stand-in; ask it for the truth."""

    def __init__(self, folder: Path, *, app: str = "adapters.google_calendar.simulator:create_app") -> None:
        super().__init__(folder, app)

    @property
    def sink(self) -> dict[str, Any]:
        """A sink for the YAML that writes here."""
        return {
            "type": "google_calendar",
            "grace": "1s",
            "retry": {"first": "200ms", "max": "2s", "attempts": 1000},
            "timeout": "5s",
            "config": {
                "base_url": f"{self.url}/calendar/v3/",
                "credentials": {"access_token": "an-access-token-of-the-tests"},
                "calendar": CALENDAR,
            },
        }

    def entries(self) -> list[dict[str, Any]]:
        """The entries a person would see in the calendar."""
        state: dict[str, list[dict[str, Any]]] = self._client.get("/_state").json()
        return [entry for entry in state.get(CALENDAR, []) if entry["status"] == "confirmed"]

    def refuse(self, text: str) -> None:
        """Answer 400 for every entry with this text; for stand-ins that watch."""
        assert self._client.post("/_refuse", json={"containing": text}).status_code == 200


@contextmanager
def running_hub(folder: Path, **options: Any) -> Iterator[Hub]:
    """A hub that is ready, and gone afterwards."""
    hub = Hub(folder, **options)
    try:
        yield hub.start()
    finally:
        hub.close()


@contextmanager
def calendar_stand_in(folder: Path, **options: Any) -> Iterator[CalendarStandIn]:
    """A calendar, and gone afterwards."""
    calendar = CalendarStandIn(folder, **options)
    try:
        yield calendar
    finally:
        calendar.close()


def bytes_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder with its bytes, to search for what must not be there."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file, file.read_bytes()
