"""Appending with an expected version, and reading back."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import ConcurrencyError, FactConflictError, GapError, LogError, LogUnavailableError
from hub.log import EventLog, LogConnection
from hub.log.publish import Message, store
from hub.log.subjects import event_subject, stream_name
from tests.factories import at, attendee, history, snapshot
from tests.integration.log.samples import moves, new

B1 = ("meetergo", "b1")


async def test_appended_events_come_back_as_they_were(event_log: EventLog) -> None:
    batch = moves("b1", 3)
    appended = await event_log.append(batch, expected={B1: 0})
    assert (appended.first_position, appended.last_position) == (1, 3)

    read = await event_log.read(0, 100)
    assert [envelope.event for envelope in read] == [envelope.event for envelope in batch]
    assert [envelope.event_id for envelope in read] == [envelope.event_id for envelope in batch]
    assert [envelope.position for envelope in read] == [1, 2, 3]
    assert all(
        envelope.recorded_at is not None
        and abs(envelope.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
        for envelope in read
    )
    assert await event_log.history(*B1) == read
    assert await event_log.head(*B1) == (read[-1], 3)
    assert await event_log.at(2) == read[1]
    assert await event_log.event_id_at(2) == batch[1].event_id


async def test_an_empty_history_has_version_zero(event_log: EventLog) -> None:
    assert await event_log.head(*B1) == (None, 0)
    assert await event_log.history(*B1) == []
    assert await event_log.read(0, 10) == []
    assert await event_log.at(1) is None
    assert await event_log.at(0) is None
    assert await event_log.event_id_at(1) is None


async def test_a_stale_version_is_refused_and_nothing_is_stored(event_log: EventLog) -> None:
    first, second, third = moves("b1", 3)
    await event_log.append([first], expected={B1: 0})
    with pytest.raises(ConcurrencyError):
        await event_log.append([second, third], expected={B1: 0})
    with pytest.raises(ConcurrencyError):
        await event_log.append([second], expected={B1: 0})
    assert (await event_log.state()).last == 1


async def test_exactly_one_of_many_writers_wins(event_log: EventLog) -> None:
    for round_number in range(12):
        provider_id = f"race-{round_number}"
        expected = {("meetergo", provider_id): 0}
        writers = []
        for writer in range(8):
            people = (attendee(f"w{writer}"),)
            facts = history(
                snapshot(provider_id=provider_id, attendees=people),
                snapshot(
                    provider_id=provider_id,
                    attendees=people,
                    title="changed",
                    version=at(1),
                    updated_at=at(1),
                ),
            )
            batch = new(facts)
            writers.append(event_log.append(batch[: 1 + writer % 2], expected=expected))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert len(winners) == 1
        assert all(isinstance(loser, ConcurrencyError) for loser in losers), losers
        stored = await event_log.history("meetergo", provider_id)
        assert len(stored) == winners[0].last_position - winners[0].first_position + 1


async def test_two_histories_are_written_together_or_not_at_all(event_log: EventLog) -> None:
    old, moved = moves("old", 2)
    (fresh,) = moves("fresh", 1)
    await event_log.append([old], expected={("meetergo", "old"): 0})
    with pytest.raises(ConcurrencyError):
        await event_log.append([fresh, moved], expected={("meetergo", "fresh"): 0, ("meetergo", "old"): 0})
    assert await event_log.head("meetergo", "fresh") == (None, 0)
    await event_log.append([fresh, moved], expected={("meetergo", "fresh"): 0, ("meetergo", "old"): 1})
    assert (await event_log.head("meetergo", "old"))[1] == 3


async def test_a_retry_after_a_lost_answer_ends_in_nothing(event_log: EventLog) -> None:
    batch = moves("b1", 2)
    await event_log.append(batch, expected={B1: 0})
    # The answer was lost: the writer tries the same again, and the stale version outranks the duplicate.
    with pytest.raises(ConcurrencyError):
        await event_log.append(batch, expected={B1: 0})
    head, version = await event_log.head(*B1)
    assert head is not None
    assert (head.event_id, version) == (batch[-1].event_id, 2)
    assert (await event_log.state()).events == 2


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a batch"])
async def test_a_known_fact_with_a_fresh_version_is_a_conflict(event_log: EventLog, count: int) -> None:
    batch = moves("b1", 3)
    await event_log.append(batch[:1], expected={B1: 0})
    with pytest.raises(FactConflictError):
        await event_log.append([*batch[1:count], batch[0]], expected={B1: 1})
    assert (await event_log.state()).last == 1


async def test_a_fact_twice_in_one_batch_is_a_conflict(event_log: EventLog) -> None:
    batch = moves("b1", 2)
    with pytest.raises(FactConflictError):
        await event_log.append([batch[0], batch[1], batch[1]], expected={B1: 0})
    assert (await event_log.state()).last == 0


async def test_every_history_of_a_batch_needs_its_version(event_log: EventLog) -> None:
    with pytest.raises(ValueError, match="no expected version"):
        await event_log.append(moves("b1", 1), expected={})
    with pytest.raises(ValueError, match="without an event"):
        await event_log.append(moves("b1", 1), expected={B1: 0, ("meetergo", "b2"): 0})


async def test_a_batch_over_the_limit_is_refused_not_split(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    stream = stream_name(prefix, "events")
    many = [
        Message(event_subject(prefix, "meetergo", "b1", "T", str(number)), b"{}") for number in range(1001)
    ]
    with pytest.raises(LogError, match="1001 messages"):
        await store(connection, stream, many)
    assert (await event_log.state()).last == 0
    assert await store(connection, stream, many[:1000]) == 1000


async def test_a_message_over_the_limit_is_refused_and_the_connection_stays(
    event_log: EventLog, connection: LogConnection
) -> None:
    facts = history(snapshot(metadata={"blob": "x" * connection.max_message_bytes}))
    with pytest.raises(LogError, match="larger than"):
        await event_log.append(new(facts), expected={B1: 0})
    assert connection.is_connected
    assert connection.reconnects == 0


async def test_a_stream_that_is_gone_is_an_error_not_silence(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'events')}")
    with pytest.raises(LogUnavailableError):
        await event_log.append(moves("b1", 1), expected={B1: 0})
    with pytest.raises(LogUnavailableError):
        await event_log.append(moves("b1", 2), expected={B1: 0})
    with pytest.raises(LogUnavailableError):
        await event_log.read(0, 10)


async def test_a_missing_position_stops_the_reader(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    stream = stream_name(prefix, "events")
    await event_log.append(moves("b1", 3), expected={B1: 0})
    await connection.api(f"STREAM.DELETE.{stream}")
    config = {"name": stream, "subjects": [f"{prefix}.events.>"], "allow_direct": True, "first_seq": 4}
    await connection.api(f"STREAM.CREATE.{stream}", config)
    await store(connection, stream, [Message(f"{prefix}.events.a.b.c.d", b"{}")])
    assert [stored.position for stored in await event_log.read_raw(3, 10)] == [4]
    with pytest.raises(GapError):
        await event_log.read_raw(1, 10)


async def test_a_stream_made_anew_shows_in_its_creation_time(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    config = (await connection.api(f"STREAM.INFO.{stream_name(prefix, 'events')}"))["config"]
    batch = moves("b1", 2)
    await event_log.append(batch, expected={B1: 0})
    before = await event_log.state()
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'events')}")
    await connection.api(f"STREAM.CREATE.{stream_name(prefix, 'events')}", config)
    other = moves("b2", 2)
    await event_log.append(other, expected={("meetergo", "b2"): 0})
    after = await event_log.state()
    assert (before.last, before.events) == (after.last, after.events)
    assert before.created_at != after.created_at
    assert await event_log.event_id_at(2) == other[1].event_id != batch[1].event_id


async def test_what_is_no_event_stops_the_reader(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    subject = event_subject(prefix, "meetergo", "b1", "BookingCreated", "e1")
    await store(connection, stream_name(prefix, "events"), [Message(subject, b"no JSON")])
    with pytest.raises(LogError, match="position 1"):
        await event_log.read(0, 10)


async def test_reading_goes_on_over_several_answers(event_log: EventLog) -> None:
    batch = moves("b1", 25)
    await event_log.append(batch, expected={B1: 0})
    seen: list[str] = []
    position = 0
    while page := await event_log.read(position, 10):
        assert len(page) <= 10
        seen += [envelope.event_id for envelope in page]
        position = page[-1].position
    assert seen == [envelope.event_id for envelope in batch]


async def test_a_history_too_long_for_one_answer_is_read_in_pages(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    (event,) = moves("long", 1)
    await event_log.append([event], expected={("meetergo", "long"): 0})
    body = (await event_log.read_raw(0, 1))[0].body
    for start in (0, 600):
        copies = [
            Message(event_subject(prefix, "meetergo", "long", "BookingCreated", str(start + number)), body)
            for number in range(600)
        ]
        await store(connection, stream_name(prefix, "events"), copies)
    await event_log.append(moves("other", 1), expected={("meetergo", "other"): 0})
    found = await event_log.history("meetergo", "long")
    assert [envelope.position for envelope in found] == list(range(1, 1202))


@pytest.mark.parametrize("provider_id", ["a.b", "*", ">", "a b", "ä/ö", "=2E", "\u0000", "x" * 1000])
async def test_any_id_the_provider_may_choose_has_its_own_history(
    event_log: EventLog, provider_id: str
) -> None:
    await event_log.append(moves(provider_id, 2), expected={("meetergo", provider_id): 0})
    await event_log.append(moves("neighbour", 1), expected={("meetergo", "neighbour"): 0})
    assert len(await event_log.history("meetergo", provider_id)) == 2
    assert (await event_log.head("meetergo", provider_id))[1] == 2


async def test_histories_of_two_sources_do_not_mix(event_log: EventLog) -> None:
    other = new(history(snapshot(source="calcom")))
    await event_log.append(moves("b1", 1), expected={B1: 0})
    await event_log.append(other, expected={("calcom", "b1"): 0})
    assert [envelope.source for envelope in await event_log.history("calcom", "b1")] == ["calcom"]


async def test_a_reader_is_woken_by_its_own_and_by_foreign_appends(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    bell, other = await event_log.doorbell(), await event_log.doorbell()
    assert await bell.wait(30)
    assert not await bell.wait(0.01)
    await event_log.append(moves("b1", 2), expected={B1: 0})
    # A ring while nobody waits is kept, for each reader.
    assert await bell.wait(30)
    assert await other.wait(30)
    async with asyncio.timeout(60):
        while await bell.wait(0.5):
            pass
    subject = event_subject(prefix, "meetergo", "b2", "T", "e9")
    await connection.client.publish(subject, b"{}")
    assert await bell.wait(30)
    await bell.close()
    await other.close()


async def test_the_bell_rings_again_once_a_foreign_batch_is_committed(
    event_log: EventLog, connection: LogConnection, prefix: str
) -> None:
    bell = await event_log.doorbell()
    while await bell.wait(0.5):
        pass
    batch = {"Nats-Batch-Id": "foreign", "Nats-Batch-Sequence": "1"}
    subject = event_subject(prefix, "meetergo", "b1", "T", "e1")
    await connection.client.publish(subject, b"{}", headers=batch)
    assert await bell.wait(30)
    # Heard, but not stored: a reader that looked now would find nothing and go back to sleep.
    assert await event_log.read_raw(0, 10) == []
    commit = {"Nats-Batch-Id": "foreign", "Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}
    subject = event_subject(prefix, "meetergo", "b1", "T", "e2")
    await connection.client.publish(subject, b"{}", headers=commit)
    async with asyncio.timeout(60):
        while not await event_log.read_raw(0, 10):
            assert await bell.wait(30)
    await bell.close()
