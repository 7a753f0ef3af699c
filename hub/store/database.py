"""One SQL database, SQLite or PostgreSQL, behind one interface.

All writing goes through one thread, so SQLite never meets two writers of this process, and works
that wait at the same moment share one commit (docs/adr/0004). Readers have connections of their own.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from hub.errors import StoreError
from hub.store.engines import dialect_of, location_of, reader_engine, writer_engine
from hub.store.failures import is_passing, is_store_failure, store_error
from hub.store.writer import Writer

T = TypeVar("T")

Work = Callable[[Session], T]

READ_TRIES = 3


class Database:
    """Runs works: plain functions of a session, which neither commit nor keep the session.

    Rows a work returns stay readable after it. A work may run more than once (a deadlock, a lost
    connection, even one lost in the middle of COMMIT), so that running it twice has to equal running
    it once: insert-or-ignore and compare-and-set, not counting up.
    """

    def __init__(self, writing: Engine, reading: Engine, *, readers: int) -> None:
        self.dialect: Literal["sqlite", "postgresql"] = dialect_of(writing.url)
        self.location = location_of(writing.url)
        self.write_engine = writing
        self._reading = reading
        self._writer = Writer(writing, self.location)
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._closing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, url: str, *, readers: int = 4) -> "Database":
        """Connect, or raise StoreError; ConfigError if the address cannot be one of a store."""
        writing = writer_engine(url)
        try:
            with writing.connect():
                pass
        except DBAPIError as error:
            writing.dispose()
            raise store_error(error, location_of(writing.url)) from error
        return cls(writing, reader_engine(url, readers=readers), readers=readers)

    @property
    def commits(self) -> int:
        """How many transactions the writer has committed."""
        return self._writer.commits

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction and return once it is committed; an exception undoes this work only.

        A caller who is cancelled does not know whether the work was written. Raises StoreError if the
        database failed; whatever else the work raised comes through unchanged.
        """
        return await asyncio.wrap_future(self._writer.submit(work))

    def write_now(self, work: Work[T]) -> T:
        """The same for code without an event loop; blocks."""
        return self._writer.submit(work).result()

    async def read(self, work: Work[T]) -> T:
        """Run the work on one unchanging picture of the database; writing in it is an error."""
        if self._closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read_now, work)

    def read_now(self, work: Work[T]) -> T:
        """The same in the calling thread; blocks."""
        for tries_left in reversed(range(READ_TRIES)):
            try:
                with (
                    self._reading.connect() as connection,
                    Session(connection, expire_on_commit=False) as session,
                ):
                    return work(session)
            except DBAPIError as error:
                if tries_left and is_passing(error):
                    continue
                if is_store_failure(error):
                    raise store_error(error, self.location) from error
                raise
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Finish the works that wait, then disconnect; safe to call twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._writer.close()
        self._pool.shutdown(wait=True)
        self._reading.dispose()
        self.write_engine.dispose()
