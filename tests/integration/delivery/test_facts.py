"""What the hub did itself becomes a fact in the real log, once, however often it says so."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.errors import TransientError
from events import BookingRefunded, BookingRescheduled, Envelope
from events.derive import continue_chain, derive
from events.refunds import Refund
from hub.delivery.facts import FactKeeper, newest
from hub.errors import LogError
from hub.log import EventLog
from hub.telemetry import Metrics
from tests.factories import at, history, snapshot
from tests.integration.log.samples import new

B1 = ("meetergo", "b1")
GIVEN = Refund(refund_id="re_1", amount=4900, currency="EUR", at=datetime(2026, 10, 20, 15, 0, tzinfo=UTC))
MORE = GIVEN.model_copy(update={"refund_id": "re_2", "amount": 100})
CANCELLED = (
    snapshot(),
    snapshot(cancelled=True, version=at(1), updated_at=at(1)),
)


@pytest.fixture
def keeper(event_log: EventLog) -> FactKeeper:
    return FactKeeper(event_log, metrics=Metrics(version="0", sources=["meetergo"], sinks=[]))


@pytest.fixture
async def cancelled(event_log: EventLog) -> Envelope:
    batch = new(history(*CANCELLED))
    await event_log.append(batch, expected={B1: 0})
    return (await event_log.history(*B1))[-1]


async def test_a_refund_is_one_fact_of_its_booking(
    event_log: EventLog, keeper: FactKeeper, cancelled: Envelope
) -> None:
    for _ in range(3):
        await keeper.keep_for(cancelled, [GIVEN])
    *before, told = await event_log.history(*B1)
    assert [envelope.type for envelope in before] == ["BookingCreated", "BookingCancelled"]
    assert isinstance(told.event, BookingRefunded)
    assert (told.event.refund_id, told.event.amount, told.event.currency) == ("re_1", 4900, "EUR")
    assert (told.provenance, told.causation_id) == ("command", cancelled.event_id)
    assert (told.occurred_at, told.booking_id) == (GIVEN.at, "b1")
    assert told.booking is not None
    assert told.booking.status == "cancelled"


async def test_several_refunds_are_several_facts(
    event_log: EventLog, keeper: FactKeeper, cancelled: Envelope
) -> None:
    first = await keeper.keep_refunds(*B1, [GIVEN], causation_id="op-1")
    both = await keeper.keep_refunds(*B1, [GIVEN, MORE], causation_id="op-2")
    assert (len(first), len(both)) == (1, 1)
    assert [e.type for e in await event_log.history(*B1)][2:] == ["BookingRefunded"] * 2


async def test_many_at_the_same_moment_append_one(
    event_log: EventLog, keeper: FactKeeper, cancelled: Envelope
) -> None:
    kept = await asyncio.gather(*(keeper.keep_refunds(*B1, [GIVEN], causation_id=None) for _ in range(6)))
    assert sum(len(ids) for ids in kept) == 1
    assert len(await event_log.history(*B1)) == 3


async def test_the_same_look_at_the_provider_adds_nothing_after_it(
    event_log: EventLog, keeper: FactKeeper, cancelled: Envelope
) -> None:
    await keeper.keep_for(cancelled, [GIVEN])
    envelope, _ = await event_log.head(*B1)
    assert envelope is not None
    assert derive(envelope.booking, CANCELLED[-1]) == ()
    title = snapshot(cancelled=True, version=at(2), updated_at=at(2), title="New")
    (changed,) = derive(envelope.booking, title)
    assert changed.booking.ordinals["BookingRefunded:re_1"] == 1


async def test_it_goes_to_the_half_that_counts_now(
    event_log: EventLog, keeper: FactKeeper, cancelled: Envelope
) -> None:
    """The booking went on under another id: the fact is not lost in a history that has ended."""
    assert cancelled.booking is not None
    later = snapshot(provider_id="b2", replaces="b1", version=at(3), updated_at=at(3), created_at=at(3))
    batch = new(list(continue_chain(cancelled.booking, later)))
    assert any(isinstance(envelope.event, BookingRescheduled) for envelope in batch)
    await event_log.append(batch, expected={B1: 2, ("meetergo", "b2"): 0})
    await keeper.keep_for(cancelled, [GIVEN])
    (told,) = [e for e in await event_log.history("meetergo", "b2") if e.type == "BookingRefunded"]
    assert told.booking_id == "b1"
    found = await newest(event_log, cancelled.booking)
    assert (found.status, found.provider_id, found.booking_id) == ("active", "b2", "b1")


async def test_a_booking_is_read_again_with_what_no_projection_shows(
    event_log: EventLog, cancelled: Envelope
) -> None:
    assert cancelled.booking is not None
    back = snapshot(
        origin="api", version=at(2), updated_at=at(2), start=at(2) + timedelta(days=3), rescheduled_at=at(2)
    )
    await event_log.append(new(list(derive(cancelled.booking, back))), expected={B1: 2})
    assert (await newest(event_log, cancelled.booking)).status == "active"


async def test_a_history_that_is_gone_is_no_reason_to_go_on(event_log: EventLog, keeper: FactKeeper) -> None:
    (lost, *_) = new(history(*CANCELLED))
    assert lost.booking is not None
    with pytest.raises(LogError, match="no history of b1"):
        await keeper.keep_for(lost, [GIVEN])
    with pytest.raises(TransientError, match="cannot be read again"):
        await newest(event_log, lost.booking)
