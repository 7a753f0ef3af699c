"""What a sink would write for a booking: its adapter is asked, its target is not."""

from adapters.api import BookingMirror
from events.state import Booking
from hub.delivery.previews import previews, shows_previews
from hub.settings.models import SinkSettings
from hub.web.hub_objects import PartPreview, SinkPreview
from hub.web.problems import ProblemError
from hub.web.services import HubServices


async def preview_of(services: HubServices, settings: SinkSettings, booking: Booking) -> SinkPreview:
    """The objects wanted now, and why the sink would not take the booking if it would not."""
    if services.adapter is None:
        raise ProblemError("not-supported", "no adapter can be asked here", next="bookinghub run")
    adapter = await services.adapter(settings)
    try:
        if not isinstance(adapter, BookingMirror) or not shows_previews(adapter):
            raise ProblemError(
                "not-supported",
                f"{settings.type} does not say what it would write for a booking",
                next=f"bookinghub sinks show {settings.name}",
            )
        mismatch = settings.match.mismatch(booking) if settings.match else None
        return SinkPreview(
            sink=settings.name,
            booking_id=booking.booking_id,
            target=adapter.target(),
            no_match=mismatch.told(settings.name) if mismatch else None,
            parts=[
                PartPreview(part=one.part, object=dict(one.object) if one.object else None)
                for one in previews(adapter, booking)
            ],
        )
    finally:
        await adapter.close()
        await adapter.context.http.aclose()
