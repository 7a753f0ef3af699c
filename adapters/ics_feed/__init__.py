"""iCalendar feeds: bookings at a secret address that calendar applications subscribe to."""

from adapters.ics_feed.mapping import feed_of
from adapters.ics_feed.sink import IcsFeedSink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="ics_feed",
    summary="shows the bookings at a secret address for any calendar application",
    sink=IcsFeedSink,
    feed=feed_of,
)
