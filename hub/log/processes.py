"""Telling one process from another that got the same number later."""

import os
import signal
import subprocess
from pathlib import Path

_STARTED_FIELD = 22


def started_at(pid: int) -> str | None:
    """When this process started, as text that equals only itself; None if there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The command in parentheses may hold spaces; the counted fields come after it, from the third.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[_STARTED_FIELD - 3]
    return _ask_ps(pid, "lstart=")


def command_line(pid: int) -> str:
    """The command this process runs, empty if there is none."""
    path = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _ask_ps(pid, "command=") or ""


def send_signal(pid: int, number: signal.Signals, *, started: str) -> bool:
    """Signal the process that started then; False if it is gone."""
    if started_at(pid) != started:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _ask_ps(pid: int, column: str) -> str | None:
    answer = subprocess.run(  # noqa: S603 - a fixed command and a number
        ["/bin/ps", "-p", str(pid), "-o", column], capture_output=True, text=True, check=False
    ).stdout.strip()
    return answer or None
