"""meetergo, the booking provider: reads its webhooks into snapshots."""

from adapters.meetergo.source import MeetergoSource
from adapters.registry import AdapterType

adapter = AdapterType(
    name="meetergo", summary="bookings made in meetergo, read from its webhooks", source=MeetergoSource
)
