"""What goes in comes out the same, on both databases."""

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from hub.store import deliveries, receipts
from hub.store.statements import insert_new, upsert
from hub.store.tables import DeliveryRow, LeaseRow, TargetReceiptRow
from tests.integration.store.rows import NOW, delivery, lease, target_receipt


def test_moment_of_another_zone_comes_back_in_utc(database):
    berlin = timezone(timedelta(hours=2))
    moment = datetime(2026, 10, 12, 11, 30, 0, 123456, tzinfo=berlin)
    database.write_now(lambda session: session.add(lease("x", until=moment)))
    stored = database.read_now(lambda session: session.get(LeaseRow, "x"))
    assert stored.until == moment
    assert stored.until.utcoffset() == timedelta(0)


def test_moment_without_a_zone_is_refused(database):
    with pytest.raises(Exception, match="without a time zone"):
        database.write_now(lambda session: session.add(lease("x", until=datetime(2026, 1, 1))))  # noqa: DTZ001


def test_order_of_moments_is_order_in_time(database):
    moments = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1), NOW + timedelta(days=300)]
    rows = [delivery("b", position, due_at=moment) for position, moment in enumerate(moments)]
    database.write_now(lambda session: deliveries.insert(session, rows))
    statement = text("SELECT position FROM deliveries ORDER BY due_at")
    assert database.read_now(lambda session: session.execute(statement).scalars().all()) == [0, 1, 2, 3]


def test_json_keeps_structure_and_unicode(database):
    data = {"nested": [1, {"name": "Ilse Brändvold \U0001f642"}], "none": None, "flag": True}
    database.write_now(lambda session: receipts.put(session, target_receipt(1, data=data)))
    held = database.read_now(lambda session: receipts.get(session, sink="calendar", key="b1"))
    assert held[""].data == data


def test_positions_beyond_32_bits_are_kept(database):
    database.write_now(lambda session: receipts.put(session, target_receipt(2**40)))
    held = database.read_now(lambda session: receipts.get(session, sink="calendar", key="b1"))
    assert held[""].position == 2**40


def test_inserting_again_keeps_the_first_and_counts_the_new(database):
    def twice(session):
        first = insert_new(session, [lease("x", owner="first"), lease("y")])
        second = insert_new(session, [lease("x", owner="second"), lease("z")])
        return first, second

    assert database.write_now(twice) == (2, 1)
    assert database.read_now(lambda session: session.get(LeaseRow, "x")).owner == "first"


def test_upsert_replaces_all_but_the_kept_columns(database):
    def work(session):
        insert_new(session, [target_receipt(1, url="first", detail="created")])
        values = {**target_receipt(2, url="second", detail="changed").model_dump()}
        return upsert(session, TargetReceiptRow, [values], keep=("url",))

    assert database.write_now(work) == 1
    held = database.read_now(lambda session: receipts.get(session, sink="calendar", key="b1"))
    assert (held[""].position, held[""].detail, held[""].url) == (2, "changed", "first")


def test_defaults_are_filled_in_by_an_insert(database):
    database.write_now(lambda session: deliveries.insert(session, [delivery("b", 1)]))
    row = database.read_now(lambda session: session.get(DeliveryRow, ("calendar", "b-1", "b")))
    assert (row.state, row.attempts, row.hold, row.changed_at) == ("pending", 0, False, NOW)
