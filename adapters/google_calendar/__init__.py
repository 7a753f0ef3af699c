"""Google Calendar: one entry per booking, kept in step."""

from adapters.google_calendar.sink import GoogleCalendarSink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="google_calendar",
    summary="keeps an entry per booking, or per host, in Google Calendar",
    sink=GoogleCalendarSink,
)
