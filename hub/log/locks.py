"""File locks that end with the process that holds them, however it ends.

`flock` belongs to the open file, so the kernel gives it back after `kill -9`, and a child that
inherits the descriptor keeps it alone once its parent has closed its own copy.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from hub.errors import AlreadyRunningError

_SETTLE_SECONDS = 0.5


class FileLock:
    """An exclusive lock on a file; the file itself stays and may hold a note about the holder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock; give it to a child to hand the lock on."""
        if self._descriptor is None:
            raise RuntimeError(f"{self.path} is not locked by this object")
        return self._descriptor

    def try_acquire(self) -> bool:
        """Take the lock without waiting."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def close(self) -> None:
        """Close this object's copy; the lock stays with a child that inherited it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def write(self, text: str) -> None:
        """Replace the note in the file."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)


class HubLock:
    """`<data_dir>/hub.lock`: one hub, or one offline command, per data directory.

    Never inherited by a child: it is free as soon as the hub itself is gone.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._lock = FileLock(data_dir / "hub.lock")

    def acquire(self, address: str | None = None) -> None:
        """Take the lock, or raise AlreadyRunningError naming the holder's pid and address."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._lock.try_acquire():
            raise AlreadyRunningError(self._complaint())
        self.announce(address)

    def announce(self, address: str | None) -> None:
        """Write down where this hub answers, for whoever is refused."""
        self._lock.write(json.dumps({"pid": os.getpid(), "address": address}))

    def release(self) -> None:
        """Give the lock back; harmless without one."""
        self._lock.close()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _complaint(self) -> str:
        pid, address = self._holder()
        who = f"pid {pid}" if pid else "pid unknown"
        where = f", {address}" if address else ""
        return f"a hub already works on {self.data_dir} ({who}{where}); stop it first: bookinghub stop"

    def _holder(self) -> tuple[int | None, str | None]:
        """The note of the holder, which may be a moment younger than its lock."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            pid, address = self._note()
            if (pid and _exists(pid)) or time.monotonic() > deadline:
                return pid, address
            time.sleep(0.02)

    def _note(self) -> tuple[int | None, str | None]:
        try:
            note = json.loads(self._lock.path.read_text())
            return int(note["pid"]), note["address"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
