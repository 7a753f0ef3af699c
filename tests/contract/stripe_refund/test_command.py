"""Refunds on command: check, cancel, give back, and go on after a crash at any step."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapters.api import Receipt
from adapters.errors import AdapterError, RefusalError, TransientError
from adapters.refunds import Asked, cancel_with_refund
from adapters.stripe_refund.sink import StripeRefundSink
from events import Booking
from tests.contract.stripe_refund.desk import MAIL, Desk, cancelled, paid

KEY = "op-1"
LATER = "op-2"


class Killed(BaseException):
    """The process ends here."""


class Provider:
    """Where the booking is cancelled; a second time changes nothing."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.dies_before = self.dies_after = False

    async def cancel(self) -> None:
        if self.dies_before:
            raise Killed
        self.cancelled += 1
        if self.dies_after:
            raise Killed


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def booking(desk: Desk) -> Booking:
    desk.account.pay("1", amount=4900, email=MAIL)
    return paid()


async def command(desk: Desk, provider: Provider, booking: Booking, asked: Asked = "full") -> Receipt:
    """The command in a process that has just started."""
    return await cancel_with_refund(desk.sink(), booking, asked, key=KEY, cancel=provider.cancel)


async def test_it_checks_then_cancels_then_gives_back(
    desk: Desk, provider: Provider, booking: Booking
) -> None:
    receipt = await command(desk, provider, booking)
    assert (provider.cancelled, desk.refunds) == (1, [("ch_1", 4900)])
    assert receipt.detail == "refunded 49.00 EUR"
    assert len(desk.sink().facts(receipt)) == 1


async def test_an_amount_goes_back_as_it_was_asked(desk: Desk, provider: Provider, booking: Booking) -> None:
    await command(desk, provider, booking, Decimal("20.5"))
    assert desk.refunds == [("ch_1", 2050)]


async def test_a_quote_changes_nothing(desk: Desk, booking: Booking) -> None:
    quote = await desk.sink(approve_above="20").quote(booking, "full", key=KEY)
    assert (quote.amount, quote.currency, quote.text) == (4900, "EUR", "49.00 EUR")
    assert quote.over_limit
    assert quote.done is None
    assert not (await desk.sink().quote(booking, Decimal(49), key=KEY)).over_limit
    assert desk.refunds == []
    assert "refund" not in desk.side.made()


@pytest.mark.parametrize(
    ("asked", "changes", "code"),
    [
        ("full", {"payment": None}, "nothing-paid"),
        ("full", {"payment": "pi_404"}, "refund-refused"),
        ("full", {"group": True}, "refund-refused"),
        (Decimal("49.01"), {}, "refund-refused"),
        (Decimal("0"), {}, "refund-refused"),
        (Decimal("-1"), {}, "refund-refused"),
        (Decimal("1.001"), {}, "refund-refused"),
    ],
    ids=str,
)
async def test_what_cannot_go_back_cancels_nothing(
    desk: Desk, provider: Provider, booking: Booking, asked: Asked, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(RefusalError) as refused:
        await command(desk, provider, paid(**changes) if changes else booking, asked)
    assert refused.value.code == code
    assert (provider.cancelled, desk.refunds) == (0, [])


async def test_what_went_back_in_part_is_for_a_person(
    desk: Desk, provider: Provider, booking: Booking
) -> None:
    desk.account.refund({"charge": "ch_1", "amount": "100"})
    with pytest.raises(RefusalError) as refused:
        await command(desk, provider, booking)
    assert refused.value.code == "already-refunded"
    assert provider.cancelled == 0


async def test_a_second_command_gives_nothing_back(desk: Desk, provider: Provider, booking: Booking) -> None:
    await command(desk, provider, booking, Decimal(10))
    with pytest.raises(RefusalError) as refused:
        await desk.sink().refund(booking, Decimal(10), key=LATER)
    assert refused.value.code == "already-refunded"
    assert desk.refunds == [("ch_1", 1000)]


async def test_limits_of_the_policy_do_not_bind_a_person_but_count(
    desk: Desk, provider: Provider, booking: Booking
) -> None:
    sink = desk.sink(approve_above="1", daily_limit="1")
    await cancel_with_refund(sink, booking, "full", key=KEY, cancel=provider.cancel)
    assert desk.refunds == [("ch_1", 4900)]
    desk.account.pay("2", amount=101, email=MAIL)
    later = cancelled(paid("pi_2", name="b-2"))
    with pytest.raises(AdapterError, match=r"49\.00 EUR of 50\.00 EUR a day"):
        await desk.sink(daily_limit="50").react(later, idempotency_key="key")


Break = Callable[[Desk, Provider], None]


@pytest.mark.parametrize("idempotent", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(lambda desk, _: desk.side.cut_off_after(0), id="before the first look"),
        pytest.param(lambda desk, _: desk.side.cut_off_after(1), id="between two looks"),
        pytest.param(
            lambda _, provider: setattr(provider, "dies_before", True), id="before the cancellation"
        ),
        pytest.param(lambda _, provider: setattr(provider, "dies_after", True), id="after the cancellation"),
        pytest.param(lambda desk, _: desk.side.cut_off_after(4), id="before the refund"),
        pytest.param(lambda desk, _: desk.side.cut_off_after(5), id="after the refund"),
        pytest.param(lambda desk, _: setattr(desk.account, "fails_after", True), id="500 after the refund"),
    ],
)
@pytest.mark.parametrize(
    ("later", "asked", "amount"),
    [
        pytest.param(False, "full", 4900, id="at once"),
        pytest.param(True, "full", 4900, id="a day later"),
        pytest.param(False, Decimal(20), 2000, id="a part, at once"),
        pytest.param(True, Decimal(20), 2000, id="a part, a day later"),
    ],
)
async def test_killed_and_resumed_exactly_one_refund(
    desk: Desk,
    provider: Provider,
    booking: Booking,
    *,
    idempotent: bool,
    interrupt: Break,
    later: bool,
    asked: Asked,
    amount: int,
) -> None:
    desk.account.idempotent = idempotent
    interrupt(desk, provider)
    with pytest.raises((TransientError, Killed)):
        await command(desk, provider, booking, asked)
    desk.side.restore()
    provider.dies_before = provider.dies_after = False
    if later:
        desk.remote_keys_expire()
    first = await command(desk, provider, booking, asked)
    assert await command(desk, provider, booking, asked) == first
    assert provider.cancelled >= 1
    assert desk.refunds == [("ch_1", amount)]


