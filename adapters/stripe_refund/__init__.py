"""Gives back through Stripe what was paid for a booking: by policy after a cancellation, or on command."""

from adapters.registry import AdapterType
from adapters.stripe_refund.sink import StripeRefundSink

__all__ = ["adapter"]

adapter = AdapterType(
    name="stripe_refund",
    summary="refunds through Stripe for cancelled bookings, each once, within limits",
    sink=StripeRefundSink,
)
