"""An empty store of either kind for one test; on SQLite a copy: migrating takes longer than most tests."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hub.store.database import Database
from hub.store.migrate import migrate
from tests.postgres import fresh_database

DIALECTS = ("sqlite", "postgresql")


def migrated_in(folder: Path) -> Path:
    """A SQLite file with the newest tables, to be copied."""
    file = folder / "migrated.db"
    with closing(Database.open(f"sqlite:///{file}")) as database:
        migrate(database)
    return file


@contextmanager
def empty_store(dialect: str, folder: Path, migrated_file: Path) -> Iterator[str]:
    """The address of a store with the newest tables and no rows; a SQLite file is hub.db in this folder."""
    if dialect == "postgresql":
        with fresh_database() as url:
            yield url
    else:
        yield f"sqlite:///{shutil.copy(migrated_file, folder / 'hub.db')}"
