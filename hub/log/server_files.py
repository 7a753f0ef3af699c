"""What the embedded server keeps in the data directory beside its streams.

`nats.json` tells the next hub how to reach a server that outlived this one; the configuration file
tells the server where to listen and whom to let in. Both hold the password, so only the owner may
read them, and both are replaced as a whole: a kill leaves the old content or the new one.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from hub.log.processes import started_at

_TRIAL_BYTES = 1 << 20
_TRIAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a NATS server answers and as whom to talk to it.

    `url` may name several servers, separated by commas. `credentials` is a `.creds` file and goes
    without user and password.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    credentials: Path | None = None


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The content of `nats.json`; without a pid it was written before the server was spawned."""

    url: str
    user: str
    password: str = field(repr=False)
    pid: int | None = None
    started_at: str | None = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(url=self.url, user=self.user, password=self.password)

    def of_process(self, pid: int | None, started: str | None) -> "ServerRecord":
        """The same server with its process, or without while there is none."""
        return replace(self, pid=pid, started_at=started)

    def is_running(self) -> bool:
        """Whether the recorded process itself still lives, not another one with its number."""
        return (
            self.pid is not None and self.started_at is not None and started_at(self.pid) == self.started_at
        )


class ServerFiles:
    """The files of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.record = data_dir / "nats.json"
        self.folder = data_dir / "nats"
        self.lock = self.folder / "lock"
        self.config = self.folder / "server.conf"
        self.pid = self.folder / "server.pid"
        self.log = self.folder / "server.log"
        self.output = self.folder / "server.out"

    def prepare(self) -> None:
        """Make the folders, readable by the owner only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read_record(self) -> ServerRecord | None:
        """What the last hub wrote down; None if it is missing or was never completed."""
        try:
            return ServerRecord(**json.loads(self.record.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write_record(self, record: ServerRecord) -> None:
        """Replace `nats.json`, on disk when this returns."""
        _replace(self.record, json.dumps(asdict(record)))

    def write_config(self, record: ServerRecord) -> None:
        """Write the server's configuration: loopback only, one user, every message on disk before its ack."""
        _replace(
            self.config,
            "\n".join(
                (
                    f"listen: {_quoted(f'127.0.0.1:{record.port}')}",
                    'server_name: "bookinghub"',
                    f"pid_file: {_quoted(self.pid)}",
                    f"log_file: {_quoted(self.log)}",
                    "logfile_size_limit: 8388608",
                    "logfile_max_num: 3",
                    f"authorization {{ user: {_quoted(record.user)}, password: {_quoted(record.password)} }}",
                    f"jetstream {{ store_dir: {_quoted(self.folder)}, sync_interval: always }}",
                    "",
                )
            ),
        )

    def read_pid(self) -> int | None:
        """The process that the server itself says it is."""
        try:
            return int(self.pid.read_text())
        except (OSError, ValueError):
            return None

    def last_words(self) -> str:
        """The newest line the server left, to explain why it ended."""
        for path in (self.output, self.log):
            try:
                lines = path.read_text(errors="replace").strip().splitlines()
            except OSError:
                continue
            if lines:
                return lines[-1].strip()
        return "it left no message"

    def take_a_trial_write(self) -> bool:
        """Whether the disk has room and is quick enough for writes; a slow one needs patience, no restart."""
        trial = self.folder / "trial"
        began = time.monotonic()
        try:
            with trial.open("wb") as file:
                file.write(bytes(_TRIAL_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return False
        finally:
            trial.unlink(missing_ok=True)
        return time.monotonic() - began < _TRIAL_SECONDS

    def forget(self) -> None:
        """Remove what holds the password, once the server is gone."""
        for path in (self.record, self.config, self.pid):
            path.unlink(missing_ok=True)


def _quoted(value: Path | str) -> str:
    """A string of the server's configuration language."""
    return json.dumps(str(value), ensure_ascii=False)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
