"""Selectors of lists: every problem at once, and nothing is read that was not asked for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.web.problems import ProblemError
from hub.web.selectors import BOOKING_STATES, KNOWN, LIMIT, MOST, PAGING, Reader, Selection

READER = Reader(
    allowed=frozenset({"booking", "state", "since", "until", "meeting_type"}) | PAGING,
    states=BOOKING_STATES,
    now=datetime(2026, 10, 25, 12, 0, tzinfo=UTC),
    zone=ZoneInfo("Europe/Berlin"),
)


def refused(*given: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(ProblemError) as caught:
        READER.read(given)
    return {error["pointer"]: error["detail"] for error in caught.value.errors}


def test_values_of_one_selector_are_any_of_and_kept_once() -> None:
    chosen = READER.read([("booking", "b1"), ("booking", "b2"), ("booking", "b1"), ("meeting-type", "demo")])
    assert chosen.any_of("booking") == ("b1", "b2")
    assert chosen.any_of("meeting_type") == ("demo",)
    assert chosen.any_of("state") == ()
    assert chosen.given


def test_without_selectors_everything_is_meant() -> None:
    assert READER.read([]) == Selection()
    assert not READER.read([("limit", "7")]).given


def test_times_are_completed_and_told_in_full_but_named_as_written() -> None:
    chosen = READER.read([("since", "2h"), ("until", "2026-10-25T11:00:00Z")])
    assert chosen.times["since"] == datetime(2026, 10, 25, 10, tzinfo=UTC)
    assert list(chosen.read_as) == ["since"]
    assert chosen.named == {"since": ["2h"], "until": ["2026-10-25T11:00:00Z"]}


@pytest.mark.parametrize("text", ["1", "50", str(MOST), "0007"])
def test_a_limit_is_a_whole_number(text: str) -> None:
    assert READER.read([("limit", text)]).limit == int(text)
    assert READER.read([]).limit == LIMIT


@pytest.mark.parametrize(
    "text", ["0", "-1", "+1", "1.0", "", "x", str(MOST + 1), "9" * 5000, "0000000011111111", "٣", " 7"]
)
def test_anything_else_is_none(text: str) -> None:
    assert refused(("limit", text)) == {"/limit": f"limit is a whole number from 1 to {MOST}"}


def test_all_problems_are_told_at_once() -> None:
    told = refused(
        ("bookin", "b1"),
        ("state", "asleep"),
        ("since", "soon"),
        ("sink", "x"),
        ("as-of", "2h"),
        ("booking", ""),
    )
    assert told["/bookin"] == "unknown selector 'bookin'; did you mean booking?"
    assert told["/state"] == "state 'asleep' is none of active, cancelled"
    assert told["/since"].startswith("since: 'soon' is not a time")
    assert told["/sink"].startswith("the selector sink does not apply here")
    assert told["/as-of"] == "as-of: not yet"
    assert "needs a value" in told["/booking"]
    assert len(told) == 6


def test_every_selector_of_the_surface_is_known() -> None:
    assert {"from", "to", "since", "until", "contact", "host", "type", "event"} <= KNOWN
