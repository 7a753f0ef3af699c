"""Gives back what was paid: by policy after a cancellation, and on command."""

from datetime import datetime, timedelta
from typing import Any, NoReturn

from adapters.api import AdapterContext, Reactor, Receipt, safe_for
from adapters.errors import PermanentError, RefusalError
from adapters.refunds import Asked, Quote, Refunds
from adapters.stripe_refund.client import StripeApi
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.mapping import POLICY, nothing, receipt_of, share_at
from adapters.stripe_refund.money import minor_units, share_of, shown
from adapters.stripe_refund.refunder import Payment, Refunder
from adapters.stripe_refund.reservation import MEMORY
from events import BookingCancelled, Envelope
from events.refunds import Refund
from events.state import Booking


class StripeRefundSink(Reactor[StripeRefundConfig], Refunds):
    """Refunds a cancelled booking's payment once, in doubt not at all.

    Booking and payment are read again at every attempt; nothing is taken from what an earlier one saw.
    """

    name = "stripe_refund"
    title = "Stripe"
    config_class = StripeRefundConfig
    handles = (BookingCancelled,)
    repeat = safe_for(MEMORY)
    least_grace = timedelta(hours=1)

    def __init__(self, config: StripeRefundConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._api = StripeApi(context, base_url=config.base_url, key=config.key)
        self._refunder = Refunder(self._api, config, context)

    async def open(self) -> None:
        await self._api.prove()

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        return await self._by_policy(envelope, approved=False)

    async def react_approved(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        return await self._by_policy(envelope, approved=True)

    def facts(self, receipt: Receipt) -> tuple[Refund, ...]:
        told: dict[str, Any] = receipt.data
        if not told.get("done"):
            return ()
        refund = Refund(
            refund_id=receipt.external_id,
            amount=told["amount"],
            currency=told["currency"],
            at=datetime.fromisoformat(told["at"]),
        )
        return (refund,)

    async def quote(self, booking: Booking, asked: Asked, *, key: str) -> Quote:
        payment = await self._looked_at(booking, key)
        done = _done(payment, asked)
        if done is not None:
            amount, currency = done.data["amount"], self.config.currency
        else:
            amount, currency = self._amount(payment, asked), self.config.currency
        return Quote(
            amount,
            currency.upper(),
            shown(amount, currency),
            over_limit=amount > self.config.most_unasked,
            done=done,
        )

    async def refund(self, booking: Booking, asked: Asked, *, key: str) -> Receipt:
        payment = await self._looked_at(booking, key)
        done = _done(payment, asked)
        if done is not None:
            return done
        amount = self._amount(payment, asked)
        try:
            return receipt_of(await self._refunder.refund(payment, amount, unasked=False))
        except PermanentError as error:
            _refuse(str(error), error)

    async def waive(self, booking: Booking, *, key: str) -> bool:
        return await self._refunder.waive(booking)

    async def unwaive(self, booking: Booking, *, key: str) -> None:
        await self._refunder.unwaive(booking)

    async def _by_policy(self, envelope: Envelope, *, approved: bool) -> Receipt:
        if envelope.booking is None:
            return nothing("no booking")
        booking = await self.context.newest(envelope.booking)
        if booking.status != "cancelled":
            return nothing("the booking goes on")
        if await self._refunder.is_waived(booking):
            return nothing("a person said that nothing goes back")
        share = share_at(_cancelled_at(booking, envelope), booking, self.config)
        if not share:
            return nothing("cancelled too late for a refund")
        payment = await self._refunder.look(booking, command=POLICY)
        if payment is None:
            return nothing("nothing was paid")
        earlier = _earlier(payment)
        if earlier is not None:
            return earlier
        amount = share_of(payment.charge.paid, share, self.config.currency)
        if not amount:
            return nothing("too little was paid")
        return receipt_of(await self._refunder.refund(payment, amount, unasked=True, approved=approved))

    async def _looked_at(self, booking: Booking, key: str) -> Payment:
        """The payment a command is about; whatever forbids to touch it is told to whoever asked."""
        try:
            payment = await self._refunder.look(booking, command=key)
        except PermanentError as error:
            _refuse(str(error), error)
        if payment is None:
            raise RefusalError("nothing was paid for the booking", code="nothing-paid")
        return payment

    def _amount(self, payment: Payment, asked: Asked) -> int:
        """What a command asks for, in the smallest unit, as far as it is there to be given back."""
        if not payment.untouched:
            raise RefusalError(
                "the payment was given back already, at least in part", code="already-refunded"
            )
        left, currency = payment.charge.left, self.config.currency
        try:
            amount = left if asked == "full" else minor_units(asked, currency)
        except ValueError as error:
            _refuse(str(error), error)
        if not 0 < amount <= left:
            raise RefusalError(f"at most {shown(left, currency)} can go back", code="refund-refused")
        return amount


def _cancelled_at(booking: Booking, envelope: Envelope) -> datetime:
    told = booking.cancel.at if booking.cancel else None
    return told or envelope.occurred_at


def _earlier(payment: Payment) -> Receipt | None:
    """What a policy finds done: a refund for this booking, or a payment that went back wholly."""
    ours = [refund for refund in payment.standing if payment.mark.is_ours(refund)]
    if ours:
        return receipt_of(next((refund for refund in ours if payment.mark.is_on(refund)), ours[0]))
    return nothing("refunded already, by somebody else") if payment.charge.refunded else None


def _done(payment: Payment, asked: Asked) -> Receipt | None:
    """What a command finds done: its own refund, or one for this booking that left nothing."""
    made = payment.made
    if made is not None and not made.is_void:
        return receipt_of(made)
    ours = [refund for refund in payment.standing if payment.mark.is_ours(refund)]
    whole = asked == "full" and len(ours) == 1 and payment.charge.refunded
    return receipt_of(ours[0]) if whole else None


def _refuse(reason: str, error: Exception) -> NoReturn:
    if isinstance(error, RefusalError):
        raise error
    raise RefusalError(reason, code="refund-refused") from error
