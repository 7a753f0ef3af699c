"""Mail to one attendee, written by a sink that has an account for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.errors import AdapterError, TransientError
from adapters.letters import LetterWriter
from events.state import Booking
from hub.web.command_objects import LinkObject
from hub.web.problems import ProblemError
from hub.web.services import HubServices

NOBODY = "no sink can write mail to an attendee; a notify sink with a mailto:// address can"


@asynccontextmanager
async def letter_writer(services: HubServices, name: str | None) -> AsyncIterator[tuple[str, LetterWriter]]:
    """The sink of this name, else the first that can; an adapter of its own, for this letter only."""
    if services.adapter is None:
        raise ProblemError("not-supported", NOBODY, next="bookinghub sinks list")
    for entry in services.settings.sinks.values():
        if name not in (None, entry.name) or not entry.enabled:
            continue
        adapter = await services.adapter(entry)
        try:
            if isinstance(adapter, LetterWriter) and adapter.can_write():
                yield entry.name, adapter
                return
        finally:
            await adapter.close()
            await adapter.context.http.aclose()
    raise ProblemError("not-supported", NOBODY, next="bookinghub sinks list")


async def write_link(writer: LetterWriter, booking: Booking, link: LinkObject) -> None:
    """Write the link to its attendee, once: a message that may have been taken is not sent again."""
    kind = booking.meeting_type.name if booking.meeting_type else None
    title = f"{kind or booking.title or 'Your meeting'}: another time?"
    body = f"Here you can move or cancel your booking:\n\n{link.link}\n"
    try:
        await writer.write(link.email or "", title=title, body=body)
    except TransientError as error:
        raise ProblemError(
            "target-unreachable", f"{error}; it may have been sent all the same", next="bookinghub sinks list"
        ) from error
    except AdapterError as error:
        raise ProblemError("target-refused", str(error), next="bookinghub sinks list") from error
