"""What an adapter may raise, grouped by what the hub does next.

AdapterError
├── TransientError   retry, after `retry_after` if the other side named a time
├── PermanentError   dead letter at once; the key goes on with its next row
└── AuthError        pause this sink, keep its rows, raise an issue
"""

from datetime import timedelta


class AdapterError(Exception):
    """The outside system did not do what was asked; messages carry ids, never secrets or guests' data."""


class TransientError(AdapterError):
    """The same call may succeed later: a timeout, a 429, a 5xx, a cut answer.

    `effect_unknown`: no answer came, so the call may have had its effect. What must not be repeated
    is then left to a person.
    """

    def __init__(
        self, message: str, *, retry_after: timedelta | None = None, effect_unknown: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.effect_unknown = effect_unknown


class PermanentError(AdapterError):
    """The same call will never succeed: the other side refuses its content."""


class AuthError(AdapterError):
    """The credentials are missing, expired or not allowed to do this."""
