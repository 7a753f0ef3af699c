"""What a database error means: passing, the store's, or the caller's."""

import sqlite3
from typing import Any

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from hub.errors import StoreError

# Serialization, deadlock, lock timeout; connections: refused, shut down, starting up, too many.
_PASSING_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300"}
_CONNECTION_CLASS = "08"
_DISK_FULL_STATE = "53100"


def database_error_in(error: BaseException) -> DBAPIError | None:
    """The database error an exception stands for or comes from; of several, the one that came first."""
    found: DBAPIError | None = None
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, DBAPIError):
            found = link
        link = link.__cause__ or link.__context__
    return found


def is_passing(error: DBAPIError) -> bool:
    """Whether the same transaction, run again, may succeed; on SQLite busy_timeout has waited already."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = _state(error)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return error.connection_invalidated or state in _PASSING_STATES or state.startswith(_CONNECTION_CLASS)


def is_store_failure(error: DBAPIError) -> bool:
    """Whether the database failed, rather than refused what it was told (a constraint, a wrong statement)."""
    kinds = (OperationalError, InterfaceError)
    # SQLite reports a damaged file by the base class itself.
    return isinstance(error, kinds) or type(error) is DatabaseError or error.connection_invalidated


def store_error(error: DBAPIError, location: str) -> StoreError:
    """One readable line; neither statement nor values, which may be a guest's."""
    if _is_disk_full(error):
        return StoreError(
            f"the disk of the store is full ({location}); free space, nothing of this change was written"
        )
    if _sqlite_code(error) == sqlite3.SQLITE_BUSY:
        return StoreError(f"the store is locked by another program ({location})")
    first_line = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
    return StoreError(f"the store failed ({location}): {first_line}")


def _is_disk_full(error: DBAPIError) -> bool:
    return _sqlite_code(error) == sqlite3.SQLITE_FULL or _state(error) == _DISK_FULL_STATE


def _state(error: DBAPIError) -> str | None:
    state: Any = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _sqlite_code(error: DBAPIError) -> int | None:
    """The primary code; extended ones carry it in their lowest byte."""
    code: Any = getattr(error.orig, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
