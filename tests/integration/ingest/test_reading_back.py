"""`verify: fetch`: a webhook says that something happened, the provider says what."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from adapters.api import Reading
from adapters.errors import AuthError, RefusalError, TransientError
from adapters.provider import Priority
from events import BookingSnapshot
from hub.ingest.verdicts import MANY
from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.store import sources, unconfirmed
from hub.store.database import Database
from hub.store.tables import DirtyRow, InboxRow, QuarantineRow
from tests.factories import snapshot
from tests.fake_provider import FakeProvider
from tests.integration.ingest.column import NOW, SOURCE, Column, sample, until

CREATED: dict[str, Any] = json.loads(sample("booking_created.flat"))
MOVED: dict[str, Any] = json.loads(sample("booking_rescheduled.flat"))
CANCELLED: dict[str, Any] = json.loads(sample("booking_cancelled.flat"))
BOOKING = CREATED["id"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def row(provider_id: str = BOOKING, **members: Any) -> BookingSnapshot:
    """The sample's booking as the API shows it, in milliseconds."""
    version = moment(CREATED["updatedAt"]).replace(microsecond=500_000)
    known: dict[str, Any] = {
        "origin": "api",
        "provider_id": provider_id,
        "start": moment(CREATED["start"]),
        "version": version,
        "version_precision": 3,
    }
    return snapshot(**(known | members))


def moved_row(**members: Any) -> BookingSnapshot:
    appointment = MOVED.get("rescheduledAppointment", MOVED)
    return row(
        start=moment(appointment["start"]),
        rescheduled_at=moment(appointment["rescheduledAt"]),
        version=moment(appointment["updatedAt"]),
        **members,
    )


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
async def column(
    connection: LogConnection,
    inbox_log: InboxLog,
    event_log: EventLog,
    privacy: Privacy,
    database: Database,
    provider: FakeProvider,
) -> AsyncIterator[Column]:
    """A running column that reads bookings back."""
    built = Column.build(connection, inbox_log, event_log, privacy, database, provider=provider)
    await built.start()
    yield built
    await built.stop()


async def marks(column: Column) -> list[DirtyRow]:
    return await column.database.read(lambda session: list(session.exec(select(DirtyRow))))


async def hints(column: Column) -> list[tuple[str, str]]:
    def kept(session: Session) -> list[tuple[str, str]]:
        return [(row.provider_id, row.detail) for row in unconfirmed.every(session)]

    return await column.database.read(kept)


async def attempted(column: Column, times: int) -> None:
    """Return once every mark there is has had so many attempts."""

    async def done() -> bool:
        found = await marks(column)
        return bool(found) and all(row.attempts == times for row in found)

    await until(done)


async def pass_repeats(column: Column) -> None:
    """Let an answer that shows too little be asked for as often as it is."""
    for times, pause in enumerate((2, 10, 60), 1):
        await attempted(column, times)
        column.clock.advance(timedelta(seconds=pause))
        column.verification.wake()
    await column.settled()


