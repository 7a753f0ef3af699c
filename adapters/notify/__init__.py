"""Tells people what happened, through any service that apprise knows."""

from adapters.notify.sink import NotifySink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="notify",
    summary="messages to chats, phones and mailboxes through apprise",
    sink=NotifySink,
)
