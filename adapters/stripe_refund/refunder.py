"""One refund of one payment, and never a second: look, decide, give back, in this order.

Stripe's list is asked for the refund before it is made, by the mark it carries; Stripe itself takes the
mark's key once in 24 hours: either is enough against an attempt that is repeated. The ledger lets one mark at
a time have a payment, which keeps a policy and a command from giving back a part each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.api import AdapterContext
from adapters.errors import ApprovalNeededError, PermanentError
from adapters.stripe_refund.answers import Charge, Refund
from adapters.stripe_refund.client import RefundRefusedError, StripeApi
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.mapping import (
    Mark,
    marked,
    payment_of,
    problem_with_charge,
    problem_with_payment,
)
from adapters.stripe_refund.reservation import (
    Day,
    Reserved,
    Wish,
    is_waived,
    release,
    reserve,
    unwaive,
    waive,
)
from events.state import Booking


@dataclass(frozen=True, slots=True)
class Payment:
    """What Stripe says of a booking's payment at this moment."""

    charge: Charge
    refunds: Sequence[Refund]
    mark: Mark

    @property
    def made(self) -> Refund | None:
        """The refund under the mark."""
        return marked(self.refunds, self.mark)

    @property
    def standing(self) -> tuple[Refund, ...]:
        """The refunds that did not come to nothing, whoever made them."""
        return tuple(refund for refund in self.refunds if not refund.is_void)

    @property
    def untouched(self) -> bool:
        """Whether nothing of it went back; the two ways in which Stripe tells have to agree."""
        return not self.standing and not self.charge.amount_refunded


class Refunder:
    """Looks at payments and gives them back, for one sink."""

    def __init__(self, api: StripeApi, config: StripeRefundConfig, context: AdapterContext) -> None:
        self._api = api
        self._config = config
        self._context = context

    async def look(self, booking: Booking, *, command: str) -> Payment | None:
        """The payment as it stands; None if nothing was paid. PermanentError if it must not be touched."""
        payment_id = payment_of(booking)
        if payment_id is None:
            return None
        _refuse(problem_with_payment(booking, payment_id))
        charge = await self._api.charge(payment_id)
        _refuse(problem_with_charge(charge, booking, self._config))
        mark = Mark.of(self._context.installation_id, booking, charge.id, command)
        return Payment(charge, await self._api.refunds(charge.id), mark)

    async def refund(self, payment: Payment, amount: int, *, unasked: bool, approved: bool = False) -> Refund:
        """Give back what `look` has just shown to be there.

        ApprovalNeededError if a person has to say so; PermanentError if nothing went back for sure, or if a
        refund under this mark came to nothing.
        """
        made = payment.made
        wish = Wish(payment.mark, payment.charge.id, amount, unasked=unasked, approved=approved)
        if made is not None:
            if made.is_void:
                await self._context.ledger.transact(lambda page: release(page, wish))
                raise PermanentError(f"Stripe could not carry out the refund {made.id}: {made.status}")
            return made
        if not payment.untouched:
            raise PermanentError("a part of the payment was given back already, by somebody else")
        decided = await self._reserve(wish)
        if decided.amount is None:
            raise _answer(decided)
        if decided.amount > payment.charge.left:
            raise PermanentError("more would go back than is left of the payment")
        return await self._give_back(payment, decided.amount, wish)

    async def waive(self, booking: Booking) -> bool:
        """Nothing goes back by policy from now on; False if that was so before."""
        now = self._context.clock()
        day = Day.of(now, self._context.timezone)
        return await self._context.ledger.transact(
            lambda page: waive(page, booking.booking_id, now=now, day=day)
        )

    async def unwaive(self, booking: Booking) -> None:
        """The policy decides again."""
        await self._context.ledger.transact(lambda page: unwaive(page, booking.booking_id))

    async def is_waived(self, booking: Booking) -> bool:
        """Whether a person said that nothing goes back."""
        return await self._context.ledger.read(lambda page: is_waived(page, booking.booking_id))

    async def _reserve(self, wish: Wish) -> Reserved:
        now = self._context.clock()
        day = Day.of(now, self._context.timezone)
        return await self._context.ledger.transact(
            lambda page: reserve(page, wish, self._config, now=now, day=day)
        )

    async def _give_back(self, payment: Payment, amount: int, wish: Wish) -> Refund:
        mark = payment.mark
        try:
            refund = await self._api.refund(payment.charge.id, amount, key=mark.key, metadata=mark.metadata)
        except RefundRefusedError as error:
            # Somebody may have been faster under the same key: another process, or another sink.
            made = marked(await self._api.refunds(payment.charge.id), mark)
            if made is not None and not made.is_void:
                return made
            await self._context.ledger.transact(lambda page: release(page, wish))
            raise PermanentError(str(error)) from error
        if refund.is_void:
            raise PermanentError(f"Stripe could not carry out the refund {refund.id}: {refund.status}")
        return refund


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise PermanentError(problem)


def _answer(decided: Reserved) -> Exception:
    return ApprovalNeededError(decided.reason) if decided.asks else PermanentError(decided.reason)
