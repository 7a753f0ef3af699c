"""Cancelling a booking and giving back what was paid: checked first, cancelled then, given back last.

The refund's key is the booking's own, so the command given again after a crash at any step goes on where it
was, and nothing goes back twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from adapters.api import Receipt
from adapters.errors import AdapterError, AuthError, RefusalError, TransientError
from adapters.refunds import Asked, Quote, Refunds, cancel_with_refund
from events.base import BookingEvent
from events.refunds import Refund, refunded
from events.state import Booking
from hub.commands.errors import RefusedCommandError
from hub.commands.execution import Execution, new_command_id
from hub.commands.plans import Plan
from hub.commands.seams import Done, Record

REFUSALS = frozenset(("nothing-paid", "already-refunded", "refund-refused"))


@dataclass(frozen=True, slots=True)
class Refunding:
    """One cancellation with a refund by one sink; `facts_of` says what its receipts made true."""

    execution: Execution
    record: Record
    refunds: Refunds
    facts_of: Callable[[Receipt], Sequence[Refund]]
    asked: Asked

    async def quote(self, booking: Booking) -> Quote:
        """What would go back; reads only."""
        try:
            return await self.refunds.quote(booking, self.asked, key=key_of(booking))
        except AdapterError as error:
            raise _problem(error, booking, cancelled=False) from error

    async def run(self, plan: Plan) -> Done:
        """Do all of it; raises RefusedCommandError that says how far it came."""
        booking, done = plan.booking, [Done(new_command_id(), plan.booking)]

        async def cancel() -> None:
            if plan.calls:
                done.append(await self.execution.run(plan))

        try:
            receipt = await cancel_with_refund(
                self.refunds, booking, self.asked, key=key_of(booking), cancel=cancel
            )
        except AdapterError as error:
            cancelled = len(done) > 1 or booking.status == "cancelled"
            raise _problem(error, booking, cancelled=cancelled) from error
        return await self._noted(done[-1], booking, receipt)

    async def _noted(self, done: Done, booking: Booking, receipt: Receipt) -> Done:
        """What went back becomes a fact of the booking, once."""
        for refund in self.facts_of(receipt):
            recorded = await self.record(
                booking.source,
                booking.provider_id,
                partial(_fact, refund=refund),
                causation_id=done.command_id,
            )
            done = replace(done, state=recorded.state, facts=[*done.facts, *recorded.facts])
        return done


def key_of(booking: Booking) -> str:
    """Names the one refund on command that a booking may have."""
    return f"cancel {booking.booking_id}"


def _fact(state: Booking, *, refund: Refund) -> BookingEvent | None:
    return refunded(state, refund)


def _problem(error: AdapterError, booking: Booking, *, cancelled: bool) -> RefusedCommandError:
    again = f"bookinghub bookings cancel {booking.booking_id} --refund full"
    so_far = "the booking is cancelled, the money has not gone back for sure: " if cancelled else ""
    detail = f"{so_far}{error}"
    if isinstance(error, RefusalError) and error.code in REFUSALS:
        return RefusedCommandError(error.code, detail)
    if isinstance(error, TransientError):
        return RefusedCommandError("target-unreachable", detail, next=again)
    if isinstance(error, AuthError):
        return RefusedCommandError("target-refused", detail, next="bookinghub sinks list")
    return RefusedCommandError("target-refused", detail)
