"""Refunds by policy through the engine: late enough, once, with a person where one is needed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from adapters.api import AdapterContext
from adapters.http import HttpClient
from adapters.simulation import Reply, Request
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.simulated import Account
from adapters.stripe_refund.simulator import Stripe, config
from adapters.stripe_refund.sink import StripeRefundSink
from adapters.testing import SimulatedSide, SimulatorServer
from events import BookingEvent, Envelope
from events.refunds import Refund, refunded
from events.state import Payment
from hub.delivery import RunningSink
from hub.delivery.steps import APPROVED
from hub.errors import LogUnavailableError
from hub.store import deliveries
from hub.store.deliveries import ASKS, DeliveryFilter
from hub.store.ledger import StoreLedger
from tests.integration.delivery.world import World, eventually

SINK = "refunds"
HOUR = timedelta(hours=1)
MAIL = "a1@kunde.example"


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(Stripe(Account()))
    server.start()
    yield server
    server.stop()


class SlowStripe(Stripe):
    """Answers a call to be `held` once it is let go, and has its effect then."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.held: str | None = None
        self.let_go = threading.Event()

    async def perform(self, request: Request, call: str) -> Reply:
        if call == self.held:
            self.held = None
            while not self.let_go.is_set():  # noqa: ASYNC110 - it is let go from another thread
                await asyncio.sleep(0.01)
        return await super().perform(request, call)


class House:
    """A hub with one refunding sink, whose processes come and go."""

    def __init__(self, world: World, server: SimulatorServer) -> None:
        self.world = world
        self.account = Account()
        self.stripe = SlowStripe(self.account)
        self.side = SimulatedSide(server, self.stripe)
        self.kept: list[str] = []
        self.log_away = False
        self._clients: list[HttpClient] = []
        world.register(SINK, "reactor", grace=HOUR)

    async def runs(self, **options: Any) -> None:
        """A process begins to deliver."""
        members = {name: options.pop(name) for name in ("approve_above", "daily_limit") if name in options}
        http = HttpClient(timeout=timedelta(seconds=5), clock=self.world.clock.now)
        self._clients.append(http)
        context = AdapterContext(
            instance=SINK,
            installation_id="i1",
            clock=self.world.clock.now,
            http=http,
            ledger=StoreLedger(self.world.db, SINK, clock=self.world.clock),
        )
        sink = StripeRefundSink(StripeRefundConfig.model_validate(config(self.side.url) | members), context)
        running = RunningSink(SINK, sink, **options)
        await self.world.engine(running, keep_refunds=self.keep, alone=True).start()

    async def keep(self, envelope: Envelope, refunds: Sequence[Refund]) -> None:
        """What the log does with them."""
        if self.log_away:
            raise LogUnavailableError("no answer")
        booking = envelope.booking
        assert booking is not None
        facts = [fact for refund in refunds if (fact := refunded(booking, refund)) is not None]
        self.kept += [fact.refund_id for fact in facts if fact.refund_id not in self.kept]

    async def cancelled(self, name: str = "b1") -> Sequence[BookingEvent | Envelope]:
        """A paid booking is cancelled."""
        payment = Payment(id=self.account.pay(name, amount=4900, email=MAIL), status="paid")
        await self.world.see(name, payment=payment)
        return await self.world.see(name, payment=payment, cancelled=True)

    @property
    def refunds(self) -> list[int]:
        return [refund["amount"] for refund in self.account.refunds.values()]

    async def close(self) -> None:
        await self.world.stop_all()
        for client in self._clients:
            await client.aclose()


@pytest.fixture
async def house(world: World, server: SimulatorServer) -> AsyncIterator[House]:
    house = House(world, server)
    yield house
    await house.close()


async def states(house: House) -> list[str]:
    """Of the rows about cancellations."""
    return [r.state for r in await house.world.rows(SINK) if r.event_type == "BookingCancelled"]


async def become(house: House, *wanted: str) -> None:
    async def holds() -> bool:
        return await states(house) == list(wanted)

    try:
        await eventually(holds)
    except TimeoutError:
        raise AssertionError(f"rows are {await states(house)}, not {wanted}") from None


@pytest.fixture(autouse=True)
def _only_cancellations(world: World, house: House) -> None:
    """The reader asks a reactor for nothing that it does not handle."""
    (registration,) = world.registrations
    object.__setattr__(registration, "handles", frozenset(("BookingCancelled",)))


async def test_money_goes_back_when_the_grace_is_over(house: House) -> None:
    await house.runs()
    await house.cancelled()
    house.world.advance(HOUR - timedelta(seconds=1))
    await asyncio.sleep(0.1)
    assert (await states(house), house.refunds) == (["pending"], [])
    house.world.advance(timedelta(seconds=1))
    await become(house, "delivered")
    assert (house.refunds, house.kept) == ([4900], ["re_0001"])


