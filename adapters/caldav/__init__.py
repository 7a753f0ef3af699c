"""CalDAV: one entry per booking, kept in step."""

from adapters.caldav.sink import CalDavSink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="caldav",
    summary="keeps an entry per booking, or per host, in a CalDAV calendar",
    sink=CalDavSink,
)
