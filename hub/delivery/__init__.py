"""Delivery: rows say what is to be done, workers claim keys and bring targets to the desired state."""

from hub.delivery.engine import DeliveryEngine
from hub.delivery.operations import pause_sink, resume_sink
from hub.delivery.policy import RetryPolicy
from hub.delivery.sinks import (
    DeliveryObserver,
    LoadBooking,
    LoadContact,
    LoadEnvelope,
    RunningSink,
    SinkActivity,
)

__all__ = [
    "DeliveryEngine",
    "DeliveryObserver",
    "LoadBooking",
    "LoadContact",
    "LoadEnvelope",
    "RetryPolicy",
    "RunningSink",
    "SinkActivity",
    "pause_sink",
    "resume_sink",
]
