"""Delivery rows: added once, listed, counted, retried and dropped."""

from datetime import timedelta

import pytest

from hub.store import attempts, deliveries
from hub.store.deliveries import DeliveryFilter, Lag
from hub.store.guard import HELD
from hub.store.paging import BadCursorError
from hub.store.tables import AttemptRow
from tests.integration.store.rows import MINUTE, NOW, delivery


def add(database, *rows):
    return database.write_now(lambda session: deliveries.insert(session, rows))


def get(database, key, position, sink="calendar"):
    return database.read_now(
        lambda session: deliveries.get(session, sink=sink, event_id=f"{key}-{position}", key=key)
    )


def listed(database, wanted=None, **options):
    wanted = wanted or DeliveryFilter()
    return database.read_now(lambda session: deliveries.listing(session, wanted, **options))


def test_event_is_delivered_to_a_key_once(database):
    assert add(database, delivery("b", 1, state="delivered"), delivery("b", 2)) == 2
    assert add(database, delivery("b", 1), delivery("b", 2), delivery("b", 3)) == 1
    assert get(database, "b", 1).state == "delivered"


def test_adding_nothing_is_fine(database):
    assert add(database) == 0


def test_newer_row_wakes_what_is_parked_on_its_key_only(database):
    add(database, delivery("b", 1, state="parked", attempts=20), delivery("c", 2, state="parked"))
    add(database, delivery("b", 3, created_at=NOW + MINUTE))
    woken = get(database, "b", 1)
    assert (woken.state, woken.attempts, woken.due_at) == ("pending", 0, NOW + MINUTE)
    assert get(database, "c", 2).state == "parked"


def test_row_that_is_skipped_from_the_start_wakes_nothing(database):
    add(database, delivery("b", 1, state="parked"))
    add(database, delivery("b", 2, state="skipped"))
    assert get(database, "b", 1).state == "parked"


def test_retry_takes_what_was_given_up_and_starts_anew(database):
    given_up = ("parked", "dead", "uncertain")
    others = ("pending", "sending", "delivered", "covered", "skipped")
    for position, state in enumerate(given_up + others):
        add(database, delivery(state, position, state=state, attempts=20, finished_at=NOW))
    retried = database.write_now(
        lambda session: deliveries.retry(
            session, DeliveryFilter(sink="calendar"), now=NOW + MINUTE, cause="replay:1"
        )
    )
    assert retried == 3
    for position, state in enumerate(given_up):
        row = get(database, state, position)
        assert (row.state, row.attempts, row.due_at, row.finished_at, row.cause) == (
            "pending",
            0,
            NOW + MINUTE,
            None,
            "replay:1",
        )
    assert [get(database, state, position).state for position, state in enumerate(others, 3)] == list(others)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (DeliveryFilter(sink="crm"), {"c"}),
        (DeliveryFilter(states=("parked",)), {"a"}),
        (DeliveryFilter(booking_id="b"), {"b"}),
        (DeliveryFilter(event_id="c-3"), {"c"}),
        (DeliveryFilter(event_type="BookingCancelled"), {"b"}),
        (DeliveryFilter(key="a"), {"a"}),
        (DeliveryFilter(error_class="PermanentError"), {"b"}),
        (DeliveryFilter(since=NOW + MINUTE), {"c"}),
        (DeliveryFilter(until=NOW + MINUTE), {"a", "b"}),
        (DeliveryFilter(), {"a", "b", "c"}),
    ],
    ids=["sink", "state", "booking", "event", "type", "key", "error", "since", "until", "all"],
)
def test_selectors_choose_the_same_rows_for_lists_and_acts(database, wanted, keys):
    add(
        database,
        delivery("a", 1, state="parked"),
        delivery("b", 2, state="dead", event_type="BookingCancelled", error_class="PermanentError"),
        delivery("c", 3, state="dead", sink="crm", changed_at=NOW + MINUTE),
    )
    assert {row.key for row in listed(database, wanted).items} == keys
    retried = database.write_now(lambda session: deliveries.retry(session, wanted, now=NOW))
    assert retried == len(keys)


def test_drop_leaves_what_is_being_sent_and_what_is_done(database):
    for position, state in enumerate(("pending", "parked", "dead", "uncertain", "sending", "delivered")):
        add(database, delivery("b", position, state=state))
    dropped = database.write_now(
        lambda session: deliveries.drop(session, DeliveryFilter(key="b"), now=NOW, reason="dropped by ops")
    )
    assert dropped == 4
    found = database.read_now(lambda session: deliveries.of_booking(session, "b"))
    assert [row.state for row in found] == ["skipped"] * 4 + ["sending", "delivered"]
    assert {row.reason for row in found if row.state == "skipped"} == {"dropped by ops"}


