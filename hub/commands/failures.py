"""What a failure at the provider means for whoever gave the command, in words of the HTTP API. Pure."""

from collections.abc import Mapping

from adapters.errors import AdapterError, AuthError, RefusalError, TransientError
from events.state import Booking
from hub.commands.errors import RefusedCommandError

_SAID: Mapping[str, str] = {
    "slot-taken": "slot-taken",
    "invalid": "invalid",
    "not-found": "not-found",
    "not-supported": "not-supported",
}
"""Refusals that the API has a word for; any other is `provider-refused`."""


def told(error: AdapterError, booking: Booking) -> RefusedCommandError:
    """The problem; certain is that nothing has happened."""
    if isinstance(error, RefusalError):
        return _refusal(error, booking)
    if isinstance(error, TransientError) and error.retry_after is not None:
        return RefusedCommandError(
            "rate-limited", f"{error}: too many requests for now", retry_after=error.retry_after
        )
    if isinstance(error, TransientError):
        return RefusedCommandError("provider-unreachable", str(error), next="bookinghub sources list")
    detail = f"{error}; renew the key of {booking.source}" if isinstance(error, AuthError) else str(error)
    return RefusedCommandError("provider-refused", detail, next=f"bookinghub sources show {booking.source}")


def gone(booking: Booking) -> RefusedCommandError:
    """The provider knows no such booking."""
    return RefusedCommandError(
        "not-found",
        f"{booking.source} has no booking {booking.provider_id} any more, or not for its hosts",
        next=f"bookinghub why {booking.booking_id}",
    )


def unknown(error: Exception, operation_id: str) -> RefusedCommandError:
    """Nobody knows whether it has happened; the operation finds out."""
    return RefusedCommandError(
        "outcome-unknown",
        f"{error}; it may have happened and is not asked for again, operation {operation_id} looks",
        next=f"bookinghub operations show {operation_id}",
        extra={"operation_id": operation_id},
    )


def _refusal(error: RefusalError, booking: Booking) -> RefusedCommandError:
    code = _SAID.get(error.code, "provider-refused")
    if code == "slot-taken":
        return RefusedCommandError(
            code,
            f"{booking.source} says that this time is taken",
            next=f"bookinghub bookings availability {booking.booking_id}",
        )
    return RefusedCommandError(code, str(error), pointer="" if code == "invalid" else None)
