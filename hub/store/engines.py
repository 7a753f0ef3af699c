"""The two engines of a store: one that writes, one that only reads."""

import os
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from hub.errors import ConfigError, StoreError

BUSY_SECONDS = 10
CONNECT_SECONDS = 10
FROZEN_SECONDS = 60
"""After so long without a statement PostgreSQL ends a writing transaction: its hub hangs, others wait."""

WRITE_LOCK = 0x626F6F6B696E6768
"""Any number nobody else uses in this database; the first eight bytes of "bookinghub"."""

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
)


def parse_url(url: str) -> URL:
    """The address with the driver the hub uses; ConfigError if it names no store the hub can keep."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "store.url is not a database address; write postgresql://… or sqlite:///…"
        ) from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ConfigError(f"store.url: {parsed.drivername} is not supported; use postgresql or sqlite")
    if driver == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("store.url: SQLite needs a file, for readers and writer have own connections")
    return parsed.set(drivername=driver)


def dialect_of(url: URL) -> Literal["sqlite", "postgresql"]:
    """Which of the two databases the address means."""
    return "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"


def location_of(url: URL) -> str:
    """The address for people: a path, or host and database; never a password."""
    if dialect_of(url) == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or url.username or ''}"


def writer_engine(url: str) -> Engine:
    """The engine of the writer thread; its transactions take the write lock when they begin."""
    parsed = parse_url(url)
    if dialect_of(parsed) == "sqlite":
        _create_private(Path(str(parsed.database)))
        return _sqlite(parsed, pragmas=_PRAGMAS, begin="BEGIN IMMEDIATE", size=1)
    engine = _postgresql(parsed, isolation="READ COMMITTED", options={}, size=1)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{FROZEN_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # Works of two hubs meet at the same rows in any order: without it they end in deadlocks.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")

    return engine


def reader_engine(url: str, *, readers: int) -> Engine:
    """The engine of the readers: each transaction sees one picture of the data and cannot change it."""
    parsed = parse_url(url)
    if dialect_of(parsed) == "sqlite":
        return _sqlite(parsed, pragmas=(*_PRAGMAS, "PRAGMA query_only=ON"), begin="BEGIN", size=readers)
    return _postgresql(
        parsed, isolation="REPEATABLE READ", options={"postgresql_readonly": True}, size=readers
    )


def _create_private(path: Path) -> None:
    """Make the file readable to its owner only, since guests' data lies in it; SQLite's side files follow."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from error


def _sqlite(url: URL, *, pragmas: tuple[str, ...], begin: str, size: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=size,
        max_overflow=-1,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        # The driver's own transaction handling knows neither IMMEDIATE nor SAVEPOINT.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(pragma)
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(
    url: URL, *, isolation: Literal["READ COMMITTED", "REPEATABLE READ"], options: dict[str, Any], size: int
) -> Engine:
    arguments: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_SECONDS
    if "application_name" not in url.query:
        arguments["application_name"] = "bookinghub"
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=size,
        max_overflow=-1,
        isolation_level=isolation,
        execution_options=options,
        connect_args=arguments,
    )
