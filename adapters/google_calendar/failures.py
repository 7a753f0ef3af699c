"""Sorts what Google answered into the three kinds of failure the hub knows; pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from googleapiclient.errors import HttpError

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import retry_after

Call = Literal["insert", "get", "update", "delete", "list"]

QUOTA_PAUSE = timedelta(hours=1)
"""After a used-up quota, unless a time was given: Google asks for a long pause there."""
LONGEST_PAUSE = timedelta(days=1)

_RATE = frozenset(("ratelimitexceeded", "userratelimitexceeded"))
_QUOTA = frozenset(("quotaexceeded", "dailylimitexceeded", "calendarlimitsexceeded"))
_NOT_ALLOWED = frozenset(
    (
        *("forbidden", "insufficientpermissions", "requiredaccesslevel", "autherror", "domainpolicy"),
        *("accessnotconfigured", "servicedisabled", "accesstokenscopeinsufficient"),
    )
)
_A_REASON = re.compile("[A-Za-z_]{1,60}")
_OF_THIS_ENTRY = frozenset(("forbiddenfornonorganizer", "eventtyperestriction"))


def is_limit(error: HttpError) -> bool:
    """Whether the call was refused for its rate or amount, not for what it asked."""
    return bool(_spelt_alike(_reasons(error)) & (_RATE | _QUOTA))


def sort_answer(error: HttpError, call: Call, where: str, now: datetime) -> AdapterError:
    """Which kind of failure a refusal is; by its reason, since Google answers 403 for several things."""
    status, named = int(error.resp.status), _reasons(error)
    reasons = _spelt_alike(named)
    message = f"{where}: {' '.join((str(status), *dict.fromkeys(named)))}"
    told = retry_after(error.resp, now=now)
    wait = None if told is None else min(told, LONGEST_PAUSE)
    if reasons & _QUOTA:
        return TransientError(message, retry_after=wait or QUOTA_PAUSE)
    if status in (408, 409, 429) or status >= 500 or reasons & _RATE:
        return TransientError(message, retry_after=wait)
    if status == 401:
        return AuthError(message)
    if status == 403:
        return _sort_forbidden(message, reasons, wait)
    if status == 404 and call in ("insert", "list"):
        return PermanentError(f"{message}: no such calendar, or it is not shared with this account")
    return PermanentError(message)


def _sort_forbidden(message: str, reasons: frozenset[str], wait: timedelta | None) -> AdapterError:
    if reasons & _NOT_ALLOWED:
        return AuthError(message)
    if reasons & _OF_THIS_ENTRY:
        return PermanentError(message)
    return TransientError(message, retry_after=wait)


def sort_auth_failure(error: GoogleAuthError, where: str) -> AdapterError:
    """No token was given: away for now, or refused."""
    message = f"{where}: no token ({type(error).__name__})"
    if isinstance(error, TransportError) or (isinstance(error, RefreshError) and error.retryable):
        return TransientError(message)
    return AuthError(message)


def _reasons(error: HttpError) -> tuple[str, ...]:
    """The reasons given; none if the body is not Google's JSON. Anything but a plain word is none."""
    try:
        body = json.loads(error.content)
    except ValueError:
        return ()
    problem = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(problem, Mapping):
        return ()
    listed = [*_listed(problem.get("errors")), *_listed(problem.get("details"))]
    return tuple(item["reason"] for item in listed if _A_REASON.fullmatch(item["reason"]))


def _spelt_alike(reasons: tuple[str, ...]) -> frozenset[str]:
    """Google has two spellings: `rateLimitExceeded` and `RATE_LIMIT_EXCEEDED`."""
    return frozenset(reason.replace("_", "").lower() for reason in reasons)


def _listed(value: object) -> list[Mapping[str, str]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping) and isinstance(item.get("reason"), str)]
