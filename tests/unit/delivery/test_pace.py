"""The token bucket of a sink: never more than its rate within any of its periods."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.delivery.pace import Meter, Pace
from hub.settings import Rate
from hub.store.tables import SinkRow

NOW = datetime(2026, 10, 20, 14, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

rates = st.builds(Rate, st.integers(1, 500), st.sampled_from([SECOND, MINUTE, HOUR]))


def fresh() -> SinkRow:
    return SinkRow(name="crm", type="hubspot", first_seen_at=NOW)


@given(rate=rates, steps=st.lists(st.floats(0, 0.6), min_size=1, max_size=300))
def test_no_period_sees_more_than_the_rate(rate: Rate, steps: list[float]) -> None:
    pace, row, now = Pace.of(rate), fresh(), NOW
    begun: list[datetime] = []
    for step in steps:
        now += step * rate.per / min(rate.count, 20)
        allowed = pace.allowed(row, now)
        pace.spend(row, allowed, now)
        begun += [now] * allowed
    for first, start in enumerate(begun):
        assert sum(start <= moment < start + rate.per for moment in begun[first:]) <= rate.count


@given(rate=rates)
def test_in_the_long_run_the_rate_is_used(rate: Rate) -> None:
    pace, row, now, begun = Pace.of(rate), fresh(), NOW, 0
    while now < NOW + 3 * rate.per:
        allowed = pace.allowed(row, now)
        if allowed:
            pace.spend(row, allowed, now)
            begun += allowed
        else:
            again = pace.ready_at(row, now)
            assert again > now
            now = again
    assert 0.9 * 3 * rate.count <= begun <= 3 * rate.count


def test_a_tenth_may_begin_at_once() -> None:
    assert Pace.of(Rate(100, MINUTE)).allowed(fresh(), NOW) == 10
    assert Pace.of(Rate(8, SECOND)).allowed(fresh(), NOW) == 1


def test_debt_is_worked_off_before_the_next_call() -> None:
    pace, row = Pace.of(Rate(10, SECOND)), fresh()
    pace.spend(row, 1, NOW)
    pace.spend(row, 3, NOW)
    assert pace.allowed(row, NOW + timedelta(seconds=0.39)) == 0
    assert pace.ready_at(row, NOW) == NOW + timedelta(seconds=0.4, microseconds=1)
    assert pace.allowed(row, NOW + timedelta(seconds=0.4)) == 1


def test_clocks_that_differ_give_nothing_away_twice() -> None:
    pace, row = Pace.of(Rate(10, SECOND)), fresh()
    ahead = NOW + timedelta(seconds=5)
    pace.spend(row, 1, ahead)
    assert pace.allowed(row, NOW) == 0
    pace.spend(row, 0, NOW)
    assert pace.allowed(row, ahead) == 0


def test_a_clock_that_is_set_back_does_not_stop_the_sink() -> None:
    pace, row = Pace.of(Rate(10, SECOND)), fresh()
    pace.spend(row, 1, NOW + 24 * HOUR)
    assert pace.allowed(row, NOW) == 1
    pace.spend(row, 1, NOW)
    assert pace.allowed(row, NOW) == 0
    assert pace.ready_at(row, NOW) < NOW + SECOND


@pytest.mark.parametrize(("requests", "owed"), [(0, 2), (1, 2), (7, 6)], ids=["none", "fewer", "more"])
def test_meter_owes_what_no_token_was_taken_for(requests: int, owed: int) -> None:
    """Three calls for one token; the adapter's own client may have sent more requests than that."""
    meter = Meter(lambda: requests)
    meter.paid()
    for _ in range(3):
        meter.called()
    assert meter.take_owed() == owed
    assert meter.take_owed() == 0
