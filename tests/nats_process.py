"""A nats-server of the tests' own, which they may kill: never the embedded one, which restarts itself."""

import json
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

from hub.log import ServerAddress

BINARY = Path(sysconfig.get_path("scripts")) / "nats-server"


class NatsProcess:
    """One server on a port it picks itself, which it keeps over its restarts; fsync before every ack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(url=f"nats://127.0.0.1:{self._port}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "server.conf"
        config.write_text(f'jetstream {{ store_dir: "{self.store}", sync_interval: always }}\n')
        self._process = subprocess.Popen(
            [
                *(BINARY, "--config", config, "--addr", "127.0.0.1", "--port", str(self._port)),
                *("--ports_file_dir", self.folder, "--log", self.folder / "server.log"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._port = self._listening_port()

    def kill(self) -> None:
        """End it as a power cut of the process would: no signal handler runs."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def blocks(self, stream: str) -> list[Path]:
        """The files that hold a stream's messages, oldest first."""
        folder = self.store / "jetstream" / "$G" / "streams" / stream / "msgs"
        return sorted(folder.glob("*.blk"), key=lambda path: int(path.stem))

    def bytes_on_disk(self) -> bytes:
        """Everything the server has written, to be searched."""
        return b"".join(path.read_bytes() for path in self.store.rglob("*") if path.is_file())

    def _listening_port(self) -> int:
        """The server writes its ports down once it lets clients in."""
        assert self._process is not None
        ports = self.folder / f"nats-server_{self._process.pid}.ports"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"nats-server ended: {(self.folder / 'server.log').read_text()[-500:]}")
            try:
                return int(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])
            except (OSError, ValueError, KeyError):
                time.sleep(0.02)
        raise RuntimeError("nats-server did not say where it listens")
