"""Rooms and equipment, reserved for bookings in a ledger of the hub's own."""

from adapters.registry import AdapterType
from adapters.resources.sink import ResourcesSink

__all__ = ["adapter"]

adapter = AdapterType(
    name="resources",
    summary="reserves rooms and equipment for bookings, and says who waits for some",
    sink=ResourcesSink,
)
