"""How far sources were read, what no list shows, and who told of a fact first; on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.store import absent, first_seen, inbox, polls
from hub.store.database import Database
from hub.store.statements import insert_new
from hub.store.tables import BookingRow, CheckpointRow, InboxRow, PollRow, TimelineRow

NOW = datetime(2026, 10, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TELLS = ("BookingCreated", "BookingRescheduled")


def write(database: Database, work: Any) -> Any:
    return database.write_now(work)


@pytest.fixture
def live(database: Database) -> Database:
    """A store whose projections are empty."""
    row = CheckpointRow(generation=1, live=True, updated_at=NOW)
    write(database, lambda session: insert_new(session, [row]))
    return database


def booking(provider_id: str, **members: Any) -> BookingRow:
    given = {"status": "active", "start": NOW + HOUR} | members
    return BookingRow(
        generation=1,
        booking_id=f"root-{provider_id}",
        source="m",
        provider_id=provider_id,
        position=1,
        state={},
        **given,
    )


def fact(position: int, provider_id: str, *, at: datetime, **members: Any) -> TimelineRow:
    given = {"type": "BookingRescheduled", "provenance": "poll"} | members
    return TimelineRow(
        generation=1,
        position=position,
        event_id=f"e{position}",
        booking_id=provider_id,
        provider_id=provider_id,
        source="m",
        occurred_at=at,
        version=at,
        recorded_at=NOW + position * timedelta(minutes=1),
        schema_version=1,
        **given,
    )


def test_a_failed_poll_leaves_the_last_success(database: Database) -> None:
    for minute, error in ((0, None), (5, "503"), (10, "504")):
        row = PollRow(source="m", polled_at=NOW + timedelta(minutes=minute), error=error, bookings=minute)
        write(database, lambda session, row=row: polls.record(session, row))
    kept = write(database, lambda session: polls.get(session, "m"))
    assert (kept.succeeded_at, kept.failing_since) == (NOW, NOW + timedelta(minutes=5))
    assert (kept.error, kept.bookings) == ("504", 10)
    well = PollRow(source="m", polled_at=NOW + HOUR)
    write(database, lambda session: polls.record(session, well))
    kept = write(database, lambda session: polls.every(session)["m"])
    assert (kept.succeeded_at, kept.failing_since, kept.error) == (NOW + HOUR, None, None)


def test_a_part_of_a_history_counts_once(database: Database) -> None:
    (row,) = write(database, lambda session: polls.see_lists(session, "m", ["h"], now=NOW))
    again = write(database, lambda session: polls.see_lists(session, "m", ["h"], now=NOW + HOUR))
    assert [one.first_seen_at for one in again] == [NOW]

    def plan(session: Any) -> None:
        rows = polls.lists_of(session, "m")
        polls.plan_history(session, rows, history_id="b_1", begin=NOW, end=NOW + 9 * HOUR)

    write(database, plan)
    (row,) = write(database, lambda session: polls.lists_of(session, "m"))

    def read(session: Any) -> bool:
        return polls.history_read(session, row, until=NOW + HOUR, bookings=3, facts=2, complete=False)

    assert write(database, read)
    assert not write(database, read), "it had got further before"
    (row,) = write(database, lambda session: polls.lists_of(session, "m"))
    assert (row.history_next, row.history_bookings, row.history_incomplete) == (NOW + HOUR, 3, 1)


def test_who_waits_longest_is_looked_for_first(live: Database) -> None:
    write(live, lambda session: absent.note(session, "m", ["a", "b", "c"], now=NOW))
    write(live, lambda session: absent.checked(session, "m", "a", missing=True, now=NOW))
    write(live, lambda session: absent.checked(session, "m", "b", missing=False, now=NOW - 2 * HOUR))
    due = write(live, lambda session: absent.to_check(session, "m", before=NOW - HOUR, limit=9))
    assert due == ["c", "b"]
    write(live, lambda session: absent.seen(session, "m", ["c"]))
    assert write(live, lambda session: absent.to_check(session, "m", before=NOW + HOUR, limit=1)) == ["b"]


def test_only_what_is_active_and_near_stays_absent(live: Database) -> None:
    rows = [booking("a"), booking("b", status="cancelled"), booking("c", start=NOW - 9 * HOUR), booking("d")]
    write(live, lambda session: insert_new(session, rows))
    write(live, lambda session: absent.note(session, "m", ["a", "b", "c", "d", "e"], now=NOW))
    for provider_id in ("a", "b", "d"):
        write(
            live,
            lambda session, one=provider_id: absent.checked(session, "m", one, missing=one != "d", now=NOW),
        )
    (gone,) = write(live, lambda session: absent.missing(session, 1))
    assert (gone.source, gone.booking_id, gone.start, gone.since) == ("m", "root-a", NOW + HOUR, NOW)
    write(live, lambda session: absent.forget_settled(session, 1, "m", begin=NOW - HOUR))
    left = write(live, lambda session: absent.to_check(session, "m", before=NOW + HOUR, limit=9))
    assert left == ["a", "d"]


def test_what_webhooks_should_have_told(live: Database) -> None:
    rows = [
        fact(1, "old", at=NOW - HOUR),
        fact(2, "a", at=NOW, provenance="webhook", type="BookingCreated"),
        fact(3, "a", at=NOW + HOUR),
        fact(4, "b", at=NOW + HOUR),
        fact(5, "c", at=NOW + HOUR, type="AttendeeNoShow"),
        fact(6, "d", at=NOW + HOUR, provenance="backfill"),
    ]
    receipts = [
        InboxRow(
            receipt_id=f"r{number}",
            source="m",
            received_at=at,
            status=status,
            provider_id=provider_id,
            version=at,
            digest=f"r{number}",
        )
        for number, (provider_id, at, status) in enumerate(
            [
                ("a", NOW, "accepted"),
                ("b", NOW + HOUR, "accepted"),
                ("a", NOW + HOUR, "quarantined"),
            ]
        )
    ]
    write(live, lambda session: insert_new(session, rows))
    write(live, lambda session: inbox.insert(session, receipts))
    told = write(live, lambda session: first_seen.told(session, "m", TELLS, since=NOW))
    assert (told.expected, told.lost) == (3, 1)
    found = write(live, lambda session: first_seen.found_by_poll(session, "m", TELLS, since=NOW))
    assert found == 2
    assert write(live, lambda session: first_seen.told(session, "x", TELLS, since=NOW)).expected == 0
