"""The one process of a playground's stand-ins: started with the hub, ended with it, adopted after a kill.

As with the nats-server (`hub.log.embedded`), the child inherits `<data_dir>/sim.lock`: while the lock is
held a playground lives, and a hub that starts adopts it instead of putting up a second one. What stands
in the lock's file says which process that is and by which plan it plays.
"""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta

import httpx
import structlog

from hub.errors import ConfigError
from hub.log.locks import FileLock
from hub.log.processes import send_signal, started_at
from hub.simulation.stage import Plan

LOCK, OUTPUT = "sim.lock", "sim.log"
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.2
_LONGEST_PAUSE = 5.0
_STOP_SECONDS = 10.0
_BACKLOG = 128

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Note:
    """What the lock's file says of the process that holds it."""

    pid: int
    started_at: str | None
    plan: str

    def is_running(self) -> bool:
        return self.started_at is not None and started_at(self.pid) == self.started_at


class SimulatorChild:
    """Starts, adopts, watches and ends a data directory's playground; the caller holds the hub lock."""

    def __init__(self, plan: Plan, *, started_within: timedelta = timedelta(seconds=60)) -> None:
        self._plan = plan
        self._lock = plan.data_dir / LOCK
        self._output = plan.data_dir / OUTPUT
        self._started_within = started_within.total_seconds()
        self._note: _Note | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.adopted = False

    @property
    def pid(self) -> int | None:
        """The process, while one is known."""
        return self._note.pid if self._note else None

    async def start(self) -> None:
        """Have the stand-ins served, by the process that does so already if there is one."""
        lock = FileLock(self._lock)
        self.adopted = not await self._taken(lock)
        if self.adopted:
            _log.info("playground_adopted", pid=self.pid)
        else:
            self._spawn(lock)
        await self._answering()
        self._watcher = asyncio.create_task(self._watch(), name="playground watcher")

    async def stop(self) -> None:
        """End the stand-ins, adopted ones too; what they hold stays. Safe to call twice."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
            self._watcher = None
        if self._note is not None:
            await self._end(self._note)
            self._note = None

    async def _taken(self, lock: FileLock) -> bool:
        """Take the lock, or leave it to a process that plays by the same plan; one with another plan ends."""
        deadline = _now() + self._started_within
        while not lock.try_acquire():
            note = self._read_note()
            if note is not None and note.is_running():
                if note.plan == self._plan.to_json():
                    self._note = note
                    return False
                await self._end(note)
            if _now() > deadline:
                raise ConfigError(f"{self._lock} is held and does not say by whom; end that process")
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _spawn(self, lock: FileLock) -> None:
        """Start the child with the lock, and with sockets that listen: so nobody can take a port meanwhile.

        What the child is goes into the lock's file before our copy is closed.
        """
        try:
            with ExitStack() as stack:
                ports = (*self._plan.ports.values(), *self._plan.second_ports.values())
                sockets = {port: stack.enter_context(self._listening(port)) for port in ports}
                output = stack.enter_context(self._output.open("ab"))
                inherited = {port: one.fileno() for port, one in sockets.items()}
                self._child = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
                    [
                        *(sys.executable, "-P", "-m", "hub.simulation"),
                        *(self._plan.to_json(), json.dumps(inherited)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock.descriptor, *inherited.values()),
                    start_new_session=True,
                )
            self._note = _Note(self._child.pid, started_at(self._child.pid), self._plan.to_json())
            lock.write(json.dumps(asdict(self._note)))
        finally:
            lock.close()

    def _listening(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"simulator: another program uses port {port}; "
                f"remove {self._plan.data_dir / 'sim.json'} to have others chosen"
            ) from error
        return listener

    async def _answering(self) -> None:
        deadline = _now() + self._started_within
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            for name, port in self._plan.ports.items():
                while not await _answers(http, port):
                    if self._is_gone():
                        raise ConfigError(f"the stand-ins ended at once, see {self._output}")
                    if _now() > deadline:
                        raise ConfigError(f"the stand-in for {name} does not answer, see {self._output}")
                    await asyncio.sleep(_POLL_SECONDS)

    async def _watch(self) -> None:
        """Put the stand-ins up again if they die, for as long as it takes."""
        pause = _WATCH_SECONDS
        while True:
            await asyncio.sleep(pause)
            if not self._is_gone():
                pause = _WATCH_SECONDS
                continue
            _log.warning("playground_died", pid=self.pid)
            lock = FileLock(self._lock)
            if lock.try_acquire():
                try:
                    self._spawn(lock)
                    self.adopted = False
                except ConfigError as error:
                    _log.error("playground_does_not_start", error=str(error))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _end(self, note: _Note) -> None:
        """Ask it to end, insist after a while."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(note, number)
            deadline = _now() + _STOP_SECONDS
            while _now() < deadline:
                if self._is_gone(note):
                    return
                await asyncio.sleep(_POLL_SECONDS)
        _log.error("playground_survives", pid=note.pid)

    def _signal(self, note: _Note, number: signal.Signals) -> None:
        if self._child is not None and self._child.pid == note.pid:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)
        elif note.started_at is not None:
            send_signal(note.pid, number, started=note.started_at)

    def _is_gone(self, note: _Note | None = None) -> bool:
        """A child is gone when it was reaped; an adopted one, not ours to reap, when its process is."""
        wanted = note or self._note
        if self._child is not None and wanted is not None and self._child.pid == wanted.pid:
            return self._child.poll() is not None
        return wanted is None or not wanted.is_running()

    def _read_note(self) -> _Note | None:
        try:
            return _Note(**json.loads(self._lock.read_text()))
        except (OSError, ValueError, TypeError):
            return None


async def _answers(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/_calls")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
