"""What targets hold: a newer state is never overwritten by an older one of the same log."""

import pytest

from hub.store import receipts
from tests.integration.store.rows import target_receipt


def put(database, row):
    return database.write_now(lambda session: receipts.put(session, row))


def held(database, key="b1"):
    return database.read_now(lambda session: receipts.get(session, sink="calendar", key=key))


def test_receipt_comes_back_by_part(database):
    put(
        database,
        target_receipt(1, part="host-a", etag='"1"', fingerprint="f", url="https://x.test", detail="created"),
    )
    put(database, target_receipt(1, part="host-b"))
    put(database, target_receipt(1, key="b2"))
    found = held(database)
    assert set(found) == {"host-a", "host-b"}
    row = found["host-a"]
    assert (row.etag, row.fingerprint, row.url, row.detail) == ('"1"', "f", "https://x.test", "created")


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"position": 6}, True),
        ({"position": 5}, True),
        ({"position": 4}, False),
        ({"position": 4, "epoch": 2}, True),
        ({"position": 4, "target": "another@group"}, True),
        ({"position": 4, "target": None}, True),
    ],
    ids=["newer", "same", "older", "another epoch", "another target", "no target"],
)
def test_older_position_is_refused_within_one_epoch_and_target(database, change, taken):
    assert put(database, target_receipt(5))
    assert put(database, target_receipt(**change, external_id="changed")) is taken
    assert (held(database)[""].external_id == "changed") is taken


def test_deleted_parts_are_gone_and_others_stay(database):
    for part in ("a", "b", "c"):
        put(database, target_receipt(1, part=part))

    def delete(parts):
        return database.write_now(
            lambda session: receipts.delete_parts(session, sink="calendar", key="b1", parts=parts)
        )

    assert delete(["a", "absent"]) == 1
    assert set(held(database)) == {"b", "c"}
    assert delete(None) == 2
    assert held(database) == {}


def test_cleared_positions_let_any_state_be_written(database):
    put(database, target_receipt(9))
    put(database, target_receipt(9, sink="crm"))
    assert database.write_now(lambda session: receipts.clear_positions(session, sink="calendar")) == 1
    assert put(database, target_receipt(1))
    assert not put(database, target_receipt(1, sink="crm"))
    assert database.write_now(receipts.clear_positions) == 2
    assert put(database, target_receipt(1, sink="crm"))
