"""What a failed attempt means for its row."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import safe_for
from adapters.api import Repeat
from adapters.errors import AdapterError, ApprovalNeededError, AuthError, PermanentError, TransientError
from hub.delivery.errors import CutOffError
from hub.delivery.policy import (
    RetryPolicy,
    Terms,
    Tried,
    Verdict,
    delay,
    error_class,
    error_message,
    judge,
    may_repeat,
)

NOW = datetime(2026, 10, 20, 14, 0, tzinfo=UTC)
RETRY = RetryPolicy()
TIMEOUT = timedelta(seconds=30)
DAY = timedelta(hours=24)


def verdict(
    error: Exception,
    *,
    failed_before: int = 0,
    repeat: Repeat = "safe",
    age: timedelta = timedelta(0),
    **sink: bool,
) -> Verdict:
    tried = Tried(failed_before, NOW - age, **sink)
    return judge(error, tried, Terms(RETRY, TIMEOUT, repeat), now=NOW, jitter=0.0)


def test_default_schedule_doubles_from_two_seconds_to_a_quarter_of_an_hour() -> None:
    delays = [delay(RETRY, failed, jitter=0.0).total_seconds() for failed in range(1, 13)]
    assert delays == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


@given(
    failed=st.integers(1, 10_000),
    jitter=st.floats(0, 1, exclude_max=True),
    first=st.timedeltas(timedelta(milliseconds=1), timedelta(days=1)),
    longest=st.timedeltas(timedelta(seconds=1), timedelta(days=2)),
)
def test_delay_never_exceeds_the_longest_and_loses_at_most_a_quarter(
    failed: int, jitter: float, first: timedelta, longest: timedelta
) -> None:
    retry = RetryPolicy(first=first, max=longest)
    full = delay(retry, failed, jitter=0.0)
    assert full <= longest
    assert full * 0.7499 <= delay(retry, failed, jitter=jitter) <= full


def test_transient_failure_waits_and_is_counted() -> None:
    assert verdict(TransientError("503")) == Verdict("pending", "retry", 1, NOW + timedelta(seconds=2))


def test_last_transient_attempt_parks() -> None:
    assert verdict(TransientError("503"), failed_before=18).state == "pending"
    assert verdict(TransientError("503"), failed_before=19).state == "parked"


def test_a_told_wait_is_respected_bounded_and_nobodys_attempt() -> None:
    def told(wait: timedelta) -> Verdict:
        return verdict(TransientError("429", retry_after=wait), failed_before=3)

    assert told(timedelta(minutes=40)) == Verdict(
        "pending",
        "wait",
        3,
        NOW + timedelta(minutes=40),
        wait_until=NOW + timedelta(minutes=40),
    )
    assert told(timedelta(seconds=1)).due_at == NOW + timedelta(seconds=1)
    assert told(timedelta(days=900_000_000)).due_at == NOW + timedelta(hours=24)


@pytest.mark.parametrize("wait", [None, timedelta(0), timedelta(seconds=-5)], ids=["none", "zero", "past"])
def test_a_429_without_a_time_counts_as_transient(wait: timedelta | None) -> None:
    judged = verdict(TransientError("429", retry_after=wait))
    assert judged == Verdict("pending", "retry", 1, NOW + timedelta(seconds=2))


def test_a_told_wait_counts_if_the_target_serves_others_meanwhile() -> None:
    error = TransientError("503", retry_after=timedelta(seconds=1))
    counted = verdict(error, failed_before=4, served_since=True)
    assert (counted.outcome, counted.attempts, counted.due_at) == ("retry", 5, NOW + timedelta(seconds=32))
    assert verdict(error, failed_before=19, served_since=True).state == "parked"


def test_an_attempt_during_an_outage_says_nothing_of_its_row() -> None:
    assert verdict(TransientError("503"), failed_before=19, blameless=True) == Verdict(
        "pending", "retry", 19, NOW + RETRY.max
    )
    assert verdict(TransientError("503"), failed_before=20, blameless=True).state == "parked"
    assert verdict(ValueError("x"), failed_before=19, blameless=True).state == "pending"


def test_permanent_failure_is_dead_at_once() -> None:
    assert verdict(PermanentError("400 invalid")).state == "dead"


def test_missing_credentials_stop_the_sink_and_count_for_nobody() -> None:
    assert verdict(AuthError("401"), failed_before=3) == Verdict(
        "pending", "auth_failed", 3, NOW, stops_sink=True
    )


@pytest.mark.parametrize("error", [ValueError("x"), AdapterError("unsorted")], ids=["bug", "unsorted"])
def test_unexpected_failure_is_retried_and_dead_in_the_end(error: Exception) -> None:
    assert verdict(error).state == "pending"
    assert verdict(error, failed_before=19).state == "dead"


def test_cut_off_call_rests_its_key_for_another_timeout() -> None:
    cut_off = verdict(CutOffError("no answer"))
    assert (cut_off.state, cut_off.rests, cut_off.due_at) == ("pending", True, NOW + TIMEOUT)
    assert verdict(CutOffError("no answer"), failed_before=19).rests


UNKNOWN = pytest.mark.parametrize(
    "error",
    [CutOffError("no answer"), ValueError("x"), TransientError("connection reset", effect_unknown=True)],
    ids=["cut-off", "bug", "lost-reply"],
)


@UNKNOWN
def test_unknown_effect_of_what_must_not_be_repeated_is_for_a_person(error: Exception) -> None:
    assert verdict(error, repeat="unsafe").state == "uncertain"


@UNKNOWN
def test_unknown_effect_is_repeated_while_the_other_side_remembers(error: Exception) -> None:
    young = verdict(error, repeat=safe_for(DAY), age=DAY - timedelta(minutes=1))
    assert (young.state, young.unknown) == ("pending", True)
    assert verdict(error, repeat=safe_for(DAY), age=DAY).state == "uncertain"
    # What counts is when it would be repeated.
    assert verdict(error, repeat=safe_for(DAY), age=DAY - timedelta(seconds=1)).state == "uncertain"


def test_what_was_refused_is_repeated_however_old_it_is() -> None:
    assert verdict(TransientError("429"), repeat="unsafe").state == "pending"
    assert verdict(TransientError("503"), repeat=safe_for(DAY), age=3 * DAY).state == "pending"


def test_only_a_known_window_ends() -> None:
    assert may_repeat("safe", NOW, at=NOW + 900 * DAY)
    assert not may_repeat("unsafe", NOW, at=NOW)
    assert may_repeat(safe_for(DAY), NOW, at=NOW + DAY - timedelta(microseconds=1))
    assert not may_repeat(safe_for(DAY), NOW, at=NOW + DAY)


def test_stored_message_of_an_adapter_error_is_one_cut_line() -> None:
    assert error_message(TransientError("503\n  backendError")) == "503 backendError"
    assert error_message(PermanentError("")) == "PermanentError"
    long = error_message(TransientError("x" * 4000))
    assert len(long) == 500
    assert long.endswith("…")


def test_stored_message_of_an_unexpected_error_tells_its_place_and_no_content() -> None:
    try:
        int("ilse@kunde.example")
    except ValueError as error:
        message = error_message(error)
    assert message.startswith(f"unexpected ValueError in {__name__}, line ")
    assert "ilse" not in message


def test_error_class_is_the_group_an_error_belongs_to() -> None:
    assert error_class(CutOffError("x")) == "TransientError"
    assert error_class(KeyError("x")) == "KeyError"


def test_what_a_person_has_to_approve_is_parked_and_nobodys_attempt() -> None:
    asks = ApprovalNeededError("49.00 EUR would go back, over 20.00 EUR")
    for failed_before in (0, 19):
        found = verdict(asks, failed_before=failed_before, repeat="unsafe", age=DAY * 2)
        assert (found.state, found.attempts, found.unknown) == ("parked", failed_before, False)
        assert not found.stops_sink
    assert error_class(asks) == "ApprovalNeededError"
    assert error_message(asks) == str(asks)
