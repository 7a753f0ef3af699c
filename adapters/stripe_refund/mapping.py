"""What a booking asks for, and what a payment allows: pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.api import Receipt
from adapters.stripe_refund.answers import Charge, Refund, is_payment_id
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.money import shown
from events.state import Booking

INSTALLATION, BOOKING, KEY = "bookinghub", "bookinghub_booking", "bookinghub_key"
"""What a refund of ours carries in its metadata."""

POLICY = "policy"
"""The key of the one refund that a policy makes for a booking, whichever sink and event lead to it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What names one refund: the same mark, the same refund."""

    installation: str
    booking_id: str
    key: str

    @classmethod
    def of(cls, installation: str, booking: Booking, charge_id: str, command: str) -> "Mark":
        """`command` is the command's key, or `POLICY`."""
        about = json.dumps((installation, booking.booking_id, charge_id, command), ensure_ascii=True)
        key = f"bookinghub-{hashlib.sha256(about.encode()).hexdigest()}"
        return cls(installation, booking.booking_id, key)

    @property
    def metadata(self) -> Mapping[str, str]:
        return {INSTALLATION: self.installation, BOOKING: self.booking_id, KEY: self.key}

    def is_on(self, refund: Refund) -> bool:
        """Whether this is the refund that is meant."""
        return refund.metadata.get(KEY) == self.key

    def is_ours(self, refund: Refund) -> bool:
        """Whether it was made for this booking, for whatever reason."""
        told = refund.metadata
        return (told.get(INSTALLATION), told.get(BOOKING)) == (self.installation, self.booking_id)


def payment_of(booking: Booking) -> str | None:
    """The id of the payment, as the provider tells it; None if nothing was paid."""
    return booking.payment.id if booking.payment else None


def problem_with_payment(booking: Booking, payment_id: str) -> str | None:
    """Why this payment cannot be looked at; None if it can."""
    if booking.group:
        return "a group's attendees pay one by one, and the provider shows one payment only"
    if not is_payment_id(payment_id):
        return "the payment's id is none of Stripe's"
    return None


def problem_with_charge(charge: Charge, booking: Booking, config: StripeRefundConfig) -> str | None:
    """Why nothing may go back from this payment for this booking; None if it may."""
    if not _belongs(charge, booking, config.proof):
        return f"nothing shows that the payment belongs to the booking ({config.proof})"
    if charge.currency.lower() != config.currency:
        return f"the payment is in {charge.currency.upper()[:3]}, refunds are in {config.currency.upper()}"
    if charge.is_disputed:
        return "the payment is disputed, so the payer's bank may give it back"
    if not charge.paid:
        return "the payment was not taken"
    return None


def share_at(cancelled_at: datetime, booking: Booking, config: StripeRefundConfig) -> int:
    """What share of the payment goes back to who cancelled then."""
    notice = booking.start - cancelled_at
    return next((tier.refund for tier in config.policy if notice >= tier.notice), 0)


def marked(refunds: Iterable[Refund], mark: Mark) -> Refund | None:
    """The refund under this mark, one that counts before one that came to nothing."""
    found = [refund for refund in refunds if mark.is_on(refund)]
    return next((refund for refund in found if not refund.is_void), found[0] if found else None)


def receipt_of(refund: Refund) -> Receipt:
    """What the hub keeps of a refund; the same at every look."""
    detail = "refunded" if refund.is_done else f"refund {refund.status or 'pending'}"
    return Receipt(
        external_id=refund.id,
        detail=f"{detail} {shown(refund.amount, refund.currency)}",
        data={
            "amount": refund.amount,
            "currency": refund.currency.upper(),
            "done": refund.is_done,
            "at": refund.at.isoformat(),
        },
    )


def nothing(detail: str) -> Receipt:
    """Nothing goes back, and that is right."""
    return Receipt(external_id="", detail=detail)


def _belongs(charge: Charge, booking: Booking, proof: str) -> bool:
    if proof == "email":
        emails = {a.email.strip().lower() for a in booking.attendees if a.email}
        return bool(emails & charge.emails)
    told = charge.metadata.get(proof.removeprefix("metadata."))
    return told is not None and told in (booking.booking_id, *booking.provider_ids)
