"""What the stand-ins of a playground hold, in `<data_dir>/sim.db`: it outlives them and the hub.

A stand-in's state is written before its answer leaves, so a process that is killed has forgotten nothing
anybody was told.
"""

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

FILE_NAME = "sim.db"
_TABLE = "CREATE TABLE IF NOT EXISTS stand_in (type TEXT PRIMARY KEY, kept TEXT NOT NULL) STRICT"
_WRITE = "INSERT INTO stand_in VALUES (?, ?) ON CONFLICT (type) DO UPDATE SET kept = excluded.kept"


class Memory:
    """One text for each stand-in; `with` closes the file."""

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / FILE_NAME
        path.touch(mode=0o600)  # it holds the address of the hub's door, token included
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # What is lost here is a made-up world; a power cut may take its last seconds.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_TABLE)
        self._written: dict[str, str] = {}

    def read(self, type_name: str) -> str | None:
        """What was written last; None if nothing ever was."""
        found = self._database.execute("SELECT kept FROM stand_in WHERE type = ?", (type_name,)).fetchone()
        return None if found is None else str(found[0])

    def write(self, type_name: str, kept: str) -> None:
        """Keep this text; nothing is done if it is the one that was written last."""
        if self._written.get(type_name) != kept:
            self._database.execute(_WRITE, (type_name, kept))
            self._written[type_name] = kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
