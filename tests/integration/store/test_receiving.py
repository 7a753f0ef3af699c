"""What comes in: receipts, quarantine, dirty marks, unconfirmed hints."""

from datetime import timedelta
from functools import partial

import pytest

from hub.ingest.verdicts import MANY, due_of
from hub.store import dirty, inbox, quarantine, unconfirmed
from hub.store.dirty import DirtyCounts
from hub.store.inbox import InboxFilter
from tests.integration.store.rows import MINUTE, NOW, inbox_receipt, mark, quarantined


def mark_dirty(database, *marks):
    return database.write_now(lambda session: dirty.mark(session, marks))


def due(database, now=NOW, limit=10):
    return database.read_now(lambda session: dirty.due(session, now=now, limit=limit))


def marks_of(database, provider_id, limit=10):
    key = ("meetergo", provider_id)
    return database.read_now(lambda session: dirty.receipts_of(session, [key], limit=limit))[key]


def receipt_ids(database, provider_id):
    return [row.receipt_id for row in marks_of(database, provider_id)]


def store(database, *receipts):
    return database.write_now(lambda session: inbox.insert(session, receipts))


def listed(database, wanted=None, **options):
    found = database.read_now(lambda session: inbox.listing(session, wanted or InboxFilter(), **options))
    return [row.receipt_id for row in found.items]


def test_receipt_marks_its_booking_once(database):
    assert mark_dirty(database, mark("b", "r1"), mark("b", "r2")) == 2
    assert mark_dirty(database, mark("b", "r1"), mark("c", "r1")) == 1
    assert database.read_now(dirty.counts) == DirtyCounts(receipts=3, bookings=2)


def test_longest_due_booking_comes_first_and_each_once(database):
    mark_dirty(
        database,
        mark("late", "r1", due_at=NOW),
        mark("early", "r2", due_at=NOW - MINUTE),
        mark("early", "r3", due_at=NOW),
        mark("not yet", "r4", due_at=NOW + MINUTE),
    )
    assert due(database) == [("meetergo", "early"), ("meetergo", "late")]
    assert due(database, limit=1) == [("meetergo", "early")]
    assert database.read_now(dirty.next_due) == NOW - MINUTE


def test_due_bookings_of_some_sources_only(database):
    mark_dirty(database, mark("b", "r1"), mark("b", "r2", source="counter"), mark("c", "r3", source="shop"))

    def due_of(**sources):
        return database.read_now(lambda session: dirty.due(session, now=NOW, limit=10, **sources))

    assert due_of(only=["counter", "none"]) == [("counter", "b")]
    assert due_of(only=[]) == []
    assert due_of(without=["counter", "shop"]) == [("meetergo", "b")]
    assert len(due_of(without=[])) == len(due_of()) == 3


def test_a_look_that_learnt_nothing_is_no_attempt(database):
    mark_dirty(database, mark("b", "r1", attempts=2))
    database.write_now(
        lambda session: dirty.postpone(
            session, "meetergo", "b", receipt_ids=["r1"], due_at=NOW + MINUTE, error="503", counted=False
        )
    )
    (row,) = marks_of(database, "b")
    assert (row.attempts, row.last_error, row.due_at) == (2, "503", NOW + MINUTE)


def test_many_due_bookings_are_taken_together_and_few_as_there_are_places(database):
    def taken(**options):
        options = {"now": NOW, "working": (), "places": 3, "together": 50} | options
        found = database.read_now(lambda session: due_of(session, "meetergo", **options))
        return [booking for _, booking in found]

    names = [f"b{number:02d}" for number in range(MANY + 1)]
    mark_dirty(database, *(mark(name, "r1") for name in names), mark("b00", "r2", source="counter"))
    assert taken() == names
    assert taken(together=0) == names[:3]
    assert taken(working=[("meetergo", "b00")]) == names[1:4]
    assert taken(working=[("meetergo", "b00")], places=0) == []


def test_nothing_is_due_in_an_empty_store(database):
    assert due(database) == []
    assert database.read_now(dirty.next_due) is None


