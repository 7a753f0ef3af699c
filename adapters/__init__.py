"""The seam between the hub and outside systems: everything that an adapter may import.

Beside it stand `events` (the vocabulary) and `adapters.testing` (the contract kits).
"""

from adapters.api import (
    AdapterContext,
    BookingMirror,
    ContactMirror,
    Reactor,
    Reading,
    Receipt,
    Sink,
    SinkConfig,
    Source,
    SourceConfig,
)
from adapters.config_types import TARGET, ConfigPath, Duration
from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.registry import AdapterType
from adapters.templates import Allowing, Template, TemplateText, booking_fields

__all__ = [
    "TARGET",
    "AdapterContext",
    "AdapterError",
    "AdapterType",
    "Allowing",
    "AuthError",
    "BookingMirror",
    "ConfigPath",
    "ContactMirror",
    "Duration",
    "PermanentError",
    "Reactor",
    "Reading",
    "Receipt",
    "Sink",
    "SinkConfig",
    "Source",
    "SourceConfig",
    "Template",
    "TemplateText",
    "TransientError",
    "booking_fields",
]
