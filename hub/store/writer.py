"""The one thread that writes.

A commit costs an fsync (SQLite) or a round trip with one (PostgreSQL), whatever is in it. So works
that wait while a commit runs go into the next one together, each in a savepoint of its own: one that
fails undoes only itself. Results are handed out after COMMIT, never before.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from hub.errors import StoreError
from hub.store.failures import database_error_in, is_passing, is_store_failure, store_error

T = TypeVar("T")

WORKS_PER_COMMIT = 200
RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Pauses before a transaction that met a passing error is run again; after the last it is given up."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Session], Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class _TransactionLostError(Exception):
    """The whole transaction is gone, not only one work of it; its cause says why."""


class Writer:
    """Takes works from any thread and commits them in groups."""

    def __init__(
        self, engine: Engine, location: str, *, retry_seconds: Sequence[float] = RETRY_SECONDS
    ) -> None:
        self._engine = engine
        self._location = location
        self._retry_seconds = tuple(retry_seconds)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Session], T]) -> "Future[T]":
        """Queue a work; the future is settled after its commit."""
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(_Job(work, future))
        return future

    def close(self) -> None:
        """Commit what waits and end the thread."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            jobs, ended = self._waiting()
            # From here on a caller's cancellation cannot reach the future any more.
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._settle(jobs)

    def _waiting(self) -> tuple[list[_Job], bool]:
        """Everything queued now, at least one; true if the end was queued too."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) >= WORKS_PER_COMMIT:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs, False
        return jobs, True

    def _settle(self, jobs: Sequence[_Job]) -> None:
        try:
            outcomes = self._commit_with_retries(jobs)
        except BaseException as error:  # noqa: BLE001 - every caller of this commit has to hear of it
            outcomes = [_Outcome(error=error)] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is not None:
                job.future.set_exception(outcome.error)
            else:
                job.future.set_result(outcome.value)

    def _commit_with_retries(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        pauses = list(self._retry_seconds)
        while True:
            try:
                return self._commit(jobs)
            except (DBAPIError, _TransactionLostError) as error:
                cause = database_error_in(error)
                if cause is None:
                    raise StoreError(f"the transaction was lost ({self._location})") from error
                if not (pauses and is_passing(cause)):
                    raise store_error(cause, self._location) from cause
            time.sleep(pauses.pop(0))

    def _commit(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        with self._engine.connect() as connection:
            with connection.begin():
                outcomes = [self._attempt(connection, job) for job in jobs]
            self.commits += 1
        return outcomes

    def _attempt(self, connection: Connection, job: _Job) -> _Outcome:
        # A session per work: none sees objects another one has loaded, and what closes undoes its savepoint.
        try:
            with Session(
                connection, join_transaction_mode="create_savepoint", expire_on_commit=False
            ) as session:
                value = job.work(session)
                if _is_aborted(connection):
                    raise StoreError("a work went on after a database error: nothing of it was written")
                session.commit()
        except BaseException as error:
            cause = database_error_in(error)
            if _is_gone(connection) or (cause is not None and is_passing(cause)):
                raise _TransactionLostError from error
            if error is cause and is_store_failure(cause):
                return _Outcome(error=store_error(cause, self._location))
            return _Outcome(error=error)
        return _Outcome(value=value)


def _is_aborted(connection: Connection) -> bool:
    """Whether PostgreSQL refuses all but a rollback: releasing the savepoint would spoil the other works."""
    driver: Any = connection.connection.driver_connection
    return (
        connection.dialect.name == "postgresql"
        and driver.info.transaction_status == TransactionStatus.INERROR
    )


def _is_gone(connection: Connection) -> bool:
    """Whether the database itself has given the transaction up: SQLite does so on a full disk."""
    if connection.invalidated or connection.closed:
        return True
    driver: Any = connection.connection.driver_connection
    return connection.dialect.name == "sqlite" and not driver.in_transaction
