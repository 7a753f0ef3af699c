"""Whether a source's API is called, and by which answer that changes."""

import asyncio
from datetime import timedelta

import pytest

from adapters.errors import AdapterError, AuthError, RefusalError, TransientError
from hub.errors import StoreError
from hub.ingest.source_states import SourceStates
from hub.ingest.watched import WatchedProvider
from hub.store import sources
from hub.store.database import Database
from hub.store.tables import SourceRow
from hub.telemetry import Metrics
from tests.factories import NOON
from tests.fake_provider import FakeProvider
from tests.integration.ingest.column import until

SOURCE = "meetergo"
REFUSED = AuthError("user: api.test answered 401")


@pytest.fixture
def states(database: Database) -> SourceStates:
    database.write_now(lambda session: sources.see(session, SOURCE, type="meetergo", now=NOON) and None)
    return SourceStates(
        database, metrics=Metrics(version="test", sources=[SOURCE]), probed_every=timedelta(milliseconds=20)
    )


def row(database: Database) -> SourceRow:
    found = database.read_now(lambda session: sources.get(session, SOURCE))
    assert found is not None
    return found


async def test_refused_credentials_halt_the_source_with_the_reason(
    states: SourceStates, database: Database
) -> None:
    assert await states.halted() == frozenset()
    await states.heard(SOURCE, REFUSED)
    assert await states.halted() == {SOURCE}
    assert (row(database).state, row(database).reason) == ("auth_failed", str(REFUSED))


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        pytest.param(None, "running", id="an answer"),
        pytest.param(RefusalError("appointment: 404"), "running", id="a refusal knows the key"),
        pytest.param(TransientError("appointment: 503"), "auth_failed", id="an outage says nothing"),
        pytest.param(REFUSED, "auth_failed", id="refused again"),
    ],
)
async def test_what_ends_the_pause(
    states: SourceStates, database: Database, answer: AdapterError | None, state: str
) -> None:
    await states.heard(SOURCE, REFUSED)
    await states.heard(SOURCE, answer)
    assert row(database).state == state


async def test_another_hub_of_the_store_ends_the_pause_for_all(
    states: SourceStates, database: Database
) -> None:
    await states.heard(SOURCE, REFUSED)
    other = SourceStates(database, metrics=Metrics(version="test", sources=[SOURCE]))
    assert await other.halted() == {SOURCE}
    await other.heard(SOURCE, None)
    assert await states.halted() == frozenset()


async def test_no_answer_ends_the_pause_of_a_person(states: SourceStates, database: Database) -> None:
    database.write_now(
        lambda session: sources.set_state(session, SOURCE, state="paused", reason="a new key") and None
    )
    await states.halted()
    for answer in (None, REFUSED):
        await states.heard(SOURCE, answer)
    assert (row(database).state, row(database).reason) == ("paused", "a new key")


async def test_credentials_are_tried_again_until_they_are_accepted(
    states: SourceStates, database: Database
) -> None:
    ends: list[AdapterError | None] = []

    async def heard(error: AdapterError | None) -> None:
        ends.append(error)
        await states.heard(SOURCE, error)

    provider = FakeProvider()
    provider.failure = REFUSED
    await states.heard(SOURCE, REFUSED)
    probing = asyncio.create_task(states.probe_for_ever({SOURCE: WatchedProvider(provider, heard)}))

    async def tried_twice() -> bool:
        return len(ends) >= 2

    await until(tried_twice)
    assert await states.halted() == {SOURCE}
    provider.failure = None

    async def is_running() -> bool:
        return row(database).state == "running"

    await until(is_running)
    probing.cancel()
    assert (ends[0], ends[-1]) == (REFUSED, None)


async def test_a_store_that_is_away_takes_nobody_the_answer(
    states: SourceStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(states._database, "write", away)
    await states.heard(SOURCE, REFUSED)