class TestBesideThePolicy:
    """A command and the policy are about the same booking: an hour later, or at the same moment."""

    async def react(self, sink: StripeRefundSink, booking: Booking) -> Receipt:
        return await sink.react(cancelled(booking), idempotency_key="key")

    async def test_the_policy_finds_what_the_command_gave_back(
        self, desk: Desk, provider: Provider, booking: Booking
    ) -> None:
        given = await command(desk, provider, booking, Decimal(10))
        assert await self.react(desk.sink(), booking) == given
        assert desk.refunds == [("ch_1", 1000)]

    async def test_the_policy_leaves_what_a_person_waived(self, desk: Desk, booking: Booking) -> None:
        await desk.sink().waive(booking, key=KEY)
        receipt = await self.react(desk.sink(), booking)
        assert receipt.detail == "a person said that nothing goes back"
        assert desk.refunds == []

    async def test_a_word_that_is_taken_back_leaves_it_to_the_policy(
        self, desk: Desk, booking: Booking
    ) -> None:
        sink = desk.sink()
        assert [await sink.waive(booking, key=KEY) for _ in range(2)] == [True, False]
        await desk.sink().unwaive(booking, key=KEY)
        await self.react(desk.sink(), booking)
        assert desk.refunds == [("ch_1", 4900)]
        assert await sink.waive(booking, key=KEY)

    async def test_a_resumed_command_finds_what_the_policy_gave_back(
        self, desk: Desk, provider: Provider, booking: Booking
    ) -> None:
        provider.dies_after = True
        with pytest.raises(Killed):
            await command(desk, provider, booking)
        provider.dies_after = False
        given = await self.react(desk.sink(), booking)
        assert await command(desk, provider, booking) == given
        assert desk.refunds == [("ch_1", 4900)]

    async def test_a_command_that_was_begun_keeps_the_policy_out(
        self, desk: Desk, provider: Provider, booking: Booking
    ) -> None:
        desk.side.fault(kind="disconnect", on="refund")
        with pytest.raises(TransientError):
            await command(desk, provider, booking, Decimal(10))
        with pytest.raises(AdapterError, match="begun less than a day ago"):
            await self.react(desk.sink(policy=[{"notice": "0s", "refund": "50%"}]), booking)
        await command(desk, provider, booking, Decimal(10))
        assert desk.refunds == [("ch_1", 1000)]

    async def test_a_command_that_came_to_nothing_is_forgotten_after_a_day(
        self, desk: Desk, provider: Provider, booking: Booking
    ) -> None:
        desk.side.fault(kind="disconnect", on="refund")
        with pytest.raises(TransientError):
            await command(desk, provider, booking, Decimal(10))
        desk.remote_keys_expire()
        await self.react(desk.sink(), booking)
        with pytest.raises(RefusalError):
            await command(desk, provider, booking, Decimal(10))
        assert desk.refunds == [("ch_1", 4900)]
