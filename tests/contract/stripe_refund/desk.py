"""A sink on an account at the stand-in, and bookings that were paid there."""

from datetime import datetime, timedelta
from typing import Any

from adapters.api import AdapterContext
from adapters.http import HttpClient
from adapters.ledger import Ledger
from adapters.ledger_in_memory import MemoryLedger
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.simulated import Account
from adapters.stripe_refund.simulator import KEY, Stripe, config
from adapters.stripe_refund.sink import StripeRefundSink
from adapters.testing import SimulatedSide, SimulatorServer, envelope_of, sample_booking
from adapters.testing_samples import NOW
from events import Booking, BookingCancelled, Envelope
from events.state import Cancel, Payment

MAIL = "quendolin@kunde.example"


class Clock:
    """The time of a desk; it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """One installation, its sinks and the account; processes come and go, the ledger stays."""

    def __init__(self, server: SimulatorServer) -> None:
        self.account = Account()
        self.server = server
        self.side = SimulatedSide(server, Stripe(self.account, keys=(KEY,)))
        self.clock = Clock()
        self.ledgers: dict[str, MemoryLedger] = {}
        self.clients: list[HttpClient] = []
        self.newest: dict[str, Booking] = {}

    def sink(
        self, name: str = "refunds", *, ledger: Ledger | None = None, **members: Any
    ) -> StripeRefundSink:
        """The sink as a process that has just started has it."""
        http = HttpClient(timeout=timedelta(seconds=5), clock=self.clock)
        self.clients.append(http)
        context = AdapterContext(
            instance=name,
            installation_id="i-1",
            clock=self.clock,
            timezone="Europe/Berlin",
            http=http,
            ledger=ledger or self.ledgers.setdefault(name, MemoryLedger()),
            newest=self._newest,
        )
        settings = config(self.server.url) | members
        return StripeRefundSink(StripeRefundConfig.model_validate(settings), context)

    async def _newest(self, booking: Booking) -> Booking:
        return self.newest.get(booking.booking_id, booking)

    @property
    def refunds(self) -> list[tuple[str, int]]:
        """What went back: charge and amount."""
        return [(r["charge"], r["amount"]) for r in self.account.refunds.values()]

    def remote_keys_expire(self) -> None:
        """A day later: Stripe has forgotten every key."""
        self.clock.now += timedelta(hours=25)
        self.server.client.post("/_keys", json={}).raise_for_status()

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()


def paid(payment: str | None = "pi_1", *, name: str = "b-1", **members: Any) -> Booking:
    """A booking that was paid by this payment."""
    told = Payment(id=payment, status="paid") if payment else None
    return sample_booking(provider_id=name, booking_id=name, provider_ids=(name,), payment=told, **members)


def cancelled(booking: Booking, *, notice: timedelta = timedelta(days=9)) -> Envelope:
    """The event that a guest cancelled this long before the start."""
    at = booking.start - notice
    event = BookingCancelled(
        occurred_at=at,
        provider_id=booking.provider_id,
        ordinal=1,
        booking=booking.cancelled(Cancel(at=at, actor="attendee")),
        cancelled_at=at,
    )
    return envelope_of(event)
