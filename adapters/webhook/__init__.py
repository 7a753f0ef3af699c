"""Posts events to an address of yours, signed as Standard Webhooks."""

from adapters.registry import AdapterType
from adapters.webhook.sink import WebhookSink

__all__ = ["adapter"]

adapter = AdapterType(
    name="webhook",
    summary="posts each event to your own address, signed as Standard Webhooks",
    sink=WebhookSink,
)
