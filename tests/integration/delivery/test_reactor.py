"""Reactors: each event once, in the order of the log, never twice where that does harm."""

import asyncio
from datetime import timedelta

import pytest

from events.ids import idempotency_key
from hub.delivery import RetryPolicy, RunningSink, pause_sink, resume_sink
from hub.errors import LogUnavailableError
from hub.store import deliveries
from hub.store.deliveries import DeliveryFilter
from tests.integration.delivery.targets import (
    Chat,
    ChatReactor,
    Fault,
    ForgetfulChatReactor,
    UnsafeChatReactor,
)
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
    await eventually(lambda: has_failed(world))
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


class TestLimitedMemory:
    """`repeat = safe_for(1h)`: a call without an answer is made again within the hour, then never."""

    def running(self, world: World, chat: Chat, **options: object) -> RunningSink:
        return RunningSink(SINK, ForgetfulChatReactor(chat, world.context(SINK)), **options)  # type: ignore[arg-type]

    async def fails_once(self, world: World, chat: Chat, fault: Fault, **options: object) -> None:
        """The first event is sent now, and fails so; the next attempt is due in half an hour or less."""
        half = timedelta(minutes=30)
        patient = RetryPolicy(first=half, max=half)
        chat.faults.fail_next("b1", *[fault] * 3)
        await world.engine(self.running(world, chat, retry=patient, **options)).start()
        await world.see("b1")
        await eventually(lambda: is_true(chat.tries["b1"] >= 1))
        await world.become(SINK, "pending")

        async def told() -> bool:
            return len(await world.attempts(SINK)) == 1

        await eventually(told)

    async def test_lost_reply_is_repeated_while_the_other_side_remembers(
        self, world: World, chat: Chat
    ) -> None:
        await self.fails_once(world, chat, "lost_reply")
        [row] = await world.rows(SINK)
        assert row.unknown_since == row.first_attempt_at == world.clock.now()
        world.advance(timedelta(minutes=30))
        await world.settled(SINK)
        assert chat.sent == ["b1 BookingCreated"]

    async def test_repetition_that_comes_too_late_is_for_a_person(self, world: World, chat: Chat) -> None:
        await self.fails_once(world, chat, "lost_reply")
        await world.see("b1", **later(1))
        await world.db.write(lambda s: pause_sink(s, SINK, reason="x", now=world.clock.now()))
        world.advance(timedelta(hours=1))
        await world.db.write(lambda s: resume_sink(s, SINK, now=world.clock.now()))
        await world.become(SINK, "uncertain", "delivered")
        assert chat.of("b1") == ["BookingCreated", "BookingRescheduled"]
        [row, _] = await world.rows(SINK)
        assert row.reason == "an attempt came to no answer, and it is too late to repeat it safely"

    async def test_person_who_has_looked_may_send_it_again(self, world: World, chat: Chat) -> None:
        await self.fails_once(world, chat, "lost_reply")
        await world.engines[0].stop()
        world.advance(timedelta(hours=2))
        await world.engine(self.running(world, chat)).start()
        await world.become(SINK, "uncertain")
        wanted = DeliveryFilter(sink=SINK, states=("uncertain",))
        await world.db.write(lambda s: deliveries.retry(s, wanted, now=world.clock.now()))
        await world.become(SINK, "delivered")

    async def test_refused_call_is_repeated_however_old_it_is(self, world: World, chat: Chat) -> None:
        await self.fails_once(world, chat, "transient")
        await world.engines[0].stop()
        world.advance(timedelta(days=3))
        await world.engine(self.running(world, chat)).start()
        await world.settled(SINK)
        assert chat.sent == ["b1 BookingCreated"]

    @pytest.mark.parametrize("late", [False, True], ids=["young", "old"])
    async def test_event_in_flight_at_a_crash(self, world: World, chat: Chat, late: bool) -> None:
        chat.gate = asyncio.Event()
        first = world.engine(self.running(world, chat))
        await first.start()
        await world.see("b1")
        await eventually(lambda: is_true(chat.tries["b1"] == 1))
        await first.stop(within=timedelta(0))
        chat.gate = None
        world.advance(timedelta(hours=1) if late else timedelta(minutes=59))
        await world.engine(self.running(world, chat), alone=True).start()
        await world.become(SINK, "uncertain" if late else "delivered")


async def test_lost_reply_of_an_unsafe_reactor_is_for_a_person(world: World, chat: Chat) -> None:
    chat.faults.fail_next("b1", "lost_reply")
    await world.engine(running(world, chat, unsafe=True)).start()
    await world.see("b1")
    await world.become(SINK, "uncertain")
    assert (chat.tries["b1"], chat.sent) == (1, ["b1 BookingCreated"])


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


async def has_failed(world: World) -> bool:
    return "retry" in [attempt.outcome for attempt in await world.attempts(SINK)]


async def is_true(value: bool) -> bool:
    return value