async def test_a_booking_that_goes_on_within_the_grace_keeps_its_payment(house: House) -> None:
    await house.runs()
    await house.cancelled()
    await house.world.see("b1")
    house.world.advance(HOUR)
    await become(house, "covered")
    assert house.side.made() == ["refunds"]


async def test_a_log_that_is_away_gets_the_fact_later_and_nothing_goes_back_again(house: House) -> None:
    house.log_away = True
    await house.runs()
    await house.cancelled()
    house.world.advance(HOUR)

    async def told() -> bool:
        return [row.error_class for row in await house.world.rows(SINK)] == ["NotReadableError"]

    await eventually(told)
    assert (house.refunds, house.kept) == ([4900], [])
    house.log_away = False
    house.world.advance(timedelta(seconds=2))
    await become(house, "delivered")
    assert (house.refunds, house.kept) == ([4900], ["re_0001"])


@pytest.mark.parametrize("call", ["intent", "refunds", "refund"])
async def test_a_process_that_ends_in_a_call_is_followed_by_one_that_goes_on(house: House, call: str) -> None:
    house.account.idempotent = False
    await house.runs()
    await house.cancelled()
    await eventually(lambda: opened(house))
    house.stripe.held = call
    house.world.advance(HOUR)
    await eventually(lambda: made(house, call))
    await house.world.engines[0].stop(within=timedelta(0))
    assert await states(house) == ["sending"]
    house.stripe.let_go.set()
    await eventually(lambda: idle(house))
    await house.runs()
    house.world.advance(timedelta(minutes=1))
    await become(house, "delivered")
    assert (house.refunds, house.kept) == ([4900], ["re_0001"])


async def test_a_day_without_an_answer_is_for_a_person_and_looked_up_first(house: House) -> None:
    house.account.idempotent = False
    await house.runs()
    await house.cancelled()
    house.side.fault(kind="lost_reply", on="refund")
    house.side.fault(kind="disconnect", on="intent", skip=1, times=None)
    house.world.advance(HOUR)
    await eventually(lambda: tried(house, 1))
    assert house.refunds == [4900]
    house.world.advance(timedelta(hours=25))
    await become(house, "uncertain")
    house.side.restore()
    wanted = DeliveryFilter(sink=SINK, states=("uncertain",))
    now = house.world.clock.now()
    await house.world.db.write(lambda session: deliveries.retry(session, wanted, now=now))
    house.world.advance(timedelta(minutes=1))
    await become(house, "delivered")
    assert (house.refunds, house.kept) == ([4900], ["re_0001"])


class TestApproval:
    async def retry(self, house: House, cause: str | None = None) -> None:
        wanted, now = DeliveryFilter(sink=SINK, states=("parked",)), house.world.clock.now()
        await house.world.db.write(lambda session: deliveries.retry(session, wanted, now=now, cause=cause))
        house.world.advance(timedelta(seconds=1))

    async def test_over_the_limit_nothing_happens_until_a_person_lets_it_through(self, house: House) -> None:
        await house.runs(approve_above="20")
        await house.cancelled()
        house.world.advance(HOUR)
        await become(house, "parked")
        (row,) = await house.world.rows(SINK)
        assert (row.error_class, row.attempts) == (ASKS, 0)
        assert row.error_message is not None
        assert row.error_message.startswith("49.00 EUR would go back, over 20.00 EUR")
        await self.retry(house)
        await eventually(lambda: tried(house, 2))
        await become(house, "parked")
        assert house.refunds == []
        await self.retry(house, cause=f"{APPROVED}mara")
        await become(house, "delivered")
        assert house.refunds == [4900]
        sink = await house.world.sink(SINK)
        assert sink.state == "running"

    async def test_the_limit_of_a_day_holds_over_bookings_and_processes(self, house: House) -> None:
        await house.runs(daily_limit="100")
        for name in ("b1", "b2", "b3"):
            await house.cancelled(name)
        house.world.advance(HOUR)

        async def two_of_three() -> bool:
            return sorted(await states(house)) == ["delivered", "delivered", "parked"]

        await eventually(two_of_three)
        await house.world.engines[0].stop()
        await house.runs(daily_limit="100")
        await self.retry(house)
        await eventually(lambda: tried(house, 4))
        await eventually(two_of_three)
        assert house.refunds == [4900, 4900]


async def opened(house: House) -> bool:
    return house.side.made() == ["refunds"]


async def made(house: House, call: str) -> bool:
    """Whether this call came after those that opened the sink."""
    return call in house.side.made()[1:]


async def idle(house: House) -> bool:
    return house.side.idle()


async def tried(house: House, times: int) -> bool:
    return len(await house.world.attempts(SINK)) >= times
