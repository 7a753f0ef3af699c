"""HubSpot: counters on contacts and, by a second sink, meetings with an outcome, kept in step."""

from adapters.hubspot.meetings import HubSpotMeetingsSink
from adapters.hubspot.sink import HubSpotSink
from adapters.registry import AdapterType

__all__ = ["adapter", "meetings"]

adapter = AdapterType(
    name="hubspot",
    summary="keeps counters of each contact in HubSpot properties of your own",
    sink=HubSpotSink,
)

meetings = AdapterType(
    name="hubspot_meetings",
    summary="keeps a meeting with its outcome on the HubSpot contact of each attendee",
    sink=HubSpotMeetingsSink,
)