def test_booking_shows_all_its_marks_in_the_order_they_were_made(database):
    mark_dirty(
        database,
        mark("b", "r3", marked_at=NOW + MINUTE, due_at=NOW + 9 * MINUTE),
        mark("b", "r2", sequence=8),
        mark("b", "r1", sequence=9),
    )
    assert receipt_ids(database, "b") == ["r2", "r1", "r3"]
    assert [row.receipt_id for row in marks_of(database, "b", limit=2)] == ["r2", "r1"]


def test_marks_of_several_bookings_are_cut_for_each(database):
    mark_dirty(database, *(mark(booking, f"r{n}", sequence=n) for booking in "bcd" for n in (3, 1, 2)))
    keys = [("meetergo", "d"), ("meetergo", "b"), ("meetergo", "none")]
    found = database.read_now(lambda session: dirty.receipts_of(session, keys, limit=2))
    assert {key: [row.receipt_id for row in rows] for key, rows in found.items()} == {
        ("meetergo", "d"): ["r1", "r2"],
        ("meetergo", "b"): ["r1", "r2"],
        ("meetergo", "none"): [],
    }
    assert database.read_now(lambda session: dirty.receipts_of(session, [], limit=2)) == {}


def test_only_the_named_marks_are_cleared(database):
    mark_dirty(database, mark("b", "r1"), mark("b", "made meanwhile"), mark("c", "r1"))
    database.write_now(lambda session: dirty.clear(session, [("meetergo", "b", "r1")]))
    assert receipt_ids(database, "b") == ["made meanwhile"]
    assert receipt_ids(database, "c") == ["r1"]


def test_postponed_booking_waits_until_then_or_until_it_is_woken(database):
    mark_dirty(database, mark("b", "r1"), mark("b", "r2"))
    database.write_now(
        lambda session: dirty.postpone(
            session, "meetergo", "b", receipt_ids=["r1", "r2"], due_at=NOW + MINUTE, error="503"
        )
    )
    assert due(database) == []
    rows = marks_of(database, "b")
    assert [(row.attempts, row.last_error) for row in rows] == [(1, "503"), (1, "503")]
    assert database.write_now(lambda session: dirty.wake(session, "meetergo", "b", now=NOW)) == 2
    assert due(database) == [("meetergo", "b")]


def test_all_marks_of_a_booking_are_postponed_without_naming_them(database):
    mark_dirty(database, mark("b", "r1"), mark("b", "r2"), mark("c", "r1"))
    postponed = database.write_now(
        lambda session: dirty.postpone(
            session, "meetergo", "b", receipt_ids=None, due_at=NOW + MINUTE, error="503"
        )
    )
    assert postponed == 2
    assert due(database) == [("meetergo", "c")]


def test_receipt_handed_out_twice_is_stored_once(database):
    assert store(database, inbox_receipt("r1"), inbox_receipt("r2")) == 2
    assert store(database, inbox_receipt("r2"), inbox_receipt("r3")) == 1
    assert listed(database) == ["r3", "r2", "r1"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (InboxFilter(source="calcom"), ["r3"]),
        (InboxFilter(status="ignored"), ["r2"]),
        (InboxFilter(kind="new_employee"), ["r2"]),
        (InboxFilter(provider_ids=("b1", "b9")), ["r1"]),
        (InboxFilter(provider_ids=()), []),
        (InboxFilter(since=NOW), ["r3", "r2"]),
        (InboxFilter(until=NOW), ["r1"]),
    ],
    ids=["source", "status", "kind", "bookings", "no booking", "since", "until"],
)
def test_receipts_are_selected(database, wanted, expected):
    store(
        database,
        inbox_receipt("r1", provider_id="b1", received_at=NOW - MINUTE),
        inbox_receipt("r2", status="ignored", kind="new_employee"),
        inbox_receipt("r3", source="calcom", received_at=NOW + MINUTE),
    )
    assert listed(database, wanted) == expected


def test_receipt_is_found_by_the_beginning_of_its_id(database):
    store(database, inbox_receipt("r_8f2a01"), inbox_receipt("r_8f77"), inbox_receipt("rx8f2a"))

    def find(prefix):
        return {row.receipt_id for row in database.read_now(lambda session: inbox.find(session, prefix))}

    assert find("r_8f") == {"r_8f2a01", "r_8f77"}
    assert find("r_8f2a01") == {"r_8f2a01"}
    # The underscore is a wildcard of LIKE, but not here.
    assert find("r_") == {"r_8f2a01", "r_8f77"}
    assert find("%") == set()


