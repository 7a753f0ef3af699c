"""Errors as RFC 9457 problems: every answer that is not the one asked for has this shape.

The codes are a contract with programs; `next` is a command that can be pasted as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import AdapterError, TransientError
from hub.commands.errors import RefusedCommandError
from hub.errors import LogError, StoreError
from hub.web.wire import encode

MEDIA_TYPE = "application/problem+json"

CODES: Mapping[str, tuple[int, str]] = {
    "unauthorised": (401, "A token is needed"),
    "forbidden": (403, "The token may not do this"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "This address does not take this method"),
    "ambiguous": (409, "Several things match"),
    "slot-taken": (409, "That time is taken"),
    "already-cancelled": (409, "It is cancelled already"),
    "nothing-paid": (409, "Nothing was paid"),
    "already-refunded": (409, "It was given back already"),
    "refund-refused": (409, "It is not given back"),
    "in-progress": (409, "The same request is still running"),
    "preview-outdated": (409, "What was shown has changed"),
    "precondition-failed": (412, "It has changed since it was read"),
    "too-large": (413, "The body is too large"),
    "invalid": (422, "The request cannot be understood"),
    "group-needs-scope": (422, "A group booking needs to know whom it concerns"),
    "key-reused": (422, "The key belongs to another request"),
    "rate-limited": (429, "Too many requests for now"),
    "internal": (500, "The hub failed"),
    "target-refused": (502, "The target refused"),
    "not-supported": (501, "This hub cannot do that"),
    "provider-refused": (502, "The other side refused"),
    "log-unavailable": (503, "The event log does not answer"),
    "store-unavailable": (503, "The store does not answer"),
    "target-unreachable": (503, "The target does not answer"),
    "not-ready": (503, "The hub is not ready"),
    "provider-unreachable": (503, "The other side does not answer"),
    "outcome-unknown": (504, "Nobody knows whether it happened"),
}

_LATER = {"Retry-After": "5"}
_BY_STATUS = {
    400: "invalid",
    401: "unauthorised",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
}


class ProblemError(Exception):
    """Ends a request with this problem."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        next: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status, self.title = CODES[code]
        self.detail = detail
        self.next = next
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self, request_id: str | None) -> dict[str, Any]:
        """The JSON object that is sent."""
        shown: dict[str, Any] = {
            "type": f"urn:bookinghub:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "next": self.next,
            "request_id": request_id,
        }
        if self.code == "invalid":
            shown["errors"] = [dict(error) for error in self.errors]
        return shown | self.extra

    def response(self, request_id: str | None) -> Response:
        """The answer to send."""
        return Response(
            encode(self.body(request_id)), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def invalid(pointer: str, detail: str, *, next: str | None = None) -> ProblemError:
    """One thing wrong with the request, at a JSON pointer into its query or body."""
    return ProblemError("invalid", detail, next=next, errors=[{"pointer": pointer, "detail": detail}])


def not_found(kind: str, ref: str, *, next: str | None) -> ProblemError:
    """Nothing of this kind answers to this reference."""
    return ProblemError("not-found", f"no {kind} matches {ref!r}", next=next)


def of_other_side(name: str, error: AdapterError, *, next: str) -> ProblemError:
    """What the outside system of this source or sink answered, or that it did not answer."""
    code = "provider-unreachable" if isinstance(error, TransientError) else "provider-refused"
    return ProblemError(code, f"{name}: {error}", next=next)


def request_id_of(request: Request) -> str | None:
    """The id that the edge gave this request."""
    found = getattr(request.state, "request_id", None)
    return found if isinstance(found, str) else None


def problem_of(error: Exception) -> ProblemError:
    """The problem an exception stands for; what nobody foresaw says nothing but that it happened."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RefusedCommandError):
        return of_command(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, LogError):
        return ProblemError("log-unavailable", str(error), next="bookinghub status", headers=_LATER)
    if isinstance(error, StoreError):
        return ProblemError("store-unavailable", str(error), next="bookinghub status", headers=_LATER)
    return ProblemError("internal", "this is a defect; the log of the hub names it", next="bookinghub status")


def of_command(error: RefusedCommandError) -> ProblemError:
    """A command on a booking that was not done, or of which nobody knows."""
    if error.code == "invalid":
        return invalid(error.pointer or "", error.detail, next=error.next)
    wait = error.retry_after
    headers = {"Retry-After": str(max(1, round(wait.total_seconds())))} if wait is not None else None
    return ProblemError(error.code, error.detail, next=error.next, headers=headers, extra=error.extra)


async def answer(request: Request, error: Exception) -> Response:
    """Exception handler for everything that has a problem of its own."""
    return problem_of(error).response(request_id_of(request))


def _of_framework(error: HTTPException) -> ProblemError:
    code = _BY_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "invalid")
    if code == "not-found":
        return ProblemError(code, "there is nothing at this address; see /docs", next="bookinghub --help")
    return ProblemError(code, str(error.detail), headers=error.headers)


def _of_validation(error: RequestValidationError) -> ProblemError:
    errors = [{"pointer": _pointer(item["loc"]), "detail": str(item["msg"])} for item in error.errors()[:20]]
    detail = "; ".join(f"{item['pointer'] or 'the body'}: {item['detail']}" for item in errors)
    return ProblemError("invalid", detail, errors=errors)


def _pointer(location: Sequence[Any]) -> str:
    steps = [str(step) for step in location if step not in ("body", "query", "path")]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
