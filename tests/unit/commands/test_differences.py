"""A booking beside what its provider shows: what is unknown differs from nothing."""

from datetime import timedelta
from typing import Any

import pytest

from events.derive import fold
from hub.commands.differences import differences
from tests.factories import NOON, attendee, history, snapshot


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, []),
        ({"start": NOON + timedelta(hours=1)}, ["start", "end"]),
        ({"cancelled": True}, ["status"]),
        ({"title": None}, ["title"]),
        ({"notes": None}, []),
        ({"notes": "neu"}, ["notes"]),
        ({"attendees": [attendee("a1", name="Else")]}, ["attendees.a1.name"]),
        ({"attendees": [attendee("a1", no_show=True)]}, ["attendees.a1.no_show"]),
        ({"attendees": ["a2"]}, ["attendees.a1", "attendees.a2"]),
        ({"hosts": ()}, ["hosts"]),
    ],
    ids=[
        "same",
        "moved",
        "cancelled",
        "emptied",
        "never seen",
        "noted",
        "renamed",
        "missed",
        "other",
        "host",
    ],
)
def test_what_differs_is_named(members: dict[str, Any], expected: list[str]) -> None:
    state = fold(history(snapshot()))
    assert state is not None
    assert [one.name for one in differences(state, snapshot(**members))] == expected