def test_known_bodies_are_recognised(database):
    store(database, inbox_receipt("r1", digest="known"), inbox_receipt("r2", digest="known"))

    def known(now):
        return database.read_now(lambda session: inbox.known_digests(session, ["known", "new"], now=now))

    assert known(NOW) == {"known"}
    assert known(NOW + inbox.KEPT + MINUTE) == set()


def test_old_receipts_go_except_those_that_still_wait_for_a_person(database):
    old = NOW - timedelta(days=31)
    store(
        database,
        inbox_receipt("old", received_at=old),
        inbox_receipt("waiting", received_at=old, status="quarantined"),
        inbox_receipt("resolved", received_at=old, status="quarantined"),
        inbox_receipt("young", received_at=NOW - timedelta(days=29)),
    )

    def put(session):
        quarantine.put(session, [quarantined("waiting"), quarantined("resolved")])
        quarantine.resolve(session, "resolved", now=NOW)

    database.write_now(put)
    assert database.write_now(lambda session: inbox.expire(session, now=NOW)) == 2
    assert listed(database) == ["young", "waiting"]


def test_quarantined_body_comes_back_byte_by_byte(database):
    body = bytes(range(256))
    database.write_now(lambda session: quarantine.put(session, [quarantined("r1", body=body)]))
    row = database.read_now(lambda session: quarantine.get(session, "r1"))
    assert (row.body, row.state, row.reason) == (body, "waiting", "no envelope")


def test_resolved_body_waits_no_more_and_does_not_come_back(database):
    def count():
        return database.read_now(quarantine.count_waiting)

    def ids(state):
        page = database.read_now(lambda session: quarantine.listing(session, state=state))
        return [row.receipt_id for row in page.items]

    rows = [quarantined("r1"), quarantined("r2", received_at=NOW + MINUTE)]
    database.write_now(lambda session: quarantine.put(session, rows))
    assert count() == 2
    assert database.write_now(lambda session: quarantine.resolve(session, "r1", now=NOW))
    assert not database.write_now(lambda session: quarantine.resolve(session, "r1", now=NOW))
    database.write_now(lambda session: quarantine.put(session, [quarantined("r1")]))
    assert count() == 1
    assert ids("waiting") == ["r2"]
    assert ids(None) == ["r2", "r1"]


def test_body_that_is_still_unreadable_gets_its_new_reason(database):
    database.write_now(lambda session: quarantine.put(session, [quarantined("r1")]))
    assert database.write_now(lambda session: quarantine.renew_reason(session, "r1", reason="unknown type"))
    assert database.read_now(lambda session: quarantine.get(session, "r1")).reason == "unknown type"
    assert not database.write_now(lambda session: quarantine.renew_reason(session, "r9", reason="x"))


def test_resolved_bodies_are_deleted_with_age_and_waiting_ones_never(database):
    def work(session):
        quarantine.put(
            session, [quarantined("waiting"), quarantined("resolved"), quarantined("just resolved")]
        )
        quarantine.resolve(session, "resolved", now=NOW)
        quarantine.resolve(session, "just resolved", now=NOW + MINUTE)
        return quarantine.expire_resolved(session, before=NOW + MINUTE)

    assert database.write_now(work) == 1
    assert database.read_now(lambda session: quarantine.get(session, "waiting")) is not None


def test_hint_is_kept_with_its_first_time_until_confirmed(database):
    def put(receipt_id, detail, now):
        database.write_now(
            lambda session: unconfirmed.put(
                session, "meetergo", "b", receipt_id=receipt_id, detail=detail, now=now
            )
        )

    put("r1", "active after a cancellation", NOW)
    put("r2", "still active", NOW + MINUTE)
    (hint,) = database.read_now(unconfirmed.every)
    assert (hint.receipt_id, hint.detail, hint.since) == ("r2", "still active", NOW)
    assert database.read_now(unconfirmed.count) == 1
    for bookings in ([], [("meetergo", "c")]):
        database.write_now(partial(unconfirmed.clear, bookings=bookings))
        assert database.read_now(unconfirmed.count) == 1
    for _ in range(2):
        database.write_now(lambda session: unconfirmed.clear(session, [("meetergo", "b"), ("meetergo", "c")]))
        assert database.read_now(unconfirmed.count) == 0
