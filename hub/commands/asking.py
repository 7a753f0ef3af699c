"""What a person asks the provider before they act: free times, how it shows a booking now, and its page."""

from datetime import datetime

from adapters.api import Reading
from adapters.errors import AdapterError
from adapters.provider import Availability, FreeTimes, Priority
from events.state import Booking, MeetingType
from hub.commands.errors import RefusedCommandError
from hub.commands.execution import Execution, host_of
from hub.commands.failures import told


async def availability(
    execution: Execution,
    booking: Booking,
    *,
    begin: datetime,
    end: datetime,
    host: str | None = None,
    timezone: str | None = None,
) -> Availability:
    """Free times to move a booking to; its own time does not block itself."""
    kind = booking.meeting_type.id if booking.meeting_type else None
    if kind is None:
        raise RefusedCommandError("not-supported", "the id of its meeting type is not known")
    hosts = (host,) if host else tuple(one.id for one in booking.hosts)
    asked = FreeTimes(kind, begin, end, host_ids=hosts, moving=booking.provider_id, timezone=timezone)
    try:
        return await execution.provider_of(booking).availability(asked, host=host_of(booking))
    except AdapterError as error:
        raise told(error, booking) from error


async def as_shown_now(execution: Execution, booking: Booking) -> Reading | None:
    """The booking at its provider, which adds nothing to its history; None if there is none."""
    provider = execution.provider_of(booking)
    try:
        for host in provider.lists_of([one.id for one in booking.hosts]) or (None,):
            reading = await provider.fetch(booking.provider_id, host=host, priority=Priority.COMMAND)
            if reading is not None:
                return reading
    except AdapterError as error:
        raise told(error, booking) from error
    return None


async def with_its_page(execution: Execution, booking: Booking) -> Booking:
    """The booking with what the address of its page consists of, as far as its provider tells.

    No webhook and no list names the company; a booking that is read by itself does. Nothing of it is kept.
    """
    kind = booking.meeting_type or MeetingType()
    if booking.company_slug and kind.slug:
        return booking
    reading = await as_shown_now(execution, booking)
    shown = reading.snapshot if reading else None
    if shown is None:
        return booking
    kind = kind.model_copy(update={"slug": kind.slug or shown.meeting_type_slug})
    company = booking.company_slug or shown.company_slug
    return booking.model_copy(update={"company_slug": company, "meeting_type": kind})
