"""Google's refusals, sorted by what the hub does next."""

import json
from datetime import UTC, datetime, timedelta

import httplib2
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from googleapiclient.errors import HttpError

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.google_calendar.failures import Call, is_limit, sort_answer, sort_auth_failure

NOW = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)


def refusal(status: int, body: object, **headers: str) -> HttpError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    members = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpError(httplib2.Response({"status": str(status)} | members), content, uri="https://g/x?key=1")


def named(*reasons: str) -> dict[str, object]:
    return {"error": {"code": 1, "message": "of Ann Arbor", "errors": [{"reason": name} for name in reasons]}}


def sorted_as(error: HttpError, call: Call = "update") -> AdapterError:
    return sort_answer(error, call, "update 4k2f", NOW)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "invalid", PermanentError),
        (400, "timeRangeEmpty", PermanentError),
        (401, "authError", AuthError),
        (403, "rateLimitExceeded", TransientError),
        (403, "userRateLimitExceeded", TransientError),
        (403, "RATE_LIMIT_EXCEEDED", TransientError),
        (403, "quotaExceeded", TransientError),
        (403, "dailyLimitExceeded", TransientError),
        (403, "forbidden", AuthError),
        (403, "insufficientPermissions", AuthError),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", AuthError),
        (403, "accessNotConfigured", AuthError),
        (403, "forbiddenForNonOrganizer", PermanentError),
        (403, "somethingNew", TransientError),
        (404, "notFound", PermanentError),
        (408, "timeout", TransientError),
        (409, "conflict", TransientError),
        (410, "updatedMinTooLongAgo", PermanentError),
        (413, "uploadTooLarge", PermanentError),
        (429, "rateLimitExceeded", TransientError),
        (500, "backendError", TransientError),
        (503, "backendError", TransientError),
    ],
)
def test_the_reason_decides(status: int, reason: str, kind: type[AdapterError]) -> None:
    error = sorted_as(refusal(status, named(reason)))
    assert type(error) is kind
    assert str(error) == f"update 4k2f: {status} {reason}"


def test_details_of_the_newer_form_are_read_too() -> None:
    body = {"error": {"status": "PERMISSION_DENIED", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}, "odd"]}}
    assert isinstance(sorted_as(refusal(403, body)), TransientError)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>502 Bad Gateway</html>",
        b"",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"error": "text"}',
        b'{"error": {"errors": "text"}}',
        b'{"error": {"errors": [{"reason": 5}]}}',
    ],
    ids=[
        "html",
        "empty",
        "no UTF-8",
        "list",
        "text",
        "error is text",
        "errors is text",
        "reason is a number",
    ],
)
def test_a_body_that_is_not_googles_is_sorted_by_status(body: bytes) -> None:
    assert isinstance(sorted_as(refusal(502, body)), TransientError)
    assert isinstance(sorted_as(refusal(403, body)), TransientError)
    assert isinstance(sorted_as(refusal(400, body)), PermanentError)
    assert str(sorted_as(refusal(502, body))) == "update 4k2f: 502"


def test_a_message_holds_the_reason_and_nothing_that_was_sent() -> None:
    body = {"error": {"message": "ann@kunde.example", "errors": [{"reason": "bad <ann@kunde.example>"}]}}
    assert str(sorted_as(refusal(400, body))) == "update 4k2f: 400"


def test_a_missing_calendar_is_named_as_such() -> None:
    error = sort_answer(refusal(404, named("notFound")), "insert", "insert 4k2f", NOW)
    assert isinstance(error, PermanentError)
    assert "no such calendar" in str(error)


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("999999999999", timedelta(days=1)),
        ("Tue, 20 Oct 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Tue, 20 Oct 2026 11:00:00 GMT", timedelta(0)),
        ("-5", None),
        ("later", None),
        ("Tue, 20 Oct 99999999999999999999 12:00:30 GMT", None),
        ("", None),
    ],
)
def test_the_time_to_wait_is_kept(told: str, wait: timedelta | None) -> None:
    error = sorted_as(refusal(429, named("rateLimitExceeded"), retry_after=told))
    assert isinstance(error, TransientError)
    assert error.retry_after == wait


def test_a_used_up_quota_waits_an_hour_unless_told() -> None:
    error = sorted_as(refusal(403, named("quotaExceeded")))
    told = sorted_as(refusal(403, named("quotaExceeded"), retry_after="60"))
    assert isinstance(error, TransientError)
    assert isinstance(told, TransientError)
    assert (error.retry_after, told.retry_after) == (timedelta(hours=1), timedelta(minutes=1))


def test_limits_are_told_from_refusals() -> None:
    assert is_limit(refusal(403, named("userRateLimitExceeded")))
    assert not is_limit(refusal(403, named("forbidden")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransportError("away"), TransientError),
        (RefreshError("busy", retryable=True), TransientError),
        (RefreshError("revoked"), AuthError),
        (DefaultCredentialsError("none"), AuthError),
    ],
    ids=["no connection", "may pass", "revoked", "none"],
)
def test_a_token_that_is_not_given_is_sorted(error: Exception, kind: type[AdapterError]) -> None:
    assert type(sort_auth_failure(error, "credentials")) is kind  # type: ignore[arg-type]
