"""Money that went back, as a fact of the booking it was paid for.

No snapshot shows it: whoever gave it back says so, and the history takes it once per refund.
"""

from datetime import datetime

from events.booking import BookingRefunded
from events.state import Booking, Frozen


class Refund(Frozen):
    """One refund that was carried out; the amount is in the smallest unit of the currency."""

    refund_id: str
    amount: int
    currency: str
    at: datetime


def refunded(state: Booking, refund: Refund) -> BookingRefunded | None:
    """The fact that this refund adds to a history; None if the history has it already."""
    about = f"{BookingRefunded.event_type()}:{refund.refund_id}"
    if about in state.ordinals:
        return None
    after, ordinal = state.numbered(about)
    fact_at = max(refund.at, state.fact_at or refund.at)
    return BookingRefunded(
        occurred_at=refund.at,
        provider_id=after.provider_id,
        booking=after.model_copy(update={"fact_at": fact_at}),
        ordinal=ordinal,
        refund_id=refund.refund_id,
        amount=refund.amount,
        currency=refund.currency,
    )
