"""Replacements under way, on both databases: one at a time, found by whoever sees the new booking."""

from datetime import timedelta
from typing import Any

import pytest

from hub.store import replacements
from hub.store.database import Database
from hub.store.tables import ReplacementRow
from tests.integration.store.rows import NOW

HOUR = timedelta(hours=1)


def row(former_id: str = "b1", **members: Any) -> ReplacementRow:
    known: dict[str, Any] = {
        "source": "meetergo",
        "former_id": former_id,
        "booking_id": former_id,
        "command_id": f"c-{former_id}",
        "contact_id": "ilse",
        "start": NOW + HOUR,
        "asked_at": NOW,
    }
    return ReplacementRow(**known | members)


def replaced_by(database: Database, provider_id: str = "new", **members: Any) -> str | None:
    asked: dict[str, Any] = {"start": NOW + HOUR, "created_at": NOW, "contact_ids": ["x", "ilse"]}
    found = database.read_now(
        lambda session: replacements.replaced_by(session, "meetergo", provider_id, **asked | members)
    )
    return found.former_id if found else None


def test_one_at_a_time_and_gone_when_it_ends(database: Database) -> None:
    assert database.write_now(lambda session: replacements.begin(session, row()))
    again = row(command_id="c-other")
    assert not database.write_now(lambda session: replacements.begin(session, again))
    # What another command began is not ended by this one.
    database.write_now(lambda session: replacements.end(session, "meetergo", "b1", command_id="c-other"))
    (known,) = database.read_now(replacements.every)
    assert known.command_id == "c-b1"
    assert database.read_now(lambda session: replacements.of_booking(session, "b1")) is not None
    database.write_now(lambda session: replacements.end(session, "meetergo", "b1", command_id="c-b1"))
    assert database.read_now(replacements.every) == []


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "b1"),
        ({"created_at": None}, "b1"),
        ({"created_at": NOW - timedelta(minutes=9)}, "b1"),
        ({"created_at": NOW - timedelta(minutes=11)}, None),
        ({"start": NOW}, None),
        ({"contact_ids": ["x"]}, None),
        ({"contact_ids": []}, None),
        ({"provider_id": "b1"}, None),
    ],
    ids=["same", "undated", "clocks apart", "older", "other time", "other person", "nobody", "itself"],
)
def test_an_unnamed_one_is_known_by_person_and_time(
    database: Database, members: dict[str, Any], expected: str | None
) -> None:
    database.write_now(lambda session: replacements.begin(session, row()))
    assert replaced_by(database, **members) == expected


def test_once_it_is_named_only_its_id_counts(database: Database) -> None:
    database.write_now(lambda session: replacements.begin(session, row()))
    database.write_now(lambda session: replacements.made(session, "meetergo", "b1", new_id="n1"))
    assert replaced_by(database, "n1", start=NOW, contact_ids=[]) == "b1"
    assert replaced_by(database, "n2") is None


def test_those_that_take_too_long_are_told_the_oldest_first(database: Database) -> None:
    for number, minutes in enumerate((5, 30, 0)):
        one = row(f"b{number}", asked_at=NOW - timedelta(minutes=minutes))
        database.write_now(lambda session, one=one: replacements.begin(session, one))
    old = database.read_now(
        lambda session: replacements.half_done(session, before=NOW - timedelta(minutes=1))
    )
    assert [one.former_id for one in old] == ["b1", "b0"]
