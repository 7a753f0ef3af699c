"""What goes wrong between the hub and a call to a target.

TransientError
└── CutOffError        the hub stopped waiting: the call may still have its effect, so its key rests
HubError
├── NotComparableError this sink keeps nothing that could be compared, or its target cannot be read back
├── LostClaimError     somebody else works on this key by now: the result is discarded
└── NotReadableError   the row's event cannot be read at present: given back, nobody's attempt
"""

from adapters.errors import TransientError
from hub.errors import HubError


class CutOffError(TransientError):
    """No answer within the sink's timeout; whether the call had its effect is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, effect_unknown=True)


class NotComparableError(HubError):
    """There is nothing to compare; says why."""


class LostClaimError(HubError):
    """The claim on this key is not ours any more; nothing may be recorded under it."""


class NotReadableError(HubError):
    """The log did not give the event a row is about."""
