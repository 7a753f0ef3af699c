"""What an adapter may raise, grouped by what the hub does next.

AdapterError
├── TransientError          retry, after `retry_after` if the other side named a time
│   └── OutcomeUnknownError a write may have happened: look before doing it again
├── PermanentError          dead letter at once; the key goes on with its next row
│   └── RefusalError        what a person asked for was refused; `code` says why
├── ApprovalNeededError     park the row until a person lets it through; nothing has happened
└── AuthError               pause this sink or source, keep its rows, raise an issue
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


class OutcomeUnknownError(TransientError):
    """A write without an answer, at a system that would do it twice if it were asked twice.

    Never repeated by itself: the next look at the object shows whether it happened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, effect_unknown=True)


class PermanentError(AdapterError):
    """The same call will never succeed: the other side refuses its content."""


class RefusalError(PermanentError):
    """A refusal whose reason people are told; `code` is a word in the manner of the HTTP API's problems."""

    def __init__(self, message: str, *, code: str = "provider-refused") -> None:
        super().__init__(message)
        self.code = code


class ApprovalNeededError(AdapterError):
    """This may be done only if a person says so; the message tells them what would be done."""


class AuthError(AdapterError):
    """The credentials are missing, expired or not allowed to do this."""
