"""The nats-server child of the embedded default.

Two servers on one store directory both acknowledge and lose each other's messages, so exactly one may
run. The server inherits `<data_dir>/nats/lock` and the hub closes its own copy: while the lock is
held a server lives, whatever became of the hub that spawned it, and the next hub adopts it instead
of starting a second one. See docs/adr/0002-embedded-nats-server.md.
"""

import asyncio
import secrets
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog

from hub.errors import LogUnavailableError
from hub.log.locks import FileLock
from hub.log.probe import probe
from hub.log.processes import command_line, send_signal, started_at
from hub.log.server_binary import check_server_binary, find_server_binary
from hub.log.server_files import ServerAddress, ServerFiles, ServerRecord
from hub.ports import can_listen, free_port

_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.1
_LONGEST_PAUSE = 5.0
_PORT_ATTEMPTS = 8
_STOP_SECONDS = 20.0

_log = structlog.get_logger(__name__)


class PortTakenError(LogUnavailableError):
    """Somebody else listens on the port that was chosen."""


class EmbeddedServer:
    """Starts, adopts, watches and ends the one nats-server of a data directory.

    The caller holds `HubLock` from before `start` until after `stop`. A server that dies is started
    again on the same port until `stop`. `started_within` bounds the recovery of a large store,
    `adopted_within` the patience with a process that holds the lock and does not answer.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binary: Path | None = None,
        started_within: timedelta = timedelta(minutes=10),
        adopted_within: timedelta = timedelta(seconds=30),
    ) -> None:
        self.files = ServerFiles(data_dir.absolute())
        self.adopted = False
        self.restarts = 0
        self._wanted_binary = binary
        self._binary = Path()
        self._started_within = started_within.total_seconds()
        self._adopted_within = adopted_within.total_seconds()
        self._record: ServerRecord | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._to_be_ended = False

    @property
    def address(self) -> ServerAddress:
        """How to reach the server; stays the same over its restarts."""
        if self._record is None:
            raise LogUnavailableError("the embedded nats-server was not started")
        return self._record.address

    @property
    def pid(self) -> int | None:
        """The server's process, while one is known."""
        return self._record.pid if self._record else None

    async def start(self) -> ServerAddress:
        """Start the server, or adopt the one that a killed hub left behind."""
        self._binary = find_server_binary(self._wanted_binary)
        await asyncio.to_thread(check_server_binary, self._binary)
        self.files.prepare()
        lock = FileLock(self.files.lock)
        if await self._adopted_instead_of(lock):
            self.adopted = True
        else:
            await self._launch_somewhere(lock)
        self._watcher = asyncio.create_task(self._watch(), name="nats-server watcher")
        return self.address

    async def stop(self) -> None:
        """End the server, an adopted one too, and wait until it is gone; safe to call twice."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
            self._watcher = None
        if self._record is not None and await self._end():
            self.files.forget()
            self._record = None

    def start_anew(self) -> None:
        """Have a server that runs but does no work ended; it is started again as one that died would be."""
        self._to_be_ended = True

    async def _adopted_instead_of(self, lock: FileLock) -> bool:
        """Either take the lock (False) or find the server that holds it answering (True)."""
        deadline = _now() + self._adopted_within
        while not lock.try_acquire():
            record = self.files.read_record()
            if record is not None and (await probe(record.address)).outcome == "ready":
                pid = self._holder(record)
                if pid is not None:
                    self._record = record.of_process(pid, started_at(pid))
                    self.files.write_record(self._record)
                    _log.info("nats_server_adopted", pid=pid, url=record.url)
                    return True
            if _now() > deadline:
                raise LogUnavailableError(self._silent_holder(record))
            await asyncio.sleep(_POLL_SECONDS)
        self._refuse_unlocked_server(lock)
        return False

    def _holder(self, record: ServerRecord) -> int | None:
        """The process behind a record, proven by its start time or by the configuration it was given."""
        if record.is_running():
            return record.pid
        pid = self.files.read_pid()
        if pid is not None and str(self.files.config) in command_line(pid):
            return pid
        return None

    def _refuse_unlocked_server(self, lock: FileLock) -> None:
        """Somebody removed the lock file under a living server: starting a second one would lose messages."""
        record = self.files.read_record()
        pid = self._holder(record) if record else None
        if pid is not None:
            lock.close()
            raise LogUnavailableError(
                f"nats-server (pid {pid}) runs on {self.files.folder} without its lock; end it: kill {pid}"
            )

    def _silent_holder(self, record: ServerRecord | None) -> str:
        pid = self.files.read_pid() or (record.pid if record else None)
        how = f"end it: kill {pid}" if pid else "end the nats-server that uses it"
        return (
            f"a nats-server holds {self.files.lock} but did not answer within "
            f"{self._adopted_within:.0f} s as {self.files.record} says; {how}"
        )

    async def _launch_somewhere(self, lock: FileLock) -> None:
        """Start on a free port; somebody may take it before the server does, so try several."""
        for remaining in reversed(range(_PORT_ATTEMPTS)):
            record = ServerRecord(
                url=f"nats://127.0.0.1:{free_port()}", user="hub", password=secrets.token_urlsafe(32)
            )
            try:
                await self._launch(record, lock)
            except PortTakenError:
                # The server that found the port taken has ended, so its lock is free again.
                if not remaining or not lock.try_acquire():
                    raise
            else:
                return

    async def _launch(self, record: ServerRecord, lock: FileLock) -> None:
        """Spawn the server with the lock and wait until it answers.

        The record is on disk before the process exists and completed after, so a hub killed in
        between leaves enough to adopt the server.
        """
        try:
            record = record.of_process(None, None)
            self.files.write_config(record)
            self.files.write_record(record)
            self._child = self._spawn(lock.descriptor)
        finally:
            lock.close()
        self._record = record.of_process(self._child.pid, started_at(self._child.pid))
        self.files.write_record(self._record)
        await self._answering(self._record, self._child)

    def _spawn(self, lock_descriptor: int) -> subprocess.Popen[bytes]:
        self.files.pid.unlink(missing_ok=True)
        with self.files.output.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - the package's own binary, see server_binary
                [self._binary, "--config", self.files.config],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock_descriptor,),
                start_new_session=True,
            )

    async def _answering(self, record: ServerRecord, child: subprocess.Popen[bytes]) -> None:
        deadline = _now() + self._started_within
        reported = _now()
        while (await probe(record.address)).outcome != "ready":
            if child.poll() is not None:
                if not can_listen(record.port):
                    raise PortTakenError(f"port {record.port} of 127.0.0.1 is taken")
                raise LogUnavailableError(
                    f"nats-server ended with code {child.returncode}: {self.files.last_words()} "
                    f"(see {self.files.log})"
                )
            if _now() > deadline:
                await self._end()
                raise LogUnavailableError(f"nats-server is not ready, see {self.files.log}")
            if _now() - reported > 10:
                reported = _now()
                _log.info("nats_server_recovering", pid=child.pid)
            await asyncio.sleep(_POLL_SECONDS)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._to_be_ended:
                self._to_be_ended = False
                await self._end()
            if self._is_gone():
                code = self._child.returncode if self._child else None
                _log.warning("nats_server_died", pid=self.pid, exit_code=code)
                await self._restart()

    async def _restart(self) -> None:
        """Bring the server back on its port, the lock first, for as long as it takes."""
        lock = FileLock(self.files.lock)
        pause = _WATCH_SECONDS
        reported = False
        while self._record is not None:
            try:
                if lock.try_acquire():
                    await self._launch(self._record, lock)
                    self.adopted = False
                    self.restarts += 1
                    _log.info("nats_server_restarted", pid=self.pid, url=self._record.url)
                    return
            except (LogUnavailableError, OSError) as error:
                if not reported:
                    _log.error("nats_server_does_not_start", error=str(error))
                    reported = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _end(self) -> bool:
        """Ask the server to end, insist after a while; False if it survived even that."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            deadline = _now() + _STOP_SECONDS
            while _now() < deadline:
                if self._is_gone():
                    return True
                await asyncio.sleep(_POLL_SECONDS)
        _log.error("nats_server_survives", pid=self.pid)
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)
        elif self._record and self._record.pid and self._record.started_at:
            send_signal(self._record.pid, number, started=self._record.started_at)

    def _is_gone(self) -> bool:
        """A child is gone when it was reaped; an adopted one, not ours to reap, when its process is."""
        if self._child is not None:
            return self._child.poll() is not None
        return self._record is None or not self._record.is_running()


def _now() -> float:
    return asyncio.get_running_loop().time()
