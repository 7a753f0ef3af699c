"""The JSON objects about asking a source's provider; the same rules hold as for those about bookings."""

from typing import Literal

from hub.web.objects import Shown
from hub.web.wire import Moment


class PollObject(Shown):
    """How a source is polled, and how that went last; nothing is known before the first poll.

    `lists` is how many lists of the provider are read, one for each host where the key sees one at a time.
    """

    every_seconds: float | None
    lists: int
    last_at: Moment | None
    succeeded_at: Moment | None
    failing_since: Moment | None
    error: str | None
    bookings: int
    facts: int
    duration_seconds: float | None


class HistoryObject(Shown):
    """What was read of the time before: all meetings from `begin` up to `read_until`, in the end up to `end`.

    `incomplete` counts months the provider did not show whole.
    """

    state: Literal["open", "done"]
    begin: Moment
    end: Moment
    read_until: Moment
    bookings: int
    facts: int
    incomplete: int


class WebhookObject(Shown):
    """Facts since `since` that a webhook should have told of, and how many of them a poll had to find."""

    since: Moment
    expected: int
    lost: int


class MissingObject(Shown):
    """An active booking the provider has no more; that is no cancellation."""

    booking_id: str
    start: Moment | None
    since: Moment


class RegistrationObject(Shown):
    """Our address at the provider, its token hidden; `made` and `removed` say what changed, or would."""

    source: str
    address: str
    registered: bool
    made: bool
    removed: int
    dry_run: bool
