"""What meetergo's refusals mean.

Nothing of `message` goes into an error: the API quotes what it was sent, guests' data included. What is
taken from an answer is a code from a fixed list and names of members that this client sends.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from adapters.errors import AdapterError, AuthError, OutcomeUnknownError, RefusalError, TransientError
from adapters.http import Answer

LIMITED = 429
PASSING = frozenset((408, 425))
UPSTREAM = frozenset((502, 503, 504))
"""A gateway without an answer; 500 may also be meetergo's word for a malformed id, which stays malformed."""

USER_HEADER = "x-meetergo-api-user-id"
SLOT_TAKEN = "slot-occupied"
PLAN_LIMIT = "PLAN_LIMIT_REACHED"

_CODES: Mapping[int, str] = {404: "not-found", 403: "forbidden", 406: "limit-reached", 409: "slot-taken"}
_NAMED: Mapping[str, str] = {SLOT_TAKEN: "slot-taken", PLAN_LIMIT: "limit-reached"}
_SENT = frozenset(
    (
        *("attendee", "attendeeId", "cancelAll", "cancelEntireSeries", "description", "duration", "email"),
        *("end", "endpoint", "eventTypes", "existingAppointmentId", "hostIds", "ignoreAvailability"),
        *("language", "meetingTypeId", "note", "notes", "page", "pageSize", "phone", "queueId", "reason"),
        *("receiveReminders", "rescheduledFromId", "sortBy", "sortDirection", "start", "timezone", "userId"),
    )
)


def sorted_failure(answer: Answer, call: str, *, writes: bool, told: timedelta | None = None) -> AdapterError:
    """The error for an answer that is neither a success nor expected; `told` is the wait after a 429.

    A write answered 5xx may have happened, so it must not be done again before somebody has looked.
    """
    message = f"{call}: {answer.host} answered {answer.status}"
    if answer.status == LIMITED:
        return TransientError(message, retry_after=told)
    if answer.status >= 500 or answer.status in PASSING:
        return OutcomeUnknownError(message) if writes else TransientError(message)
    if answer.status == 401:
        return AuthError(f"{message}: the key is missing, wrong or expired")
    body = _body(answer)
    code = next(_codes(body), None)
    about = ", ".join(_members_named(body))
    detail = f"{message} {code or ''}".rstrip() + (f", about {about}" if about else "")
    return RefusalError(detail, code=code or _CODES.get(answer.status, "provider-refused"))


def _body(answer: Answer) -> Mapping[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _codes(body: Mapping[str, Any]) -> Iterator[str]:
    """The codes an answer may hold; `message` is one where `errorCode` was left out, or names a header."""
    for name in ("errorCode", "code", "message"):
        value = body.get(name)
        if isinstance(value, str) and value in _NAMED:
            yield _NAMED[value]
        elif isinstance(value, str) and USER_HEADER in value:
            yield "needs-user"


def _members_named(body: Mapping[str, Any]) -> list[str]:
    """Members of ours that the answer complains of: each message and each field begins with one."""
    message, errors = body.get("message"), body.get("errors")
    texts = [text for text in message if isinstance(text, str)] if isinstance(message, list) else []
    for error in errors if isinstance(errors, list) else []:
        field = error.get("field") if isinstance(error, Mapping) else None
        texts += [field] if isinstance(field, str) else []
    firsts = (text.replace(".", " ").split(maxsplit=1)[:1] for text in texts)
    return sorted({first[0] for first in firsts if first and first[0] in _SENT})
