"""Times in selectors, as people write them."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.web.moments import Moment, read_moment, refuse_unclear

NOW = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str, *, ago: bool = True, end_of_day: bool = False) -> Moment:
    return read_moment(text, now=NOW, zone=BERLIN, ago=ago, end_of_day=end_of_day)


@pytest.mark.parametrize(
    ("text", "at", "assumed"),
    [
        ("2h", "2026-10-25T10:00:00Z", True),
        ("0s", "2026-10-25T12:00:00Z", True),
        ("500ms", "2026-10-25T11:59:59.500Z", True),
        ("3d", "2026-10-22T12:00:00Z", True),
        ("2026-10-27", "2026-10-26T23:00:00Z", True),
        ("2026-10-27 09:30", "2026-10-27T08:30:00Z", True),
        ("2026-10-27T09:30:15", "2026-10-27T08:30:15Z", True),
        ("2026-10-27t09:30:00+03:00", "2026-10-27T06:30:00Z", False),
        (" 2026-10-27T09:30:00Z ", "2026-10-27T09:30:00Z", False),
        ("2026-07-01", "2026-06-30T22:00:00Z", True),
    ],
)
def test_what_is_not_said_is_the_zone_of_the_hub(text: str, at: str, assumed: bool) -> None:
    assert read(text) == Moment(datetime.fromisoformat(at), assumed)


@pytest.mark.parametrize(
    ("text", "why"),
    [("2027-03-28 02:30", "does not occur"), (" 2026-10-25T02:00", "occurs twice")],
    ids=["left out", "twice"],
)
def test_a_time_at_which_clocks_change_is_not_clear(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"{why} in Europe/Berlin"):
        refuse_unclear(text, BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        *("2027-03-28 01:59", "2027-03-28 03:00", "2026-10-25 01:59", "2026-10-25 03:00"),
        *("2026-10-25T02:30:00+01:00", "2026-10-25T00:30:00Z", "2026-10-25"),
    ],
)
def test_any_other_time_is(text: str) -> None:
    refuse_unclear(text, BERLIN)


def test_a_bare_date_that_ends_something_means_the_whole_day() -> None:
    """The 25th of October has 25 hours in Berlin."""
    assert read("2026-10-25", end_of_day=True).at - read("2026-10-25").at == (
        datetime(2026, 10, 25, 23, tzinfo=UTC) - datetime(2026, 10, 24, 22, tzinfo=UTC)
    )
    assert read("2026-10-25T10:00", end_of_day=True) == read("2026-10-25T10:00")


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2 h", "-2h", "1w", "1h30m", "10:00", "999999999d"),
        *("2026", "2026-10", "2026-13-01", "2026-W43-5", "20261027", "9999-12-31"),
        *("2026-10-27T25:00", "2026-10-27T09:30:00+99:99"),
    ],
)
def test_what_is_no_time_says_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time; write|is too long ago"):
        read(text, end_of_day=True)


def test_a_duration_means_nothing_where_the_future_may_be_meant() -> None:
    with pytest.raises(ValueError, match="write a date or RFC 3339"):
        read("2h", ago=False)
    with pytest.raises(ValueError, match="write a date such as"):
        read("soon", ago=False)


@given(st.text(max_size=30), st.booleans(), st.booleans())
def test_any_text_is_a_time_in_utc_or_refused(text: str, ago: bool, end_of_day: bool) -> None:
    with suppress(ValueError):
        assert read(text, ago=ago, end_of_day=end_of_day).at.tzinfo is UTC
