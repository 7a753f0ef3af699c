"""meetergo's refusals, worded as its pages and the clients of its vendor show them."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from adapters.simulation import RefusedError

PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    406: "Not Acceptable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class ProviderRefusalError(RefusedError):
    """A refusal with its whole body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, str(body.get("errorCode", "")), str(body["message"]))
        self.body = {"statusCode": status, **body}


def refused(status: int, message: str | Sequence[str]) -> ProviderRefusalError:
    """The common shape; several complaints at once come as a list."""
    said = message if isinstance(message, str) else list(message)
    return ProviderRefusalError(status, {"message": said, "error": PHRASES.get(status, "Error")})


def slot_occupied() -> ProviderRefusalError:
    return ProviderRefusalError(400, {"errorCode": "slot-occupied", "message": "slot-occupied"})


def not_found(what: str) -> ProviderRefusalError:
    return refused(404, f"{what} not found")


def invalid_body(error: ValidationError) -> ProviderRefusalError:
    """A body that fails validation names its fields."""
    complaints = [{"field": field, "message": f"{field} {text}"} for field, text in _complaints(error)]
    body = {"message": "Validation failed", "error": PHRASES[400], "errors": complaints}
    return ProviderRefusalError(400, body)


def invalid_query(error: ValidationError) -> ProviderRefusalError:
    """A query that fails validation is answered with a list of messages."""
    return refused(400, [f"{field} {text}" for field, text in _complaints(error)])


def _complaints(error: ValidationError) -> list[tuple[str, str]]:
    worded = {
        "greater_than_equal": "must not be less than {ge}",
        "less_than_equal": "must not be greater than {le}",
        "missing": "should not be empty",
        "string_too_long": "must be shorter than or equal to {max_length} characters",
    }
    return [
        (
            ".".join(str(step) for step in problem["loc"]) or "body",
            worded.get(problem["type"], "is not valid").format(**problem.get("ctx", {})),
        )
        for problem in error.errors()
    ]