async def test_what_the_provider_shows_becomes_facts_and_not_what_the_payload_says(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows[BOOKING] = row(title="As the provider shows it")
    answer = await column.send(CREATED)
    await column.settled()
    (created,) = await column.events()
    assert created.booking is not None
    assert created.booking.title == "As the provider shows it"
    assert (created.provenance, created.causation_id) == ("webhook", answer.json["receipt"])
    assert [provider_id for provider_id, _ in provider.fetched] == [BOOKING]


async def test_a_redelivery_is_looked_at_and_changes_nothing(column: Column, provider: FakeProvider) -> None:
    provider.shows[BOOKING] = row()
    first = await column.send(CREATED)
    await column.settled()
    again = await column.send(CREATED)
    await column.settled()
    assert again.json["status"] == "duplicate"
    assert len(provider.fetched) == 2
    (created,) = await column.events()
    assert created.causation_id == first.json["receipt"]


async def test_waiting_webhooks_of_a_booking_are_one_fetch(column: Column, provider: FakeProvider) -> None:
    await column.rest()
    provider.shows[BOOKING] = moved_row()
    for body in (CREATED, MOVED, CREATED, MOVED):
        await column.send(body)

    async def all_marked() -> bool:
        return await column.dirty() == 4

    await until(all_marked)
    column.work()
    await column.settled()
    assert len(provider.fetched) == 1
    assert await column.facts() == ["BookingCreated", "BookingRescheduled"]


async def test_a_fetch_clears_only_marks_from_before_it_began(
    column: Column, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.shows[BOOKING] = row()
    fetch, asked, answered = provider.fetch, asyncio.Event(), asyncio.Event()

    async def slow(provider_id: str, *, host: str | None, priority: Priority) -> Reading | None:
        reading = await fetch(provider_id, host=host, priority=priority)
        asked.set()
        await answered.wait()
        return reading

    monkeypatch.setattr(provider, "fetch", slow)
    await column.send(CREATED)
    await asked.wait()
    provider.shows[BOOKING] = moved_row()
    second = await column.send(MOVED)

    async def second_marked() -> bool:
        return second.json["receipt"] in {mark.receipt_id for mark in await marks(column)}

    await until(second_marked)
    answered.set()
    await column.settled()
    assert len(provider.fetched) == 2
    assert await column.facts() == ["BookingCreated", "BookingRescheduled"]


async def test_a_lagging_replica_is_asked_again_until_it_has_caught_up(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows[BOOKING] = row()
    await column.send(CREATED)
    await column.settled()
    await column.send(MOVED)
    await attempted(column, 1)
    assert [mark.last_error for mark in await marks(column)] == ["older than the webhook"]
    provider.shows[BOOKING] = moved_row()
    column.clock.advance(timedelta(seconds=2))
    column.verification.wake()
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingRescheduled"]
    assert await hints(column) == []


async def test_what_the_provider_never_confirms_is_kept_as_a_hint(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows[BOOKING] = row()
    await column.send(CANCELLED)
    await pass_repeats(column)
    assert len(provider.fetched) == 4
    assert await column.facts() == ["BookingCreated"]
    assert await hints(column) == [(BOOKING, "active where the webhook says cancelled")]
    provider.shows[BOOKING] = row(cancelled=True, version=moment(CANCELLED["updatedAt"]))
    await column.send(CANCELLED)
    await column.settled()
    assert (await column.facts())[-1] == "BookingCancelled"
    assert await hints(column) == []


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param(None, "the provider has no such booking", id="not there"),
        pytest.param(
            RefusalError("appointment: 403", code="forbidden"), "appointment: 403", id="not allowed"
        ),
    ],
)
async def test_what_the_provider_does_not_show_goes_into_quarantine(
    column: Column, provider: FakeProvider, shown: RefusalError | None, reason: str
) -> None:
    if shown is not None:
        provider.shows[BOOKING] = shown
    answer = await column.send(CREATED)
    await pass_repeats(column)
    assert await column.facts() == []
    body, listed = await column.database.read(
        lambda session: (
            session.get_one(QuarantineRow, answer.json["receipt"]),
            session.get_one(InboxRow, answer.json["receipt"]),
        )
    )
    assert (body.state, body.reason) == ("waiting", reason)
    assert (listed.status, listed.reason) == ("quarantined", reason)
    provider.shows[BOOKING] = row()
    await column.reprocessor.reprocess(answer.json["receipt"])
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_equal_seconds_are_decided_by_what_the_provider_shows(
    column: Column, provider: FakeProvider
) -> None:
    """Two webhooks of one second, the API in milliseconds: its content counts, whatever came last."""
    second = moment(CREATED["updatedAt"]).replace(microsecond=0)
    provider.shows[BOOKING] = row(version=second + timedelta(milliseconds=100), notes="first")
    await column.send(CREATED | {"updatedAt": second.isoformat()})
    await column.settled()
    provider.shows[BOOKING] = row(version=second + timedelta(milliseconds=900), notes="second")
    await column.send(CREATED | {"updatedAt": second.isoformat(), "notes": "third"})
    await column.settled()
    newest = (await column.events())[-1]
    assert newest.booking is not None
    assert (newest.type, newest.booking.notes) == ("BookingDetailsChanged", "second")


async def test_a_payload_nobody_could_trust_is_fetched(column: Column, provider: FakeProvider) -> None:
    provider.shows[BOOKING] = row()
    far = (NOW + timedelta(days=3)).isoformat()
    assert (await column.send(CREATED | {"updatedAt": far})).json["status"] == "accepted"
    times = ("updatedAt", "createdAt", "rescheduledAt")
    bare = {name: value for name, value in CREATED.items() if name not in times}
    assert (await column.send(bare)).json["status"] == "accepted"
    await column.settled()
    (created,) = await column.events()
    assert created.booking is not None
    assert created.booking.version == row().version
    assert await hints(column) == []


async def test_refused_credentials_pause_the_source_and_keep_the_marks(
    column: Column, provider: FakeProvider
) -> None:
    provider.failure = AuthError("appointment: api.test answered 401")
    await column.send(CREATED)
    await until(lambda: is_in_state(column, "auth_failed"))
    column.clock.advance(timedelta(hours=1))
    await column.send(MOVED)

    async def both_wait() -> bool:
        return await column.dirty() == 2

    await until(both_wait)
    assert [(mark.attempts, mark.last_error) for mark in await marks(column)] == [(0, None)] * 2
    row_of_source = await column.database.read(lambda session: sources.get(session, SOURCE))
    assert row_of_source is not None
    assert row_of_source.reason == "appointment: api.test answered 401"
    calls = column.metrics.source_calls.labels(SOURCE, "auth")._value.get()
    provider.shows[BOOKING] = moved_row()
    provider.failure = None
    probing = asyncio.create_task(column.states.probe_for_ever(column.providers))
    await column.settled()
    probing.cancel()
    assert calls == 1
    assert await is_in_state(column, "running")
    assert await column.facts() == ["BookingCreated", "BookingRescheduled"]


async def is_in_state(column: Column, state: str) -> bool:
    found = await column.database.read(lambda session: sources.get(session, SOURCE))
    return found is not None and found.state == state


async def test_nothing_is_fetched_while_a_person_has_paused_the_source(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows[BOOKING] = row()
    await column.database.write(
        lambda session: sources.set_state(session, SOURCE, state="paused", reason="paused by admin")
    )
    await column.send(CREATED)

    async def waits() -> bool:
        return await column.dirty() == 1

    await until(waits)
    await column.states.heard(SOURCE, None)
    await column.states.heard(SOURCE, AuthError("account: 401"))
    assert await is_in_state(column, "paused")
    assert provider.fetched == []
    await column.database.write(
        lambda session: sources.set_state(session, SOURCE, state="running", reason=None)
    )
    column.verification.wake()
    await column.settled()
    assert await column.facts() == ["BookingCreated"]


async def test_an_outage_counts_no_attempt_and_holds_up_no_other_booking(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows["bad"] = TransientError("appointment: 500")
    provider.shows[BOOKING] = row()
    await column.send(CREATED | {"id": "bad"})
    await column.send(CREATED)

    async def only_the_bad_one_waits() -> bool:
        found = [(mark.provider_id, mark.last_error) for mark in await marks(column)]
        return await column.facts() == ["BookingCreated"] and found == [("bad", "appointment: 500")]

    await until(only_the_bad_one_waits)
    (waiting,) = await marks(column)
    assert waiting.attempts == 0
    assert waiting.due_at > column.clock.now()
    provider.shows["bad"] = row("bad")
    column.clock.advance(timedelta(minutes=6))
    column.verification.wake()
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingCreated"]


async def test_a_booking_that_fails_for_a_day_while_others_do_not_is_left_to_a_person(
    column: Column, provider: FakeProvider
) -> None:
    provider.shows["bad"] = TransientError("appointment: 500")
    answer = await column.send(CREATED | {"id": "bad"})
    column.clock.advance(timedelta(days=1, minutes=1))
    column.verification.wake()

    async def is_asked_for_again() -> bool:
        found = await marks(column)
        return bool(found) and found[0].due_at > column.clock.now()

    await until(is_asked_for_again)
    provider.shows[BOOKING] = row()
    await column.send(CREATED)

    async def the_other_is_read() -> bool:
        return bool(await column.facts()) and [mark.provider_id for mark in await marks(column)] == ["bad"]

    await until(the_other_is_read)
    column.clock.advance(timedelta(minutes=10))
    column.verification.wake()
    await column.settled()
    body = await column.database.read(lambda session: session.get_one(QuarantineRow, answer.json["receipt"]))
    assert body.reason == "appointment: 500"


async def marked(column: Column, names: list[str], *, start: Callable[[int], datetime]) -> None:
    """Webhooks of so many bookings, none of them worked yet."""
    await column.rest()
    for number, name in enumerate(names):
        begin = start(number)
        times = {"start": begin.isoformat(), "end": (begin + timedelta(minutes=45)).isoformat()}
        await column.send(CREATED | {"id": name} | times)

    async def all_wait() -> bool:
        return await column.dirty() == len(names)

    await until(all_wait)


async def test_many_dirty_bookings_are_read_by_lists_and_the_rest_by_id(
    column: Column, provider: FakeProvider
) -> None:
    names = [f"b{number:02d}" for number in range(2 * MANY)]

    def start(number: int) -> datetime:
        return moment(CREATED["start"]) + timedelta(hours=number)

    await marked(column, names, start=start)
    for number, name in enumerate(names):
        provider.shows[name] = row(name, start=start(number))
    provider.shows["b03"] = row("b03", start=start(3) + timedelta(days=400))
    column.work()
    await column.settled()
    assert (provider.pages, [name for name, _ in provider.fetched]) == (1, ["b03"])
    assert (await column.facts()).count("BookingCreated") == len(names)
    assert {envelope.provenance for envelope in await column.events()} == {"webhook"}
    moved = [envelope for envelope in await column.events() if envelope.provider_id == "b03"]
    assert moved[0].causation_id is not None
    assert len({envelope.causation_id for envelope in await column.events()}) == len(names)


async def test_refused_credentials_stop_a_list_and_every_mark_stays(
    column: Column, provider: FakeProvider
) -> None:
    names = [f"b{number:02d}" for number in range(2 * MANY)]
    await marked(column, names, start=lambda _: moment(CREATED["start"]))
    provider.failure = AuthError("appointments: 401")
    column.work()
    await until(lambda: is_in_state(column, "auth_failed"))
    assert len(await marks(column)) == len(names)
    assert all(mark.attempts == 0 for mark in await marks(column))
