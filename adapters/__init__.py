"""The seam between the hub and outside systems: everything that an adapter may import.

Beside it stand `events` (the vocabulary) and `adapters.testing` (the contract kits).
"""

from adapters.api import (
    AdapterContext,
    BookingMirror,
    ContactMirror,
    Observed,
    Reactor,
    Reading,
    Receipt,
    Sink,
    SinkConfig,
    Source,
    SourceConfig,
    safe_for,
)
from adapters.config_types import TARGET, ApiAddress, ConfigPath, Duration
from adapters.errors import AdapterError, ApprovalNeededError, AuthError, PermanentError, TransientError
from adapters.http import Answer, HttpClient, Sorting
from adapters.ledger import Ledger, LedgerEntry, LedgerPage
from adapters.publishing import Document, Feed, Publication
from adapters.registry import AdapterType, SimulatorType
from adapters.stamps import is_newer, stamp_position
from adapters.templates import (
    Allowing,
    Template,
    TemplateText,
    booking_fields,
    contact_fields,
    event_fields,
)

__all__ = [
    "TARGET",
    "AdapterContext",
    "AdapterError",
    "AdapterType",
    "Allowing",
    "Answer",
    "ApiAddress",
    "ApprovalNeededError",
    "AuthError",
    "BookingMirror",
    "ConfigPath",
    "ContactMirror",
    "Document",
    "Duration",
    "Feed",
    "HttpClient",
    "Ledger",
    "LedgerEntry",
    "LedgerPage",
    "Observed",
    "PermanentError",
    "Publication",
    "Reactor",
    "Reading",
    "Receipt",
    "SimulatorType",
    "Sink",
    "SinkConfig",
    "Sorting",
    "Source",
    "SourceConfig",
    "Template",
    "TemplateText",
    "TransientError",
    "booking_fields",
    "contact_fields",
    "event_fields",
    "is_newer",
    "safe_for",
    "stamp_position",
]
