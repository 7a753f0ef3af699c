"""The JSON objects of commands on bookings; the same rules hold as for those about bookings."""

from typing import Any

from hub.web.objects import BookingObject, Shown
from hub.web.wire import Moment


class ResultObject(Shown):
    """What became of one of several requests of a command."""

    about: str
    outcome: str
    message: str | None


class RefundObject(Shown):
    """What goes back with a cancellation; `amount` is what an amount over the limit is confirmed with."""

    sink: str
    amount: str
    text: str
    over_limit: bool
    done: bool


class CommandObject(Shown):
    """What a command did, or would do; `booking` is as it is then, or the new one if one was made.

    `mails` are those the provider writes to, `others` bookings that may change along with it. `confirmed`:
    the provider has shown the change since; where it has not yet, the operation goes on looking.
    """

    command: str
    command_id: str | None
    booking_id: str
    dry_run: bool
    preview: str
    effect: str
    to: Moment | None
    mails: list[str]
    others: list[str]
    refund: RefundObject | None
    booking: BookingObject | None
    facts: list[str]
    confirmed: bool | None
    results: list[ResultObject]
    operation_id: str | None


class RangeItem(Shown):
    """A booking that would be cancelled."""

    booking_id: str
    title: str | None
    start: Moment
    attendees: list[str]
    group: bool


class RangeObject(Shown):
    """What a range comes to: how many bookings, of them groups, and how many people are written to.

    `preview` names exactly these bookings; `items` are the first of them.
    """

    count: int
    groups: int
    mails: int
    dry_run: bool
    preview: str
    items: list[RangeItem]


class FreeTimeObject(Shown):
    """A time that can be booked; a group's has the booking to join and the places left."""

    start: Moment
    end: Moment | None
    timezone: str | None
    provider_id: str | None
    places: int | None


class DifferenceObject(Shown):
    """A member that the provider shows otherwise than the history says."""

    name: str
    hub: Any
    provider: Any


class LiveObject(Shown):
    """A booking beside what its provider shows now; nothing is added to its history.

    `missing`: the provider has it no more; `reason` says why its answer could not be read.
    """

    booking: BookingObject
    missing: bool
    reason: str | None
    differences: list[DifferenceObject]


class LinkObject(Shown):
    """Where an attendee moves or cancels the booking; `sent_by` names the sink that wrote it to them."""

    booking_id: str
    attendee_id: str
    email: str | None
    link: str
    dry_run: bool
    sent_by: str | None
