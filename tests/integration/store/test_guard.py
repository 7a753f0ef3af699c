"""How much the guard has left, to the last change."""

from datetime import timedelta

import pytest

from hub.store import deliveries, guard
from hub.store.guard import PERIOD, WATCHED
from tests.integration.store.rows import MINUTE, NOW, delivery

SINK = "calendar"


def has_room(database, changes, *, most=3, now=NOW):
    return database.read_now(lambda session: guard.has_room(session, SINK, changes, guard=most, now=now))


def add(database, *rows):
    database.write_now(lambda session: deliveries.insert(session, rows))


def done(key, outcome="changed", at=NOW - MINUTE, **overrides):
    values = {"state": "delivered", "guard": WATCHED, "finished_at": at, "outcome": outcome}
    return delivery(key, 1, **(values | overrides))


def test_the_limit_itself_is_let_pass_and_one_more_is_not(database):
    assert has_room(database, 3)
    assert not has_room(database, 4)
    add(database, done("a"), done("b", "removed"))
    assert has_room(database, 1)
    assert not has_room(database, 2)


@pytest.mark.parametrize(
    "row",
    [
        done("x", "created"),
        done("x", "unchanged"),
        done("x", guard=None),
        done("x", sink="another"),
        done("x", at=NOW - PERIOD - timedelta(seconds=1)),
        delivery("x", 1, guard=WATCHED),
    ],
    ids=["created", "unchanged", "asked for by a fact", "another sink", "an hour ago", "not begun"],
)
def test_what_does_not_count_leaves_the_room(database, row):
    add(database, row)
    assert has_room(database, 3)


def test_what_is_being_sent_takes_its_place(database):
    add(database, delivery("a", 1, state="sending", guard=WATCHED))
    assert has_room(database, 2)
    assert not has_room(database, 3)


def test_a_guard_of_nothing_lets_nothing_pass_but_nothing(database):
    assert has_room(database, 0, most=0)
    assert not has_room(database, 1, most=0)
