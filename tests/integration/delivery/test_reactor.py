"""Reactors: each event once, in the order of the log, never twice where that does harm."""

import asyncio
from datetime import timedelta

import pytest

from events.ids import idempotency_key
from hub.delivery import RetryPolicy, RunningSink
from hub.errors import LogUnavailableError
from tests.integration.delivery.targets import Chat, ChatReactor, UnsafeChatReactor
from tests.integration.delivery.world import GRACE, World, eventually, later

SINK = "team-chat"


@pytest.fixture
def chat(world: World) -> Chat:
    world.register(SINK, "reactor")
    return Chat()


def running(world: World, chat: Chat, *, unsafe: bool = False, **options: object) -> RunningSink:
    kind = UnsafeChatReactor if unsafe else ChatReactor
    return RunningSink(SINK, kind(chat, world.context(SINK)), **options)  # type: ignore[arg-type]


async def test_events_of_a_booking_come_in_the_order_of_the_log(world: World, chat: Chat) -> None:
    for change in range(4):
        await world.record(fact for n in range(10) for fact in world.derive(f"b{n}", **later(change)))
    await world.engine(running(world, chat)).start()
    await world.settled(SINK)
    assert chat.of("b3") == ["BookingCreated"] + ["BookingRescheduled"] * 3
    assert len(chat.sent) == 40
    assert set(await world.states_of(SINK)) == {"delivered"}


async def test_key_of_an_effect_is_derived_from_event_and_sink(world: World, chat: Chat) -> None:
    [envelope] = await world.see("b1")
    await world.engine(running(world, chat)).start()
    await world.settled(SINK)
    assert list(chat.messages) == [idempotency_key(envelope.event_id, SINK)]


async def test_failing_event_holds_those_behind_it_and_no_other_booking(world: World, chat: Chat) -> None:
    chat.faults.always("b1", "transient")
    await world.engine(running(world, chat)).start()
    await world.see("b1")
    await world.see("b1", **later(1))
    await world.see("b2")
    await world.become(SINK, "delivered", key="b2")
    await asyncio.sleep(0.08)
    assert await world.states_of(SINK, "b1") == ["pending", "pending"]
    chat.faults.heal()
    world.advance(timedelta(minutes=1))
    await world.settled(SINK)
    assert chat.of("b1") == ["BookingCreated", "BookingRescheduled"]


async def test_refused_event_is_dead_and_the_next_one_goes_on(world: World, chat: Chat) -> None:
    chat.faults.fail_next("b1", "permanent")
    await world.engine(running(world, chat)).start()
    await world.see("b1")
    await world.see("b1", **later(1))
    await world.become(SINK, "dead", "delivered")
    assert chat.of("b1") == ["BookingRescheduled"]


async def test_parked_event_is_tried_before_a_newer_one(world: World, chat: Chat) -> None:
    chat.faults.always("b1", "transient")
    await world.engine(running(world, chat, retry=RetryPolicy(attempts=1))).start()
    await world.see("b1")
    await world.become(SINK, "parked")
    chat.faults.heal()
    world.advance(timedelta(seconds=1))
    await world.see("b1", **later(1))
    await world.become(SINK, "delivered", "delivered")
    assert chat.of("b1") == ["BookingCreated", "BookingRescheduled"]


async def test_lost_reply_has_no_second_effect(world: World, chat: Chat) -> None:
    chat.faults.fail_next("b1", "lost_reply")
    await world.engine(running(world, chat)).start()
    await world.see("b1")
    await world.settled(SINK)
    assert (len(chat.calls), len(chat.sent)) == (2, 1)


async def test_silent_call_of_an_unsafe_reactor_is_for_a_person(world: World, chat: Chat) -> None:
    chat.faults.fail_next("b1", "hang")
    await world.engine(running(world, chat, unsafe=True, timeout=timedelta(milliseconds=30))).start()
    await world.see("b1")
    await world.see("b1", **later(1))
    await world.become(SINK, "uncertain", "pending")
    # The key rests, since the cut-off call may still have its effect.
    world.advance(timedelta(seconds=1))
    await world.become(SINK, "uncertain", "delivered")
    assert chat.tries["b1"] == 2


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
async def test_event_in_flight_at_a_crash(world: World, chat: Chat, unsafe: bool) -> None:
    chat.gate = asyncio.Event()
    first = world.engine(running(world, chat, unsafe=unsafe))
    await first.start()
    await world.see("b1")
    await eventually(lambda: is_true(chat.tries["b1"] == 1))
    await first.stop(within=timedelta(0))
    assert await world.states_of(SINK) == ["sending"]

    chat.gate = None
    await world.engine(running(world, chat, unsafe=unsafe), alone=True).start()
    await world.see("b1", **later(1))
    await world.become(SINK, "uncertain" if unsafe else "delivered", "delivered")
    assert chat.tries["b1"] == (2 if unsafe else 3)


async def test_log_that_does_not_answer_is_nobodys_attempt(world: World, chat: Chat) -> None:
    away = True

    async def load(position: int) -> object:
        if away:
            raise LogUnavailableError("no answer")
        return await world.envelope_at(position)

    await world.engine(running(world, chat), load_envelope=load).start()
    await world.see("b1")

    async def told() -> bool:
        return [row.error_class for row in await world.rows(SINK)] == ["NotReadableError"]

    await eventually(told)
    away = False
    world.advance(timedelta(seconds=2))
    await world.settled(SINK)
    assert [row.attempts for row in await world.rows(SINK)] == [1]


class TestGrace:
    async def test_standing_cancellation_is_told_after_its_grace(self, world: World, chat: Chat) -> None:
        await world.engine(running(world, chat)).start()
        await world.see("b1", cancelled=True)
        await world.become(SINK, "delivered", "pending")
        world.advance(GRACE)
        await world.settled(SINK)
        assert chat.of("b1") == ["BookingCreated", "BookingCancelled"]

    async def test_cancellation_of_a_booking_that_went_on_is_never_told(
        self, world: World, chat: Chat
    ) -> None:
        await world.engine(running(world, chat)).start()
        await world.see("b1")
        await world.see("b1", cancelled=True)
        await world.see("b1", cancelled=False, **later(2))
        await world.become(SINK, "delivered", "pending", "pending", "pending")
        world.advance(GRACE)
        await world.settled(SINK)
        assert "BookingCancelled" not in chat.of("b1")
        assert {row.event_type: row.state for row in await world.rows(SINK)}["BookingCancelled"] == "covered"


async def is_true(value: bool) -> bool:
    return value
