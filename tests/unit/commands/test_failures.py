"""Failures at the provider as words of the API."""

from datetime import timedelta

import pytest

from adapters.errors import AdapterError, AuthError, RefusalError, TransientError
from events.derive import fold
from hub.commands.failures import told
from hub.web.problems import CODES
from tests.factories import history, snapshot


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (RefusalError("x", code="slot-taken"), "slot-taken", 409),
        (RefusalError("x", code="not-found"), "not-found", 404),
        (RefusalError("x", code="invalid"), "invalid", 422),
        (RefusalError("x", code="forbidden"), "provider-refused", 502),
        (RefusalError("x", code="limit-reached"), "provider-refused", 502),
        (AuthError("x"), "provider-refused", 502),
        (TransientError("x", retry_after=timedelta(seconds=30)), "rate-limited", 429),
        (TransientError("x"), "provider-unreachable", 503),
    ],
    ids=lambda value: getattr(value, "code", None) or str(value),
)
def test_each_failure_has_its_word(error: AdapterError, code: str, status: int) -> None:
    state = fold(history(snapshot()))
    assert state is not None
    problem = told(error, state)
    assert (problem.code, CODES[problem.code][0]) == (code, status)
    assert problem.retry_after == getattr(error, "retry_after", None)
