"""Secrets the hub makes for itself: `${generated:NAME}`, kept in `<data_dir>/secrets.json`.

Nothing is written before the whole configuration has been found usable and the hub really starts.
"""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.settings.nodes import Place

FILE_NAME = "secrets.json"
_BYTES = 24


class UnreadableSecretsError(Exception):
    """The file exists but does not hold a JSON object of texts, or may not be read."""


def _secret() -> str:
    return secrets.token_urlsafe(_BYTES)


class GeneratedSecrets:
    """Hands out the stored secrets and remembers those made now; `keep` stores them.

    The same goes for other texts that are made once, with a file and a `make` of their own.
    """

    def __init__(
        self, data_dir: Path | None, *, file_name: str = FILE_NAME, make: Callable[[], str] = _secret
    ) -> None:
        self.file = data_dir / file_name if data_dir else None
        self._make = make
        self._stored: Mapping[str, str] | None = None
        self._made: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The secret of this name, made if there is none; raises UnreadableSecretsError."""
        if self._stored is None:
            self._stored = _read(self.file) if self.file else {}
        if name in self._stored:
            return self._stored[name]
        if name not in self._made:
            self._made[name] = self._make()
        return self._made[name]

    def keep(self) -> bool:
        """Store what was made; False if another process had stored one of them first: read all again."""
        if not self._made or self.file is None:
            return True
        folder = self.file.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stored = _read(self.file)
            first = not any(name in stored for name in self._made)
            _write(self.file, {**self._made, **stored})
        finally:
            os.close(lock)
        return first

    def place(self) -> Place | None:
        return Place(str(self.file), 1, 1) if self.file else None


def _read(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableSecretsError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableSecretsError(f"{file} is not JSON; put the right one back or remove it") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise UnreadableSecretsError(f"{file} does not hold a JSON object of texts")
    return content


def _write(file: Path, content: Mapping[str, str]) -> None:
    """Replaces the file in one step; it is private from its first byte on."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".secrets-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2, sort_keys=True)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
