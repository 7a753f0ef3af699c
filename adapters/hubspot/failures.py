"""Reads what HubSpot answered when it refused; pure.

Only codes and names of properties and scopes come out: the texts quote what was sent.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import Answer, Sorting, retry_after

LOCKED, TOO_MANY, MIGRATING = 423, 429, 477
PASSING = frozenset((LOCKED, TOO_MANY, MIGRATING))
"""Refusals that pass and say how long that takes in HubSpot's own way."""

LOCK = timedelta(seconds=2)
"""How long a lock lasts, by HubSpot's error page."""
WINDOW = timedelta(seconds=10)
"""The limit is on calls within ten seconds, unless the answer names another interval."""
MOVING = timedelta(minutes=15)
"""While an account moves to another data centre, which may take a day."""

UNKNOWN_PROPERTY = "PROPERTY_DOESNT_EXIST"

_NAMING = ("propertyName", "requiredGranularScopes", "requiredScopes", "missingScopes")
"""Members of an error's context that hold names; others may hold values."""
_CODE = re.compile("[A-Z_]{1,60}")
_NAME = re.compile(r"[a-z0-9_.\-]{1,100}")
_QUOTED_LIST = re.compile(r"\[.*\]", re.DOTALL)


def sorting(instance: str) -> Sorting:
    """How refusals are told of a sink of this name."""
    return Sorting(forbidden=AuthError, reason=lambda answer: reason(answer, instance))


def reason(answer: Answer, instance: str) -> str | None:
    """The category, the codes and names behind it, and what helps if a property is missing."""
    body = _object(answer)
    found = dict.fromkeys((*_codes(body.get("category")), *_details(body)))
    if UNKNOWN_PROPERTY in found:
        return f"{' '.join(found)}; make the property with: bookinghub sinks prepare {instance}"
    return " ".join(found) or None


def category(problem: Mapping[str, Any]) -> str:
    """What one refusal among several of a batch is about; empty if it does not say."""
    return next(_codes(problem.get("category")), "")


def passing(answer: Answer, *, now: datetime, timezone: str) -> TransientError:
    """The failure of a status among `PASSING`, with the wait HubSpot asks for."""
    told = retry_after(answer.headers, now=now)
    policy = next(_codes(_object(answer).get("policyName")), "")
    message = f"{answer.host} answered {answer.status}{f' {policy}' if policy else ''}"
    return TransientError(
        message, retry_after=told if told is not None else _wait(answer, policy, now, timezone)
    )


def refused_item(problem: Mapping[str, Any], instance: str) -> AdapterError:
    """One refusal inside an answer that holds several results."""
    answer = Answer(207, {}, json.dumps(problem).encode())
    message = f"refused within a batch: {reason(answer, instance) or 'no reason given'}"
    permanent = category(problem) in ("VALIDATION_ERROR", "OBJECT_NOT_FOUND", "CONFLICT")
    return PermanentError(message) if permanent else TransientError(message)


def _wait(answer: Answer, policy: str, now: datetime, timezone: str) -> timedelta:
    if answer.status == LOCKED:
        return LOCK
    if answer.status == MIGRATING:
        return MOVING
    if policy == "DAILY":
        return _until_midnight(now, timezone)
    interval = answer.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
    return timedelta(milliseconds=int(interval[:9])) if interval.isdecimal() else WINDOW


def _until_midnight(now: datetime, timezone: str) -> timedelta:
    """The daily limit begins anew at midnight of the account; a minute later it surely has."""
    local = now.astimezone(ZoneInfo(timezone))
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
    return midnight.astimezone(now.tzinfo) - now


def _details(body: Mapping[str, Any]) -> Iterator[str]:
    """From the list of errors and, where that is missing, from the list quoted in the message."""
    for error in (*_listed(body.get("errors")), *_quoted(body.get("message"))):
        yield from _codes(error.get("code"))
        yield from _codes(error.get("error"))
        yield from _names(error.get("name"))
        context = error.get("context")
        named = [context.get(member) for member in _NAMING] if isinstance(context, Mapping) else []
        for value in (value for values in named if isinstance(values, list) for value in values):
            yield from _names(value)


def _quoted(message: object) -> list[Mapping[str, Any]]:
    quoted = _QUOTED_LIST.search(message) if isinstance(message, str) else None
    if quoted is None:
        return []
    with suppress(ValueError):
        return _listed(json.loads(quoted[0]))
    return []


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _object(answer: Answer) -> Mapping[str, Any]:
    with suppress(ValueError):
        value = json.loads(answer.content)
        return value if isinstance(value, Mapping) else {}
    return {}


def _matching(pattern: re.Pattern[str]) -> Callable[[object], Iterator[str]]:
    def matching(value: object) -> Iterator[str]:
        if isinstance(value, str) and pattern.fullmatch(value):
            yield value

    return matching


_codes, _names = _matching(_CODE), _matching(_NAME)
