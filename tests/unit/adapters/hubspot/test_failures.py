"""What a refusal of HubSpot's means, and what of it may be told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import Answer
from adapters.hubspot.failures import LOCK, MOVING, WINDOW, passing, reason, refused_item, sorting

AFTERNOON = datetime(2026, 10, 23, 14, 0, tzinfo=UTC)
GUEST = "quendolin@kunde.example"


def answer(status: int, body: object = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, content, "api.hubapi.com")


def limit(policy: str | None, **headers: str) -> Answer:
    body = {"status": "error", "message": "You have reached your limit.", "errorType": "RATE_LIMIT"}
    return answer(429, body | ({"policyName": policy} if policy else {}), **headers)


def wait(refused: Answer, timezone: str = "UTC") -> timedelta | None:
    error = passing(refused, now=AFTERNOON, timezone=timezone)
    assert isinstance(error, TransientError)
    return error.retry_after


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (limit("SECONDLY"), WINDOW),
        (limit("TEN_SECONDLY_ROLLING"), WINDOW),
        (limit("SECONDLY", x_hubspot_ratelimit_interval_milliseconds="1000"), timedelta(seconds=1)),
        (limit("TEN_SECONDLY_ROLLING", x_hubspot_ratelimit_interval_milliseconds="x"), WINDOW),
        (limit(None), WINDOW),
        (limit("SECONDLY", retry_after="7"), timedelta(seconds=7)),
        (limit("DAILY", retry_after="0"), timedelta()),
        (limit("DAILY", retry_after="90"), timedelta(seconds=90)),
        (limit("DAILY"), timedelta(hours=10, minutes=1)),
        (answer(429, b"<html>"), WINDOW),
        (answer(429, ["DAILY"]), WINDOW),
        (answer(423, {}), LOCK),
        (answer(477, {}), MOVING),
        (answer(477, {}, retry_after="3600"), timedelta(hours=1)),
    ],
)
def test_each_limit_has_its_wait(refused: Answer, expected: timedelta) -> None:
    assert wait(refused) == expected


@pytest.mark.parametrize(
    ("timezone", "hours"), [("Europe/Berlin", 8), ("America/New_York", 14), ("Asia/Tokyo", 1)]
)
def test_a_day_ends_at_the_midnight_of_the_account(timezone: str, hours: int) -> None:
    assert wait(limit("DAILY"), timezone) == timedelta(hours=hours, minutes=1)


def test_a_day_in_which_clocks_change_ends_at_its_own_midnight() -> None:
    error = passing(limit("DAILY"), now=datetime(2026, 10, 24, 22, 30, tzinfo=UTC), timezone="Europe/Berlin")
    assert error.retry_after == timedelta(hours=24, minutes=31)


def test_the_policy_is_named() -> None:
    assert str(passing(limit("DAILY"), now=AFTERNOON, timezone="UTC")) == "api.hubapi.com answered 429 DAILY"


def invalid(name: str, code: str, text: str = f"{GUEST} is wrong") -> dict[str, Any]:
    listed = [{"isValid": False, "message": text, "error": code, "name": name, "portalId": 1}]
    return {
        "status": "error",
        "message": f"Property values were not valid: {json.dumps(listed)}",
        "category": "VALIDATION_ERROR",
    }


def test_a_missing_property_is_named_with_what_helps() -> None:
    told = reason(answer(400, invalid("hub_no_show_count", "PROPERTY_DOESNT_EXIST")), "crm")
    assert told == (
        "VALIDATION_ERROR PROPERTY_DOESNT_EXIST hub_no_show_count; "
        "make the property with: bookinghub sinks prepare crm"
    )


def test_the_newer_list_of_errors_is_read_as_well() -> None:
    errors = [
        {
            "message": GUEST,
            "code": "INVALID_EMAIL",
            "context": {"propertyName": ["email"], "value": ["quendolin"]},
        }
    ]
    body = {"category": "VALIDATION_ERROR", "message": f"bad: {GUEST}", "errors": errors}
    assert reason(answer(400, body), "crm") == "VALIDATION_ERROR INVALID_EMAIL email"


def test_missing_scopes_are_named() -> None:
    context = {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    body = {"category": "MISSING_SCOPES", "errors": [{"message": "…", "context": context}]}
    assert reason(answer(403, body), "crm") == "MISSING_SCOPES crm.objects.contacts.write"
    assert sorting("crm").forbidden is AuthError


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        None,
        [],
        {},
        {"category": GUEST},
        {"category": 7, "errors": 7, "message": 7},
        {
            "message": f"[{GUEST}]",
            "errors": [GUEST, {"context": GUEST}, {"context": {"propertyName": GUEST}}],
        },
        invalid(GUEST, GUEST),
    ],
)
def test_nothing_but_codes_and_names_is_told(body: object) -> None:
    told = reason(answer(400, body), "crm")
    assert told in (None, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ({"category": "VALIDATION_ERROR"}, PermanentError),
        ({"category": "OBJECT_NOT_FOUND"}, PermanentError),
        ({"category": "CONFLICT"}, PermanentError),
        ({"category": "RATE_LIMITS"}, TransientError),
        ({"category": "INTERNAL_ERROR"}, TransientError),
        ({}, TransientError),
    ],
)
def test_one_refusal_in_a_batch_is_sorted_by_its_category(
    problem: dict[str, Any], kind: type[AdapterError]
) -> None:
    error = refused_item(problem | {"message": GUEST}, "crm")
    assert isinstance(error, kind)
    assert GUEST not in str(error)
