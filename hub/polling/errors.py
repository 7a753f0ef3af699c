"""What keeps a source from being asked.

HubError
├── BusyError           somebody else asks this source just now
├── LeaseLostError      another hub took over; nothing more is written
├── NotShownError       the provider did not show its lists whole
├── NothingToReadError  the months that were asked for are none
└── NoDoorError         there is no address the provider could post to
"""

from hub.errors import HubError


class BusyError(HubError):
    """Somebody else does this just now."""


class LeaseLostError(HubError):
    """The lease went to another hub while the work was done."""


class NotShownError(HubError):
    """A list ended early, repeated itself or was refused; what it showed was taken."""


class NothingToReadError(HubError):
    """The span that was asked for is empty."""


class NoDoorError(HubError):
    """No address of ours is known that the provider could post to."""
