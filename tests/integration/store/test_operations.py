"""Work that goes on behind an answer: whatever ends it, its row says how and why."""

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.errors import TransientError
from hub.clock import ManualClock
from hub.errors import LogUnavailableError
from hub.operations import Operation, Operations
from hub.store import operations
from hub.store.database import Database
from hub.store.operations import FinalState
from hub.store.tables import OperationRow

NOW = datetime(2026, 10, 21, 12, tzinfo=UTC)


@pytest.fixture
def running(database: Database) -> Operations:
    return Operations(database, ManualClock(NOW))


async def row_of(database: Database, operation_id: str) -> OperationRow:
    row = await database.read(lambda session: operations.get(session, operation_id))
    assert row is not None
    return row


async def test_what_the_work_says_is_added_to_what_was_known(running: Operations, database: Database) -> None:
    async def work(operation: Operation) -> FinalState:
        assert await operation.progress(done=2, failed=1, total=3)
        operation.detail |= {"months": 2}
        return "partly"

    operation_id = await running.begin("backfill", work, total=4, detail={"source": "meetergo"})
    await running.wait()
    row = await row_of(database, operation_id)
    assert (row.kind, row.state, row.done, row.failed, row.total) == ("backfill", "partly", 2, 1, 3)
    assert row.detail == {"source": "meetergo", "months": 2}
    assert row.finished_at == NOW


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TransientError("api.test answered 503"), "api.test answered 503"),
        (LogUnavailableError("NATS does not answer"), "NATS does not answer"),
        (KeyError("ilse@kunde.example"), "unexpected KeyError"),
    ],
    ids=["adapter", "hub", "defect"],
)
async def test_a_failure_keeps_what_was_done_and_quotes_no_guest(
    running: Operations, database: Database, error: Exception, told: str
) -> None:
    async def work(operation: Operation) -> FinalState:
        operation.detail["items"] = ["one"]
        raise error

    ended = await running.run("rebuild", work)
    row = await row_of(database, ended.id)
    assert (row.state, row.detail) == ("failed", {"items": ["one"], "error": told})
    assert ended.detail == row.detail


async def test_what_is_ended_with_the_hub_is_stopped_where_it_is(
    running: Operations, database: Database
) -> None:
    begun = asyncio.Event()

    async def work(operation: Operation) -> FinalState:
        operation.detail["items"] = ["one"]
        begun.set()
        await asyncio.Event().wait()
        return "done"

    operation_id = await running.begin("cancel-range", work)
    await begun.wait()
    await running.stop()
    row = await row_of(database, operation_id)
    assert (row.state, row.detail) == ("stopped", {"items": ["one"]})


async def test_what_another_process_has_ended_is_told_to_stop(
    running: Operations, database: Database, other: Database
) -> None:
    seen: list[bool] = []

    async def work(operation: Operation) -> FinalState:
        seen.append(await operation.progress(done=1))
        await other.write(lambda session: operations.stop_running(session, now=NOW))
        seen.append(await operation.progress(done=2))
        return "done"

    ended = await running.run("apply", work)
    row = await row_of(database, ended.id)
    assert seen == [True, False]
    assert (row.state, row.done) == ("stopped", 1)
