"""Refunds by policy: what is looked at first, what is refused, and that nothing goes back twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from adapters.api import Receipt
from adapters.errors import ApprovalNeededError, PermanentError, TransientError
from adapters.ledger_in_memory import MemoryLedger
from adapters.stripe_refund.sink import StripeRefundSink
from events import Booking, Envelope
from tests.contract.stripe_refund.desk import MAIL, Desk, cancelled, paid

TIERS = [{"notice": "24h", "refund": "100%"}, {"notice": "2h", "refund": "50%"}]


async def react(sink: StripeRefundSink, envelope: Envelope) -> Receipt:
    return await sink.react(envelope, idempotency_key=f"key-{envelope.event_id}")


async def test_what_was_paid_goes_back_with_a_mark(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    sink = desk.sink()
    receipt = await react(sink, cancelled(paid()))
    assert desk.refunds == [("ch_1", 4900)]
    (refund,) = desk.account.refunds.values()
    assert refund["metadata"].keys() == {"bookinghub", "bookinghub_booking", "bookinghub_key"}
    assert refund["metadata"]["bookinghub_booking"] == "b-1"
    assert (receipt.external_id, receipt.detail) == (refund["id"], "refunded 49.00 EUR")
    (fact,) = sink.facts(receipt)
    assert (fact.refund_id, fact.amount, fact.currency) == (refund["id"], 4900, "EUR")


@pytest.mark.parametrize(
    ("notice", "amount"),
    [
        pytest.param(timedelta(hours=24), 4901, id="in time"),
        pytest.param(timedelta(hours=23, minutes=59), 2450, id="late, rounded down"),
        pytest.param(timedelta(hours=1), None, id="too late"),
        pytest.param(-timedelta(hours=1), None, id="after the start"),
    ],
)
async def test_the_notice_decides_what_goes_back(desk: Desk, notice: timedelta, amount: int | None) -> None:
    desk.account.pay("1", amount=4901, email=MAIL)
    receipt = await react(desk.sink(policy=TIERS), cancelled(paid(), notice=notice))
    assert desk.refunds == ([] if amount is None else [("ch_1", amount)])
    assert (receipt.external_id == "") is (amount is None)


@pytest.mark.parametrize("payment", ["pi_1", "ch_1", "cs_test_1"])
async def test_a_payment_is_found_by_each_of_its_ids(desk: Desk, payment: str) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    await react(desk.sink(), cancelled(paid(payment)))
    assert desk.refunds == [("ch_1", 4900)]


async def test_two_ids_of_one_payment_are_one_payment(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    first = await react(desk.sink(), cancelled(paid("pi_1")))
    again = await react(desk.sink(), cancelled(paid("ch_1")))
    assert first == again
    assert len(desk.refunds) == 1


async def test_an_unpaid_booking_asks_nobody(desk: Desk) -> None:
    receipt = await react(desk.sink(), cancelled(paid(None)))
    assert (receipt.external_id, receipt.detail) == ("", "nothing was paid")
    assert desk.side.made() == []


async def test_a_booking_that_goes_on_by_now_keeps_its_payment(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.newest["b-1"] = paid()
    receipt = await react(desk.sink(), cancelled(paid()))
    assert (receipt.external_id, receipt.detail) == ("", "the booking goes on")
    assert desk.side.made() == []


async def test_the_newest_state_says_which_payment(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.account.pay("2", amount=1000, email=MAIL)
    newest = cancelled(paid("pi_2")).booking
    assert newest is not None
    desk.newest["b-1"] = newest
    await react(desk.sink(), cancelled(paid("pi_1")))
    assert desk.refunds == [("ch_2", 1000)]


@pytest.mark.parametrize(
    ("charge", "booking", "told"),
    [
        ({"email": "somebody@else.example"}, {}, "belongs"),
        ({"email": None}, {}, "belongs"),
        ({"currency": "usd"}, {}, "in USD"),
        ({"disputed": True}, {}, "disputed"),
        ({"status": "pending"}, {}, "not taken"),
        ({"captured": False}, {}, "not taken"),
        ({"amount_refunded": 100}, {}, "by somebody else"),
        ({}, {"group": True}, "group"),
        ({}, {"payment": "PAYID-M7"}, "none of Stripe's"),
        ({}, {"payment": "pi_1/../../charges/ch_9"}, "none of Stripe's"),
        ({}, {"payment": "pi_404"}, "404 resource_missing"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else None,
)
async def test_in_doubt_nothing_goes_back(
    desk: Desk, charge: dict[str, Any], booking: dict[str, Any], told: str
) -> None:
    desk.account.pay("1", **{"amount": 4900, "email": MAIL} | charge)
    with pytest.raises(PermanentError, match=told):
        await react(desk.sink(), cancelled(paid(**booking)))
    assert desk.refunds == []


async def test_a_payment_may_name_its_booking_instead(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, metadata={"appointment": "b-1"})
    sink = desk.sink(proof="metadata.appointment")
    with pytest.raises(PermanentError, match="belongs"):
        await react(sink, cancelled(paid(name="b-2")))
    await react(sink, cancelled(paid()))
    assert desk.refunds == [("ch_1", 4900)]


async def test_what_a_person_gave_back_is_left_at_that(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.account.refund({"charge": "ch_1"})
    receipt = await react(desk.sink(), cancelled(paid()))
    assert receipt.detail == "refunded already, by somebody else"
    assert len(desk.refunds) == 1


async def test_the_same_payment_of_two_bookings_goes_back_once(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    sink = desk.sink(policy=[{"notice": "0s", "refund": "50%"}])
    await react(sink, cancelled(paid(name="b-1")))
    with pytest.raises(PermanentError, match="by somebody else"):
        await react(sink, cancelled(paid(name="b-2")))
    assert desk.refunds == [("ch_1", 2450)]


async def test_cancelled_again_after_it_was_reinstated_nothing_more_goes_back(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    half = desk.sink(policy=[{"notice": "0s", "refund": "50%"}])
    first = await react(half, cancelled(paid()))
    again = await react(half, cancelled(paid(), notice=timedelta(days=3)))
    assert first == again
    assert desk.refunds == [("ch_1", 2450)]


@pytest.mark.parametrize("idempotent", [True, False], ids=["keys", "no keys"])
class TestTwice:
    """Nothing goes back twice, whether or not the account remembers keys."""

    @pytest.fixture(autouse=True)
    def _account(self, desk: Desk, idempotent: bool) -> None:
        desk.account.idempotent = idempotent
        desk.account.pay("1", amount=4900, email=MAIL)

    async def test_a_reply_lost_after_the_effect(self, desk: Desk) -> None:
        desk.side.fault(kind="lost_reply", on="refund")
        with pytest.raises(TransientError) as lost:
            await react(desk.sink(), cancelled(paid()))
        assert lost.value.effect_unknown
        await react(desk.sink(), cancelled(paid()))
        assert desk.refunds == [("ch_1", 4900)]

    async def test_an_error_after_the_effect(self, desk: Desk) -> None:
        desk.account.fails_after = True
        with pytest.raises(TransientError, match="answered 500") as failed:
            await react(desk.sink(), cancelled(paid()))
        assert failed.value.effect_unknown
        receipt = await react(desk.sink(), cancelled(paid()))
        assert receipt.detail == "refunded 49.00 EUR"
        assert desk.refunds == [("ch_1", 4900)]

    async def test_a_late_retry_looks_first(self, desk: Desk) -> None:
        desk.side.fault(kind="lost_reply", on="refund")
        with pytest.raises(TransientError):
            await react(desk.sink(), cancelled(paid()))
        desk.remote_keys_expire()
        desk.ledgers.clear()
        await react(desk.sink(), cancelled(paid()))
        assert desk.refunds == [("ch_1", 4900)]

    async def test_a_half_after_the_policy_was_changed(self, desk: Desk) -> None:
        """The first attempt may have had its effect: the second must not ask for something else."""
        desk.side.fault(kind="disconnect", on="refund")
        with pytest.raises(TransientError):
            await react(desk.sink(policy=[{"notice": "0s", "refund": "50%"}]), cancelled(paid()))
        await react(desk.sink(), cancelled(paid()))
        assert desk.refunds == [("ch_1", 2450)]

    @pytest.mark.parametrize("after", range(4))
    async def test_a_kill_after_each_call(self, desk: Desk, after: int) -> None:
        desk.side.cut_off_after(after)
        with pytest.raises(TransientError):
            await react(desk.sink(), cancelled(paid()))
        desk.side.restore()
        await react(desk.sink(), cancelled(paid()))
        await react(desk.sink(), cancelled(paid()))
        assert desk.refunds == [("ch_1", 4900)]


async def test_two_processes_at_the_same_moment_give_back_once(desk: Desk) -> None:
    """A claim lets one process at a time work on a booking; behind that stands the key.

    Stripe itself would give back the half twice.
    """
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.side.fault(kind="delay", on="refund", seconds=0.2, times=None)
    sinks = [desk.sink(policy=[{"notice": "0s", "refund": "50%"}]) for _ in range(2)]
    receipts = await asyncio.gather(*(react(sink, cancelled(paid())) for sink in sinks))
    assert receipts[0] == receipts[1]
    assert desk.refunds == [("ch_1", 2450)]


async def test_two_policies_for_one_booking_give_back_once(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    full, half = desk.sink("full"), desk.sink("half", policy=[{"notice": "0s", "refund": "50%"}])
    first = await react(half, cancelled(paid()))
    assert await react(full, cancelled(paid())) == first
    assert desk.refunds == [("ch_1", 2450)]


async def test_two_policies_at_the_same_moment_give_back_once(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.side.fault(kind="delay", on="refund", seconds=0.2, times=None)
    sinks = desk.sink("full"), desk.sink("half", policy=[{"notice": "0s", "refund": "50%"}])
    receipts = await asyncio.gather(*(react(sink, cancelled(paid())) for sink in sinks))
    assert len(desk.refunds) == 1
    assert receipts[0] == receipts[1]


class TestLimits:
    async def test_over_the_limit_a_person_decides(self, desk: Desk) -> None:
        desk.account.pay("1", amount=4900, email=MAIL)
        sink, event = desk.sink(approve_above="48.99"), cancelled(paid())
        for _ in range(2):
            with pytest.raises(ApprovalNeededError, match=r"49\.00 EUR would go back, over 48\.99 EUR"):
                await react(sink, event)
        assert desk.refunds == []
        await sink.react_approved(event, idempotency_key="key")
        assert desk.refunds == [("ch_1", 4900)]

    async def test_an_approval_is_for_the_amount_that_was_shown(self, desk: Desk) -> None:
        desk.account.pay("1", amount=4900, email=MAIL)
        event = cancelled(paid())
        with pytest.raises(ApprovalNeededError, match=r"24\.50 EUR"):
            await react(desk.sink(approve_above="1", policy=[{"notice": "0s", "refund": "50%"}]), event)
        with pytest.raises(ApprovalNeededError, match=r"49\.00 EUR"):
            await desk.sink(approve_above="1").react_approved(event, idempotency_key="key")
        assert desk.refunds == []
        await desk.sink(approve_above="1").react_approved(event, idempotency_key="key")
        assert desk.refunds == [("ch_1", 4900)]

    async def test_an_approval_that_nobody_asked_for_is_none(self, desk: Desk) -> None:
        desk.account.pay("1", amount=4900, email=MAIL)
        with pytest.raises(ApprovalNeededError):
            await desk.sink(approve_above="1").react_approved(cancelled(paid()), idempotency_key="key")
        assert desk.refunds == []

    async def test_a_day_has_a_limit_over_all_bookings(self, desk: Desk) -> None:
        sink = desk.sink(daily_limit="100")
        for number in range(1, 4):
            desk.account.pay(str(number), amount=4900, email=MAIL)
        await react(sink, event_of(1))
        await react(desk.sink(daily_limit="100"), event_of(2))
        with pytest.raises(ApprovalNeededError, match=r"98\.00 EUR of 100\.00 EUR a day"):
            await react(sink, event_of(3))
        assert [charge for charge, _ in desk.refunds] == ["ch_1", "ch_2"]
        desk.clock.now += timedelta(days=1)
        await react(sink, event_of(3))
        assert len(desk.refunds) == 3

    async def test_the_day_is_that_of_the_hub(self, desk: Desk) -> None:
        """22:30 UTC in October is half past midnight in Berlin."""
        sink = desk.sink(daily_limit="50")
        for number in (1, 2):
            desk.account.pay(str(number), amount=4900, email=MAIL)
        desk.clock.now = desk.clock.now.replace(hour=21, minute=30)
        await react(sink, event_of(1))
        with pytest.raises(ApprovalNeededError):
            await react(sink, event_of(2))
        desk.clock.now = desk.clock.now.replace(hour=22, minute=30)
        await react(sink, event_of(2))

    async def test_a_repeated_attempt_counts_once(self, desk: Desk) -> None:
        sink = desk.sink(daily_limit="60")
        desk.account.pay("1", amount=4900, email=MAIL)
        for _ in range(3):
            desk.side.fault(kind="disconnect", on="refund")
            with pytest.raises(TransientError):
                await react(sink, event_of(1))
        await react(sink, event_of(1))
        assert desk.refunds == [("ch_1", 4900)]

    async def test_what_was_refused_counts_for_no_day(self, desk: Desk) -> None:
        sink = desk.sink(daily_limit="60")
        for number in (1, 2):
            desk.account.pay(str(number), amount=4900, email=MAIL)
        desk.side.fault(kind="status", status=400, reason="charge_disputed", on="refund")
        with pytest.raises(PermanentError, match="charge_disputed"):
            await react(sink, event_of(1))
        await react(sink, event_of(2))
        assert desk.refunds == [("ch_2", 4900)]


async def test_a_refund_that_fails_at_stripe_is_for_a_person(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.account.next_status = "failed"
    for _ in range(2):
        with pytest.raises(PermanentError, match="could not carry out the refund re_0001: failed"):
            await react(desk.sink(), cancelled(paid()))
    assert len(desk.refunds) == 1


async def test_a_pending_refund_is_made_but_no_fact_yet(desk: Desk) -> None:
    desk.account.pay("1", amount=4900, email=MAIL)
    desk.account.next_status = "pending"
    sink = desk.sink()
    receipt = await react(sink, cancelled(paid()))
    assert receipt.detail == "refund pending 49.00 EUR"
    assert sink.facts(receipt) == ()
    desk.account.refunds[receipt.external_id]["status"] = "succeeded"
    later = await react(sink, cancelled(paid()))
    assert len(sink.facts(later)) == 1
    assert len(desk.refunds) == 1


async def test_a_ledger_that_is_away_gives_nothing_back(desk: Desk) -> None:
    class Away(MemoryLedger):
        async def transact(self, work: Any) -> Any:
            raise TransientError("the ledger is not to be reached")

    desk.account.pay("1", amount=4900, email=MAIL)
    with pytest.raises(TransientError, match="ledger"):
        await react(desk.sink(ledger=Away()), cancelled(paid()))
    assert desk.refunds == []


async def test_many_refunds_of_a_payment_are_all_looked_at(desk: Desk) -> None:
    """The one of ours stands behind more than one page of others that came to nothing."""
    desk.account.pay("1", amount=4900, email=MAIL)
    await react(desk.sink(), cancelled(paid()))
    for _ in range(120):
        desk.account.next_status = "failed"
        desk.account.idempotent = False
        desk.account.refund({"charge": "ch_1", "amount": "100"})
    receipt = await react(desk.sink(), cancelled(paid()))
    assert receipt.external_id == "re_0001"
    assert len(desk.refunds) == 121


def event_of(number: int) -> Envelope:
    booking: Booking = paid(f"pi_{number}", name=f"b-{number}")
    return cancelled(booking)
