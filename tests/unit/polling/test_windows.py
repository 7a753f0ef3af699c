"""Windows of polls and months of backfills."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.polling.windows import OVERLAP, created_window, months, next_month, poll_window

NOW = datetime(2026, 10, 21, 12, 0, tzinfo=UTC)
WEEK, QUARTER = timedelta(days=7), timedelta(days=90)
MOMENTS = st.timedeltas(timedelta(days=-3000), timedelta(days=3000)).map(lambda since: NOW + since)


@given(MOMENTS, MOMENTS)
def test_months_follow_each_other_without_a_gap(one: datetime, other: datetime) -> None:
    begin, end = sorted((one, other))
    parts = list(months(begin, end))
    if begin == end:
        assert parts == []
        return
    assert (parts[0][0], parts[-1][1]) == (begin, end)
    assert all(first[1] == second[0] for first, second in pairwise(parts))
    assert all((part[0].year, part[0].month) == (begin.year, begin.month) for part in parts[:1])
    assert all(part[1].day == 1 and part[1].time() == datetime.min.time() for part in parts[:-1])


@pytest.mark.parametrize(
    ("moment", "following"),
    [
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (
            datetime(2026, 11, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 11, 1, tzinfo=UTC),
        ),
    ],
    ids=["end of a year", "first moment", "another zone"],
)
def test_the_next_month_begins_in_utc(moment: datetime, following: datetime) -> None:
    assert next_month(moment) == following


def test_a_poll_looks_around_now() -> None:
    window = poll_window(NOW, past=WEEK, ahead=QUARTER, last=NOW - timedelta(minutes=5), host="h1")
    assert (window.begin, window.end) == (NOW - timedelta(minutes=5) - WEEK, NOW + QUARTER)
    assert (window.by, window.host) == ("start", "h1")


def test_after_a_time_without_polls_it_reaches_back() -> None:
    last = NOW - timedelta(days=30)
    assert poll_window(NOW, past=WEEK, ahead=QUARTER, last=last, host=None).begin == last - WEEK


def test_a_clock_that_went_back_makes_no_window_smaller() -> None:
    ahead = NOW + timedelta(days=30)
    assert poll_window(NOW, past=WEEK, ahead=QUARTER, last=ahead, host=None).begin == NOW - WEEK
    assert created_window(NOW, since=ahead, host=None).begin == NOW - OVERLAP


def test_what_was_booked_is_read_with_an_overlap() -> None:
    since = NOW - timedelta(hours=2)
    window = created_window(NOW, since=since, host=None)
    assert window.begin == since - OVERLAP
    assert window.end > NOW
    assert window.by == "created"
