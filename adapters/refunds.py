"""Giving money back: what commands on bookings and the adapters of payment providers agree on.

A command checks first, cancels then, and gives back last, so that nothing is refunded that stays booked.
Each step may be made again under the same key: running all of them again is how one that was interrupted
goes on.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from adapters.api import Receipt
from events.state import Booking

Asked = Literal["full"] | Decimal
"""All that was paid and not given back yet, or an amount in whole units of the currency, such as 49.90."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What would go back; `amount` in the smallest unit of the currency, `text` for people.

    `over_limit`: a person has to say so expressly. `done`: it went back already, under the same key or as the
    whole of what was paid.
    """

    amount: int
    currency: str
    text: str
    over_limit: bool = False
    done: Receipt | None = None


class Refunds(ABC):
    """A sink that can give back on command what was paid for a booking.

    `key` names the command: the same key never gives back twice, whatever happened to earlier calls. Refusals
    are RefusalErrors: `nothing-paid`, `already-refunded`, `refund-refused` (the message says why).
    """

    @abstractmethod
    async def quote(self, booking: Booking, asked: Asked, *, key: str) -> Quote:
        """Check everything that can be checked; reads only."""

    @abstractmethod
    async def refund(self, booking: Booking, asked: Asked, *, key: str) -> Receipt:
        """Check again and give back; TransientError may be followed by the same call."""

    @abstractmethod
    async def waive(self, booking: Booking, *, key: str) -> bool:
        """Nothing is to go back for this booking, whatever the sink's own policy would say.

        False if that was said before.
        """

    @abstractmethod
    async def unwaive(self, booking: Booking, *, key: str) -> None:
        """What `waive` said holds no more: the booking was not cancelled after all."""


async def cancel_with_refund(
    refunds: Refunds,
    booking: Booking,
    asked: Asked,
    *,
    key: str,
    cancel: Callable[[], Awaitable[None]],
) -> Receipt:
    """Cancel a booking and give back what was paid; called again after a crash, it goes on where it was.

    `cancel` has to accept a booking that is cancelled already. Nothing is cancelled if the refund is refused
    beforehand.
    """
    quote = await refunds.quote(booking, asked, key=key)
    await cancel()
    return quote.done or await refunds.refund(booking, asked, key=key)
