"""A cancellation with a refund: checked, cancelled, given back; killed at any step and given again, once."""

from typing import Any

import pytest

from adapters.stripe_refund.sink import StripeRefundSink
from hub.settings.models import SinkSettings
from tests.contract.meetergo.stand_in import at
from tests.contract.stripe_refund.desk import Desk, cancelled
from tests.integration.commands.world import World, refunding


class KilledError(BaseException):
    """The process is gone."""


async def paid(world: World) -> str:
    return await world.known(world.meetergo.book(at(27, 9), paymentId="pi_1")["id"])


async def test_it_is_cancelled_and_what_was_paid_goes_back(world: World, stripe: Desk) -> None:
    ref = await paid(world)
    shown = await world.done(ref, "cancel", refund="full", dry_run=True)
    assert (shown["refund"]["text"], stripe.refunds) == ("49.00 EUR", [])
    done = await world.done(ref, "cancel", refund="full", preview=shown["preview"])
    assert done["facts"] == ["BookingCancelled", "BookingRefunded"]
    assert stripe.refunds == [("ch_1", 4900)]
    assert (await world.booking(ref))["status"] == "cancelled"


async def test_a_part_goes_back(world: World, stripe: Desk) -> None:
    await world.done(await paid(world), "cancel", refund="20.50")
    assert stripe.refunds == [("ch_1", 2050)]


@pytest.mark.parametrize("step", ["before the cancellation", "after it", "after the refund"])
async def test_killed_at_any_step_and_given_again_there_is_one_refund(
    world: World, stripe: Desk, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await paid(world)
    real_refund, real_cancel = StripeRefundSink.refund, world.provider.cancel

    async def die_at_refund(self: StripeRefundSink, *given: Any, **named: Any) -> Any:
        if step == "after the refund":
            await real_refund(self, *given, **named)
        raise KilledError

    async def die_at_cancel(*given: Any, **named: Any) -> None:
        raise KilledError

    if step == "before the cancellation":
        world.provider.cancel = die_at_cancel  # type: ignore[method-assign]
    else:
        monkeypatch.setattr(StripeRefundSink, "refund", die_at_refund)
    with pytest.raises(KilledError):
        await world.post(ref, "cancel", refund="full")
    monkeypatch.setattr(StripeRefundSink, "refund", real_refund)
    world.provider.cancel = real_cancel  # type: ignore[method-assign]
    world.restart()
    refunding(world, stripe)
    for _ in range(2):
        done = await world.done(ref, "cancel", refund="full")
        assert done["booking"]["status"] == "cancelled"
    assert stripe.refunds == [("ch_1", 4900)]
    kinds = await world.facts()
    assert (kinds.count("BookingCancelled"), kinds.count("BookingRefunded")) == (1, 1)


async def test_what_cannot_go_back_cancels_nothing(world: World, stripe: Desk) -> None:
    unpaid = await world.known(world.meetergo.book(at(28, 9), who="Jon")["id"])
    assert await world.refused(unpaid, "cancel", refund="full") == (409, "nothing-paid")
    ref = await paid(world)
    assert await world.refused(ref, "cancel", refund="49.01") == (409, "refund-refused")
    assert "cancel" not in world.meetergo.made()
    assert await world.refused(ref, "cancel", refund="full", series=True) == (422, "invalid")


async def test_an_amount_over_the_limit_has_to_be_named(world: World, stripe: Desk) -> None:
    ref = await paid(world)
    refunding(world, stripe, approve_above="20")
    assert (await world.done(ref, "cancel", refund="full", dry_run=True))["refund"]["over_limit"]
    assert await world.refused(ref, "cancel", refund="full") == (422, "invalid")
    assert await world.refused(ref, "cancel", refund="full", confirm="20.00") == (422, "invalid")
    assert "cancel" not in world.meetergo.made()
    await world.done(ref, "cancel", refund="full", confirm="49.00")
    assert stripe.refunds == [("ch_1", 4900)]


async def test_a_refund_that_fails_after_the_cancellation_says_what_to_do(world: World, stripe: Desk) -> None:
    ref = await paid(world)
    stripe.side.fault(kind="status", status=503, on="refund", times=None)
    answer = await world.post(ref, "cancel", refund="full")
    assert (answer.status_code, answer.json()["code"]) == (503, "target-unreachable")
    assert answer.json()["detail"].startswith("the booking is cancelled, the money has not gone back")
    assert answer.json()["next"] == f"bookinghub bookings cancel {ref} --refund full"
    stripe.side.restore()
    assert (await world.done(ref, "cancel", refund="full"))["facts"] == ["BookingRefunded"]
    assert stripe.refunds == [("ch_1", 4900)]


async def by_policy(world: World, stripe: Desk, ref: str) -> list[tuple[str, int]]:
    """What has gone back once the policy has heard that the booking was cancelled by its guest."""
    booking = await world.state(ref)
    assert booking is not None
    await stripe.sink().react(cancelled(booking), idempotency_key="k")
    return stripe.refunds


@pytest.mark.parametrize("outdated", [True, False], ids=["preview outdated", "provider refuses"])
async def test_a_cancellation_that_was_refused_leaves_the_policy_as_it_was(
    world: World, stripe: Desk, outdated: bool
) -> None:
    ref = await paid(world)
    if not outdated:
        world.meetergo.fault(kind="status", status=403, on="cancel")
    given = {"preview": "another"} if outdated else {}
    assert (await world.post(ref, "cancel", refund="none", **given)).status_code in (409, 502)
    assert await by_policy(world, stripe, ref) == [("ch_1", 4900)]


async def test_none_holds_where_nobody_knows_whether_it_was_cancelled(world: World, stripe: Desk) -> None:
    ref = await paid(world)
    world.meetergo.fault(kind="lost_reply", on="cancel")
    assert await world.refused(ref, "cancel", refund="none") == (504, "outcome-unknown")
    assert await by_policy(world, stripe, ref) == []


async def test_none_is_said_to_every_sink_that_can_give_back(world: World, stripe: Desk) -> None:
    async def adapter(settings: SinkSettings) -> StripeRefundSink:
        return stripe.sink(settings.name)

    world.serve_with(adapter=adapter)
    ref = await paid(world)
    await world.done(ref, "cancel", refund="none")
    booking = await world.state(ref)
    assert booking is not None
    assert len(world.services.settings.sinks) > 1
    for name in world.services.settings.sinks:
        await stripe.sink(name).react(cancelled(booking), idempotency_key="k")
    assert stripe.refunds == []


async def test_none_keeps_the_policy_away_and_needs_no_sink(world: World, stripe: Desk) -> None:
    ref = await paid(world)
    await world.done(ref, "cancel", refund="none")
    assert stripe.refunds == []
    world.restart()
    other = await world.known(world.meetergo.book(at(28, 9))["id"])
    assert await world.refused(other, "cancel", refund="full") == (501, "not-supported")
    assert (await world.done(other, "cancel", refund="none"))["facts"] == ["BookingCancelled"]
