"""What can go wrong while reading the log into tables.

HubError
├── RebuildRunningError   another rebuild of this store runs; exit code 1
├── RebuildLostError      this rebuild was superseded; the live generation still serves
└── LogMismatchError      the log does not hold what the checkpoint says: verify, recover
"""

from hub.errors import HubError, LogError


class RebuildRunningError(HubError):
    """Somebody else rebuilds this store."""


class RebuildLostError(HubError):
    """The generation this rebuild was filling is not its own any more."""


class LogMismatchError(LogError):
    """At the checkpoint's position stands another event, or none."""
