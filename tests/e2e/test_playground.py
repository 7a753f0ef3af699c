"""`make run` and `make demo`: the shipped configuration shows the product working, with no account."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import COMMAND, ROOT, free_port, is_alive, wait_until

FIRST_MINUTE = {
    "a backfill": r"history of meetergo read: 14 bookings, \d+ facts$",
    "a move with what each sink did": (
        r"\w{8}  moved .+ → .+   (?=.*team-calendar changed in \d\.\d\d s)(?=.*crm )(?=.*team-mail sent)"
    ),
    "a refused duplicate": r"\w{8}  nothing to do: the webhook says what is known already$",
    "a change found by poll": r"found by poll, no webhook had told of it: moved ",
    "a target that is out of order": r"team-calendar failed: .*503",
    "one call per booking after it": r"team-calendar .*\(one call for \d changes\)",
    "a no-show counted up": r"no-show, counted up to 1",
    "and down": r"no-show undone, counted down to 0",
}
FASTER = {"simulator": {"every": "2s"}, "sources": {"meetergo": {"poll": {"every": "4s"}}}}
GUESTS = ("Brandvold", "Ekdal", "Helmer", "guests.example")


class Run:
    """The shipped hub on a terminal, with a data folder of its own."""

    def __init__(self, folder: Path, pace: Mapping[str, Any]) -> None:
        self.data = folder / "data"
        self.on_top = folder / "here.yaml"
        self.on_top.write_text(json.dumps({"hub": {"data_dir": str(self.data)}, **pace}))
        self.written = folder / "terminal.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def config(self) -> tuple[str, ...]:
        return ("--config", str(ROOT / "config" / "hub.yaml"), "--config", str(self.on_top))

    def start(self) -> None:
        """Start it on a terminal of its own, whose output goes into a file."""
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [COMMAND, "run", *self.config, "--listen", f"127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._copy, args=(ours,))
        self._reader.start()
        wait_until(lambda: "is ready" in self.text, within=120, what="the banner")

    def _copy(self, terminal: int) -> None:
        """Write down what comes to the terminal until nobody holds its other end any more."""
        with self.written.open("ab", buffering=0) as written, suppress(OSError):
            while data := os.read(terminal, 65_536):
                written.write(data)
        os.close(terminal)

    @property
    def text(self) -> str:
        return self.written.read_text(errors="replace") if self.written.exists() else ""

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines()]

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [COMMAND, *arguments, *self.config],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def pid_of_playground(self) -> int:
        return int(json.loads((self.data / "sim.lock").read_text())["pid"])

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(timeout=10)

    def close(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)
            if self.process.poll() is None:
                self.kill()
            self._reader.join(timeout=10)
        for name in ("nats.json", "sim.lock"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                os.kill(int(json.loads((self.data / name).read_text())["pid"]), signal.SIGKILL)


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


def missing(lines: list[str]) -> list[str]:
    return [
        what for what, pattern in FIRST_MINUTE.items() if not any(re.search(pattern, one) for one in lines)
    ]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(FASTER, id="faster"),
        pytest.param({}, id="as shipped", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_the_first_minute_shows_it_all_and_a_kill_changes_nothing(run: Run) -> None:
    run.start()
    began = time.monotonic()
    wait_until(
        lambda: not missing(run.lines()), within=240, what=f"everything, {missing(run.lines())} included"
    )
    print(f"\nall of the first minute after {time.monotonic() - began:.0f} s")  # noqa: T201
    assert [guest for guest in GUESTS if guest in run.text] == []

    playground = run.pid_of_playground()
    booked = run.cli("sim", "book", "--name", "Nora Helmer", "--email", "nora.h@guests.example", "--json")
    assert booked.returncode == 0, booked.stderr
    booking_id = json.loads(booked.stdout)["done"]["id"]
    run.kill()
    assert is_alive(playground)
    run.start()
    assert run.pid_of_playground() == playground, "adopted, not doubled"
    wait_until(
        lambda: run.cli("bookings", "show", booking_id, "--json").returncode == 0,
        within=120,
        what="the booking that came before the kill",
    )
    stopped = run.cli("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not is_alive(playground)


def test_the_demo_comes_out_right(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hub.demo"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "TMPDIR"}
        | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing doubled, everything in step" in done.stdout
    assert "WRONG" not in done.stdout
    assert list(tmp_path.iterdir()) == [], "its folder is gone"
