"""Who works on which key, and what happens to the rows of one who is lost."""

from datetime import timedelta

import pytest

from hub.store import claims, deliveries
from hub.store.claims import Failure, Outcome
from tests.integration.store.rows import MINUTE, NOW, delivery

LATER = NOW + timedelta(seconds=30)


def add(database, *rows):
    database.write_now(lambda session: deliveries.insert(session, rows))


def claim(database, *, now=NOW, sink="calendar", owner="a", lost="pending"):
    return database.write_now(
        lambda session: claims.claim_next(session, sink=sink, now=now, owner=owner, lease=MINUTE, lost=lost)
    )


def sending(database, held, *event_ids, now=NOW):
    wanted = event_ids or [row.event_id for row in held.rows]
    return database.write_now(lambda session: claims.mark_sending(session, held, wanted, now=now))


def finish(database, held, *outcomes, now=NOW, **options):
    return database.write_now(lambda session: claims.finish(session, held, outcomes, now=now, **options))


def rows(database, key):
    found = database.read_now(lambda session: deliveries.of_booking(session, key))
    return {row.position: row for row in found}


def states(database, key):
    return {position: row.state for position, row in rows(database, key).items()}


def test_longest_due_key_is_claimed_first_with_all_its_open_rows_in_order(database):
    add(
        database,
        delivery("late", 1, due_at=NOW),
        delivery("early", 3, due_at=NOW - MINUTE),
        delivery("early", 2, due_at=NOW - MINUTE),
        delivery("early", 1, state="delivered"),
    )
    held = claim(database)
    assert held.key == "early"
    assert [row.position for row in held.rows] == [2, 3]
    assert claim(database).key == "late"
    assert claim(database) is None


def test_key_of_another_sink_is_not_claimed(database):
    add(database, delivery("b", 1, sink="crm"))
    assert claim(database) is None
    assert claim(database, sink="crm").key == "b"


def test_claimed_key_is_nobody_elses(database, other):
    add(database, delivery("b", 1), delivery("b", 2))
    assert claim(database) is not None
    assert claim(other, owner="b") is None


def test_row_that_is_not_due_is_left(database):
    add(database, delivery("b", 1, due_at=LATER))
    assert claim(database) is None
    assert claim(database, now=LATER).key == "b"


def test_first_open_row_decides_for_its_key(database):
    add(
        database,
        delivery("waits", 1, due_at=LATER),
        delivery("waits", 2),
        delivery("parked", 1, state="parked"),
        delivery("dead", 1, state="dead"),
        delivery("dead", 2),
    )
    # Put behind the parked row without waking it.
    database.write_now(lambda session: session.add(delivery("parked", 2, changed_at=NOW)))
    assert claim(database).key == "dead"
    assert claim(database) is None


def test_keys_with_two_first_rows_at_one_position_do_not_hold_up_the_sink(database):
    """After a divergence positions may come twice."""
    add(
        database,
        delivery("b", 5, event_id="old", due_at=LATER),
        delivery("b", 5, event_id="new"),
        delivery("c", 6),
    )
    assert {claim(database).key, claim(database).key} == {"b", "c"}


def test_finished_rows_are_recorded_and_the_key_is_free(database):
    add(database, delivery("b", 1), delivery("b", 2))
    held = claim(database)
    assert sending(database, held, "b-2")
    assert states(database, "b") == {1: "pending", 2: "sending"}
    outcomes = (
        Outcome("b-1", "covered", counted=False, reason="covered by 2"),
        Outcome("b-2", "delivered", outcome="created", url="https://calendar.test/1", duration_seconds=0.25),
    )
    assert finish(database, held, *outcomes, now=LATER)
    first, second = rows(database, "b").values()
    assert (first.state, first.attempts, first.reason) == ("covered", 0, "covered by 2")
    assert (second.state, second.attempts, second.outcome, second.url) == (
        "delivered",
        1,
        "created",
        "https://calendar.test/1",
    )
    assert (second.finished_at, second.changed_at, second.duration_seconds) == (LATER, LATER, 0.25)
    add(database, delivery("b", 3))
    assert claim(database).key == "b"


def test_kept_claim_stays_for_the_next_row_of_the_key(database):
    add(database, delivery("b", 1), delivery("b", 2))
    held = claim(database)
    assert finish(database, held, Outcome("b-1", "delivered"), keep=True)
    assert claim(database) is None
    assert sending(database, held, "b-2")
    assert finish(database, held, Outcome("b-2", "delivered"))
    assert states(database, "b") == {1: "delivered", 2: "delivered"}


def test_row_to_be_tried_again_keeps_its_error_and_holds_back_the_rows_behind_it(database):
    add(database, delivery("b", 1), delivery("b", 2))
    held = claim(database)
    sending(database, held, "b-1")
    failed = Outcome("b-1", "pending", due_at=LATER, failure=Failure("TransientError", "503"))
    assert finish(database, held, failed)
    first, second = rows(database, "b").values()
    assert (first.state, first.attempts, first.error_class, first.error_message, first.error_at) == (
        "pending",
        1,
        "TransientError",
        "503",
        NOW,
    )
    assert (first.finished_at, first.due_at, second.due_at) == (None, LATER, LATER)
    assert claim(database) is None
    assert claim(database, now=LATER).key == "b"


def test_success_keeps_the_error_of_an_earlier_attempt_for_the_story(database):
    add(database, delivery("b", 1, error_class="TransientError", error_message="503"))
    held = claim(database)
    finish(database, held, Outcome("b-1", "delivered"))
    assert rows(database, "b")[1].error_message == "503"