def test_list_is_read_on_from_where_it_was_cut_without_loss_or_repetition(database):
    rows = [delivery(f"k{n:02}", n, changed_at=NOW + timedelta(seconds=n // 3)) for n in range(20)]
    add(database, *rows)
    seen, cursor = [], None
    while True:
        page = listed(database, limit=6, cursor=cursor)
        seen += [row.position for row in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen) == list(range(20))
    assert [n // 3 for n in seen] == sorted((n // 3 for n in seen), reverse=True)
    assert listed(database, limit=None).next is None
    assert listed(database, limit=20).next is None


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "W10", "WzEsIDJd"], ids=["empty", "text", "none", "other"]
)
def test_strange_cursor_is_refused(database, cursor):
    with pytest.raises(BadCursorError):
        listed(database, cursor=cursor)


def test_counts_and_lag_tell_what_is_left(database):
    add(
        database,
        delivery("a", 1, state="delivered"),
        delivery("p", 2, state="parked", created_at=NOW - MINUTE),
        delivery("a", 3, due_at=NOW + MINUTE),
        delivery("b", 4, state="sending"),
        delivery("c", 5, sink="crm", state="dead"),
    )
    assert database.read_now(deliveries.counts) == {
        "calendar": {"delivered": 1, "parked": 1, "pending": 1, "sending": 1},
        "crm": {"dead": 1},
    }
    assert database.read_now(deliveries.lag) == {"calendar": Lag(3, NOW - MINUTE)}


def test_next_due_is_the_earliest_row_still_to_come(database):
    def next_due(sinks=None):
        return database.read_now(lambda session: deliveries.next_due(session, after=NOW, sinks=sinks))

    assert next_due() is None
    add(
        database,
        delivery("a", 1),
        delivery("b", 2, due_at=NOW + 2 * MINUTE),
        delivery("c", 3, sink="crm", due_at=NOW + MINUTE),
        delivery("d", 4, state="parked", due_at=NOW + timedelta(seconds=1)),
    )
    assert next_due() == NOW + MINUTE
    assert next_due(["calendar"]) == NOW + 2 * MINUTE


def test_attempts_are_told_in_order_and_forgotten_with_age(database):
    def attempt(number, **overrides):
        values = {"sink": "calendar", "event_id": "b-1", "key": "b", "booking_id": "b", "outcome": "503"}
        return AttemptRow(**{**values, "number": number, "at": NOW + number * MINUTE, **overrides})

    database.write_now(lambda session: attempts.add(session, [attempt(1), attempt(2)]))
    database.write_now(lambda session: attempts.add(session, [attempt(3), attempt(1, booking_id="c")]))
    found = database.read_now(lambda session: attempts.of_booking(session, "b"))
    assert [row.number for row in found] == [1, 2, 3]
    assert database.write_now(lambda session: attempts.expire(session, before=NOW + 2 * MINUTE)) == 2


PAST = {"first_attempt_at": NOW, "unknown_since": NOW}


def test_retry_forgets_the_past_of_uncertain_rows_only(database):
    for position, state in enumerate(("parked", "dead", "uncertain")):
        add(database, delivery(state, position, state=state, **PAST))
    database.write_now(lambda session: deliveries.retry(session, DeliveryFilter(), now=NOW + MINUTE))
    kept = {state: get(database, state, n).unknown_since for n, state in enumerate(("parked", "dead"))}
    assert kept == {"parked": NOW, "dead": NOW}
    row = get(database, "uncertain", 2)
    assert (row.state, row.first_attempt_at, row.unknown_since) == ("pending", None, None)


def test_replay_forgets_the_past_since_its_idempotency_key_is_another(database):
    add(database, delivery("b", 1, state="dead", **PAST))
    wanted = DeliveryFilter()
    database.write_now(lambda session: deliveries.retry(session, wanted, now=NOW, cause="replay:1"))
    row = get(database, "b", 1)
    assert (row.first_attempt_at, row.unknown_since) == (None, None)


def test_after_an_outage_what_failed_in_it_goes_on(database):
    later = NOW + 5 * MINUTE
    add(
        database,
        delivery("before", 1, state="parked", changed_at=NOW - MINUTE, attempts=20),
        delivery("parked", 2, state="parked", changed_at=NOW, attempts=20),
        delivery("failed", 3, due_at=later, error_at=NOW, attempts=4),
        delivery("set-aside", 4, due_at=later, error_at=NOW - MINUTE),
        delivery("held", 5, due_at=later, error_at=NOW, hold=True),
        delivery("parked", 6, state="parked", changed_at=NOW, sink="crm"),
        delivery("guarded", 7, due_at=later, error_at=NOW, guard=HELD),
    )
    now = NOW + MINUTE
    database.write_now(lambda session: deliveries.go_on(session, "calendar", since=NOW, attempts=19, now=now))
    parked, failed = get(database, "parked", 2), get(database, "failed", 3)
    assert (parked.state, parked.attempts, parked.due_at) == ("pending", 19, now)
    assert (failed.state, failed.attempts, failed.due_at) == ("pending", 4, now)
    assert get(database, "before", 1).state == "parked"
    others = ((4, "set-aside"), (5, "held"), (7, "guarded"))
    assert {get(database, key, number).due_at for number, key in others} == {later}
    assert get(database, "parked", 6, sink="crm").state == "parked"
    assert database.read_now(lambda session: deliveries.has_open(session, "calendar"))
    add(
        database,
        delivery("guarded", 1, sink="chat", guard=HELD),
        delivery("done", 2, sink="chat", state="dead"),
    )
    assert not database.read_now(lambda session: deliveries.has_open(session, "chat"))
