"""One pure function per step from an old schema version to the next, kept for ever.

A step is named `booking_rescheduled_v1_to_v2`, takes and returns the event's data as a dict and is
registered under its type and the version it starts from.
"""

from collections.abc import Callable, Mapping
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
