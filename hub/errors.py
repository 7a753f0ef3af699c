"""The hub's own errors, grouped by what happens next.

HubError
├── ConfigError            every problem of the configuration at once; exit code 2
├── AlreadyRunningError    another hub works on this data directory; exit code 2
├── ForeignLogError        the log belongs to another installation; exit code 2
├── LogMissingError        the store knows a log that the broker does not hold; exit code 2
├── SignatureError         a request without the right token: refused, nothing stored
├── LogError
│   ├── LogUnavailableError   the broker did not answer: the outcome is unknown, read again
│   ├── ConcurrencyError      somebody appended first: fetch again, derive again, append again
│   ├── FactConflictError     a fact id came twice with a fresh expectation: kept and shown
│   └── GapError              positions are not contiguous: the reader must not go on
└── StoreError             the SQL store failed (disk full, unreachable)
    ├── StoreTooNewError      written by a newer hub; exit code 2
    └── CheckpointMovedError  another reader advanced the checkpoint: this one must stop or reload
"""

from collections.abc import Sequence
from dataclasses import dataclass


class HubError(Exception):
    """One readable line: what, where, what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the configuration; `path` is the YAML path, line and column count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str


class ConfigError(HubError):
    """The configuration cannot be used; holds every problem that was found."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class AlreadyRunningError(HubError):
    """Another hub holds this data directory."""


class ForeignLogError(HubError):
    """The log carries another installation's id."""


class LogMissingError(HubError):
    """The store knows a log that is not there; creating an empty one would hide the loss."""


class SignatureError(HubError):
    """A request did not carry a right token."""


class LogError(HubError):
    """The event log refused or failed."""


class LogUnavailableError(LogError):
    """No answer in time; whether the write happened is unknown, so read before writing again."""


class ConcurrencyError(LogError):
    """The history moved on since it was read."""


class FactConflictError(LogError):
    """The log already holds this fact id although the expected version was current."""


class GapError(LogError):
    """A position is missing between two events that should be neighbours."""


class StoreError(HubError):
    """The SQL store failed."""


class StoreTooNewError(StoreError):
    """The database was migrated by a newer hub than this one."""


class CheckpointMovedError(StoreError):
    """The checkpoint is not where this reader left it."""