def test_sending_row_without_an_outcome_waits_again(database):
    add(database, delivery("b", 1), delivery("b", 2))
    held = claim(database)
    sending(database, held)
    finish(database, held, Outcome("b-1", "delivered"))
    assert states(database, "b") == {1: "delivered", 2: "pending"}


@pytest.mark.parametrize(("counted", "attempts"), [(True, 1), (False, 0)], ids=["failed", "not its fault"])
def test_postponed_key_waits_as_a_whole(database, counted, attempts):
    add(database, delivery("b", 1), delivery("b", 2), delivery("b", 3, due_at=LATER + MINUTE))
    held = claim(database)
    sending(database, held, "b-1")
    failure = Failure("RateLimited", "429")
    assert database.write_now(
        lambda session: claims.postpone(
            session, held, due_at=LATER, now=NOW, failure=failure, counted=counted
        )
    )
    found = rows(database, "b")
    assert [row.due_at for row in found.values()] == [LATER, LATER, LATER + MINUTE]
    assert (found[1].state, found[1].attempts, found[1].error_message) == ("pending", attempts, "429")
    assert claim(database) is None


def test_dropped_row_stays_dropped_although_it_was_claimed(database):
    add(database, delivery("b", 1))
    held = claim(database)
    dropped = database.write_now(
        lambda session: deliveries.drop(
            session, deliveries.DeliveryFilter(key="b"), now=NOW, reason="dropped by ops"
        )
    )
    assert dropped == 1
    assert finish(database, held, Outcome("b-1", "delivered"))
    assert states(database, "b") == {1: "skipped"}


def test_result_of_a_lost_claim_is_discarded(database, other):
    add(database, delivery("b", 1))
    lost = claim(database)
    sending(database, lost)
    taken = claim(other, owner="b", now=NOW + MINUTE)
    assert taken.key == "b"
    assert not finish(database, lost, Outcome("b-1", "dead"))
    assert not sending(database, lost)
    assert not database.write_now(lambda session: claims.renew(session, lost, until=NOW + 2 * MINUTE))
    assert not database.write_now(lambda session: claims.postpone(session, lost, due_at=LATER, now=NOW))
    database.write_now(lambda session: claims.release(session, lost))
    assert states(database, "b") == {1: "pending"}
    assert finish(other, taken, Outcome("b-1", "delivered"))
    assert states(database, "b") == {1: "delivered"}


def test_renewed_claim_is_not_taken(database):
    add(database, delivery("b", 1))
    held = claim(database)
    assert database.write_now(lambda session: claims.renew(session, held, until=NOW + 10 * MINUTE))
    assert claim(database, now=NOW + 5 * MINUTE) is None
    assert claim(database, now=NOW + 10 * MINUTE).key == "b"


def test_rows_of_an_expired_claim_wait_again_and_count_the_lost_attempt(database):
    add(database, delivery("b", 1), delivery("b", 2))
    sending(database, claim(database), "b-1")
    again = claim(database, now=NOW + MINUTE)
    assert [(row.position, row.state, row.attempts) for row in again.rows] == [
        (1, "pending", 1),
        (2, "pending", 0),
    ]


def test_row_that_may_not_be_repeated_becomes_uncertain(database):
    add(database, delivery("b", 1), delivery("b", 2))
    sending(database, claim(database), "b-1")
    again = claim(database, now=NOW + MINUTE, lost="uncertain")
    assert [row.position for row in again.rows] == [2]
    row = rows(database, "b")[1]
    assert (row.state, row.reason) == ("uncertain", "the worker was lost while sending")


def test_claims_of_a_dead_process_end_at_once(database):
    add(database, delivery("b", 1), delivery("c", 2))
    sending(database, claim(database, owner="dead"))
    sending(database, claim(database, owner="alive"))
    recovered = database.write_now(
        lambda session: claims.recover(session, sink="calendar", now=NOW, owner="dead")
    )
    assert recovered == 1
    assert claim(database, owner="alive").key == "b"
    assert database.read_now(lambda session: claims.in_flight(session, now=NOW)) == {"calendar": 2}


def test_named_key_is_claimed_once(database):
    def take(session):
        return claims.claim_key(session, sink="calendar", key="b", now=NOW, owner="a", lease=MINUTE)

    add(database, delivery("b", 1, due_at=LATER))
    held = database.write_now(take)
    assert [row.position for row in held.rows] == [1]
    assert database.write_now(take) is None
    database.write_now(lambda session: claims.release(session, held))
    assert database.write_now(take) is not None


def test_lost_attempt_may_have_had_its_effect_and_an_old_one_is_for_a_person(database):
    add(database, delivery("old", 1), delivery("young", 2))
    sending(database, claim(database))
    sending(database, claim(database, now=LATER), now=LATER)
    later = NOW + 5 * MINUTE
    recovered = database.write_now(
        lambda session: claims.recover(session, sink="calendar", now=later, first_before=NOW)
    )
    assert recovered == 2
    [old], [young] = rows(database, "old").values(), rows(database, "young").values()
    assert (old.state, old.reason) == ("uncertain", "the worker was lost while sending")
    assert (young.state, young.reason) == ("pending", None)
    assert [row.first_attempt_at for row in (old, young)] == [NOW, LATER]
    assert [row.unknown_since for row in (old, young)] == [later, later]


def test_first_attempt_and_first_unknown_effect_are_kept(database):
    add(database, delivery("b", 1))
    for minute in range(3):
        now = NOW + minute * MINUTE
        held = claim(database, now=now)
        sending(database, held, now=now)
        unknown = minute > 0
        finish(database, held, Outcome("b-1", "pending", due_at=now + MINUTE, unknown=unknown), now=now)
    row = rows(database, "b")[1]
    assert (row.first_attempt_at, row.unknown_since, row.attempts) == (NOW, NOW + MINUTE, 3)
