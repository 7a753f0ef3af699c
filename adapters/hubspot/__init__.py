"""HubSpot: counters on contacts, kept in step."""

from adapters.hubspot.sink import HubSpotSink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="hubspot",
    summary="keeps counters of each contact in HubSpot properties of your own",
    sink=HubSpotSink,
)
