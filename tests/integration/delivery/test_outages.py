"""A target that is down, and a booking that fails by itself: told apart, and neither harms the others."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters.errors import TransientError
from hub.delivery import RetryPolicy, RunningSink, pause_sink, resume_sink
from hub.delivery.circuit import PROBING, PROOF_KEYS, PROOF_TIME
from hub.store import deliveries
from hub.store.deliveries import DeliveryFilter
from hub.store.guard import HELD, UNTIL_LET_GO
from hub.store.tables import DeliveryRow
from tests.integration.delivery.targets import Calendar, CalendarMirror, Chat, ChatReactor
from tests.integration.delivery.world import POLL, World, eventually, later

SINK = "team-calendar"
QUARTER = timedelta(minutes=15)
POLLS = 6 * POLL.total_seconds()
"""A few polls: for what must not happen there is no condition to wait for."""


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


def running(world: World, calendar: Calendar, **options: object) -> RunningSink:
    return RunningSink(SINK, CalendarMirror(calendar, world.context(SINK)), **options)  # type: ignore[arg-type]


async def in_state(world: World, state: str) -> None:
    async def holds() -> bool:
        return (await world.sink(SINK)).state == state

    await eventually(holds)


async def failed(world: World, *, times: int) -> None:
    """Wait until the sink's attempts have failed so often altogether."""

    async def holds() -> bool:
        return len(await world.attempts(SINK)) >= times

    await eventually(holds)


async def nobody_calls(world: World) -> None:
    async def holds() -> bool:
        return await world.claims() == []

    await eventually(holds)


async def go_down(world: World, calendar: Calendar, bookings: int = 6) -> None:
    """The target goes away, and enough bookings find out."""
    calendar.faults.always("*", "transient")
    await world.record(fact for n in range(bookings) for fact in world.derive(f"b{n}"))
    await failed(world, times=bookings)
    world.advance(PROOF_TIME)
    await in_state(world, "circuit_open")


class TestOutage:
    async def test_circuit_opens_remembers_why_and_asks_with_one_key(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await go_down(world, calendar)
        sink = await world.sink(SINK)
        assert (sink.reason, sink.since) == ("503 backendError", world.clock.now())
        assert sink.failing_since == world.clock.now() - PROOF_TIME
        assert len(sink.failing_keys) >= PROOF_KEYS

        await nobody_calls(world)
        tries = sum(calendar.tries.values())
        await world.record(fact for n in range(20, 60) for fact in world.derive(f"b{n}"))
        await asyncio.sleep(POLLS)
        assert sum(calendar.tries.values()) == tries
        for probe in range(1, 4):
            calendar.tries.clear()
            before = len(await world.attempts(SINK))
            world.advance(PROBING.max)
            await failed(world, times=before + 1)
            await asyncio.sleep(POLLS)
            assert len(calendar.tries) == 1, f"probe {probe} asked with {set(calendar.tries)}"

    async def test_a_day_of_outage_uses_nobody_up_and_everything_arrives_after_it(
        self, world: World, calendar: Calendar
    ) -> None:
        retry = RetryPolicy(attempts=3)
        await world.engine(running(world, calendar, retry=retry)).start()
        await go_down(world, calendar)
        await nobody_calls(world)
        for hour in range(24):
            asked = len(await world.attempts(SINK))
            await world.see(f"during-{hour}")
            world.advance(timedelta(hours=1))
            await failed(world, times=asked + 1)
        rows = await world.rows(SINK)
        assert {row.state for row in rows} == {"pending"}
        assert max(row.attempts for row in rows) < retry.attempts
        calendar.faults.heal()
        world.advance(PROBING.max)
        await world.settled(SINK)
        sink = await world.sink(SINK)
        assert (sink.state, sink.reason, sink.failing_since) == ("running", None, None)
        assert len(calendar.entries) == len(rows)

    async def test_what_waited_for_its_next_attempt_is_due_once_the_target_is_back(
        self, world: World, calendar: Calendar
    ) -> None:
        retry = RetryPolicy(first=timedelta(hours=1), max=timedelta(hours=1))
        await world.engine(running(world, calendar, retry=retry)).start()
        calendar.faults.always("*", "transient")
        await world.record(fact for n in range(6) for fact in world.derive(f"b{n}"))
        await failed(world, times=6)
        world.advance(PROOF_TIME)
        await world.see("b7")
        await in_state(world, "circuit_open")
        calendar.faults.heal()
        await world.see("b8")
        world.advance(PROBING.max)
        await world.settled(SINK)

    async def test_quick_schedules_that_park_everybody_at_once_recover_too(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("*", "transient")
        await world.engine(running(world, calendar, retry=RetryPolicy(attempts=1))).start()
        await world.record(fact for n in range(6) for fact in world.derive(f"b{n}"))
        await world.become(SINK, *["parked"] * 6)
        world.advance(PROOF_TIME)
        await in_state(world, "circuit_open")
        await failed(world, times=7)
        assert set(await world.states_of(SINK)) == {"parked"}
        calendar.faults.heal()
        world.advance(PROBING.max)
        await world.settled(SINK)
        assert len(calendar.entries) == 6

    async def test_refusal_is_an_answer_and_closes_the_circuit(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await go_down(world, calendar)
        calendar.faults.heal()
        calendar.faults.fail_next("*", "permanent")
        world.advance(PROBING.max)
        await world.settled(SINK)
        assert sorted(await world.states_of(SINK)) == ["dead"] + ["delivered"] * 5

    async def test_result_of_a_call_begun_before_does_not_count(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        calendar.gate = asyncio.Event()
        await world.see("slow")

        async def is_called() -> bool:
            return calendar.busy == {"slow"}

        await eventually(is_called)
        gate, calendar.gate = calendar.gate, None
        await go_down(world, calendar)
        gate.set()
        await world.become(SINK, "pending", key="slow")
        [slow] = await world.rows(SINK, "slow")
        assert (slow.state, slow.attempts, slow.error_message) == ("pending", 0, "503 backendError")

    async def test_circuit_closes_when_nothing_is_left_to_ask_with(
        self, world: World, calendar: Calendar
    ) -> None:
        engine = world.engine(running(world, calendar))
        await engine.start()
        await go_down(world, calendar)
        wanted = DeliveryFilter(sink=SINK)
        await nobody_calls(world)
        await world.db.write(lambda s: deliveries.drop(s, wanted, now=world.clock.now(), reason="dropped"))
        world.advance(PROBING.max)
        await in_state(world, "running")

    async def test_what_a_person_has_to_let_go_does_not_ask(self, world: World, calendar: Calendar) -> None:
        await world.engine(running(world, calendar, guard=0)).start()
        await go_down(world, calendar)
        await nobody_calls(world)
        held = {"guard": HELD, "due_at": UNTIL_LET_GO}
        await world.db.write(lambda s: s.execute(update(DeliveryRow).values(held)) and None)
        tries = sum(calendar.tries.values())
        world.advance(PROBING.max)
        await in_state(world, "running")
        assert sum(calendar.tries.values()) == tries

    async def test_reactor_asks_with_the_first_event_of_a_booking(self, world: World) -> None:
        world.register("chat", "reactor")
        chat = Chat()
        chat.faults.always("*", "transient")
        retry = RetryPolicy(attempts=1)
        await world.engine(RunningSink("chat", ChatReactor(chat, world.context("chat")), retry=retry)).start()
        await world.record(fact for n in range(6) for fact in world.derive(f"b{n}"))
        await world.become("chat", *["parked"] * 6)
        await world.record(fact for n in range(6) for fact in world.derive(f"b{n}", **later(1)))
        chat.faults.heal()
        world.advance(PROOF_TIME + PROBING.max)
        await world.settled("chat")
        for booking in range(6):
            assert chat.of(f"b{booking}") == ["BookingCreated", "BookingRescheduled"]


class TestMemory:
    async def test_open_circuit_outlives_a_restart(self, world: World, calendar: Calendar) -> None:
        first = world.engine(running(world, calendar))
        await first.start()
        await go_down(world, calendar)
        await nobody_calls(world)
        await first.stop()
        calendar.tries.clear()
        before = len(await world.attempts(SINK))
        await world.engine(running(world, calendar)).start()
        # A process that starts asks at once, as it does with credentials, and with one key as well.
        await failed(world, times=before + 1)
        await asyncio.sleep(POLLS)
        assert len(calendar.tries) == 1
        assert (await world.sink(SINK)).state == "circuit_open"
        calendar.faults.heal()
        world.advance(PROBING.max)
        await world.settled(SINK)

    async def test_probe_that_was_lost_with_its_process_is_made_again(
        self, world: World, calendar: Calendar
    ) -> None:
        first = world.engine(running(world, calendar))
        await first.start()
        await go_down(world, calendar)
        await nobody_calls(world)
        calendar.gate = asyncio.Event()
        world.advance(PROBING.max)

        async def probing() -> bool:
            return "sending" in await world.states_of(SINK)

        await eventually(probing)
        await first.stop(within=timedelta(0))
        calendar.gate = None
        calendar.faults.heal()
        sink = running(world, calendar)
        await world.engine(sink, alone=True).start()
        world.advance(sink.lease)
        await world.settled(SINK)

    async def test_pause_by_a_person_outranks_it(self, world: World, calendar: Calendar) -> None:
        await world.engine(running(world, calendar)).start()
        await go_down(world, calendar)
        await world.db.write(lambda s: pause_sink(s, SINK, reason="repairs", now=world.clock.now()))
        await nobody_calls(world)
        tries = sum(calendar.tries.values())
        world.advance(timedelta(hours=1))
        await asyncio.sleep(POLLS)
        assert sum(calendar.tries.values()) == tries
        sink = await world.sink(SINK)
        assert (sink.state, sink.reason) == ("paused", "repairs")
        calendar.faults.heal()
        await world.db.write(lambda s: resume_sink(s, SINK, now=world.clock.now()))
        await world.settled(SINK)

    async def test_resume_asks_at_once(self, world: World, calendar: Calendar) -> None:
        engine = world.engine(running(world, calendar))
        await engine.start()
        await go_down(world, calendar)
        await nobody_calls(world)
        calendar.faults.heal()
        await world.db.write(lambda s: resume_sink(s, SINK, now=world.clock.now()))
        engine.wake()
        await world.settled(SINK)
        assert (await world.sink(SINK)).state == "running"


class TestOpening:
    @pytest.mark.parametrize("by_a_person", [False, True], ids=["by-itself", "by-a-person"])
    async def test_target_that_is_down_at_the_start_is_an_outage(
        self, world: World, calendar: Calendar, by_a_person: bool
    ) -> None:
        class Away(CalendarMirror):
            async def open(self) -> None:
                if away:
                    raise TransientError("no route")

        away = True
        engine = world.engine(RunningSink(SINK, Away(calendar, world.context(SINK))))
        await engine.start()
        await world.see("b1")

        async def is_failing() -> bool:
            return (await world.sink(SINK)).failing_since is not None

        await eventually(is_failing)
        world.advance(PROOF_TIME)
        await in_state(world, "circuit_open")
        assert (await world.sink(SINK)).reason == "no route"
        assert not calendar.tries
        away = False
        await asyncio.sleep(POLLS)
        assert not calendar.tries
        if by_a_person:
            await world.db.write(lambda s: resume_sink(s, SINK, now=world.clock.now()))
            engine.wake()
        else:
            world.advance(timedelta(minutes=1))
        await world.settled(SINK)
        assert (await world.sink(SINK)).state == "running"


class TestBookingThatFailsAlone:
    async def test_it_stays_parked_while_others_are_served(self, world: World, calendar: Calendar) -> None:
        calendar.faults.always("b1", "transient")
        await world.engine(running(world, calendar, retry=RetryPolicy(attempts=1))).start()
        await world.see("b0")
        await world.become(SINK, "delivered")
        await world.see("b1")
        await world.become(SINK, "delivered", "parked")
        tries = calendar.tries["b1"]
        for number in range(2, 12):
            world.advance(timedelta(minutes=1))
            await world.see(f"b{number}")
            await world.become(SINK, "delivered", key=f"b{number}")
        assert await world.states_of(SINK, "b1") == ["parked"]
        assert calendar.tries["b1"] == tries
        assert (await world.sink(SINK)).state == "running"

    async def test_it_asks_once_in_a_while_if_nobody_is_served(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("b1", "transient")
        await world.engine(running(world, calendar, retry=RetryPolicy(attempts=2))).start()
        await world.see("b1")
        await failed(world, times=1)
        world.advance(timedelta(seconds=2))
        await world.become(SINK, "parked")
        for times in (3, 4):
            world.advance(QUARTER - timedelta(seconds=1))
            await asyncio.sleep(POLLS)
            assert len(await world.attempts(SINK)) == times - 1
            world.advance(timedelta(seconds=1))
            await failed(world, times=times)
            await world.become(SINK, "parked")
        calendar.faults.heal()
        world.advance(QUARTER)
        await world.become(SINK, "delivered")

    async def test_after_a_long_silence_the_first_success_gives_it_one_more_attempt(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("b1", "transient")
        engine = world.engine(running(world, calendar, retry=RetryPolicy(attempts=2)))
        await engine.start()
        await world.see("b1")
        await failed(world, times=1)
        world.advance(timedelta(seconds=2))
        await world.become(SINK, "parked")
        await engine.stop()
        world.advance(QUARTER)
        await world.see("b2")
        await world.engine(running(world, calendar, retry=RetryPolicy(attempts=2), concurrency=1)).start()
        await failed(world, times=4)
        await world.become(SINK, "parked", "delivered")
        tries = len(await world.attempts(SINK))
        await world.see("b3")
        await world.become(SINK, "parked", "delivered", "delivered")
        assert len(await world.attempts(SINK)) == tries + 1


class TestToldToWait:
    async def test_the_whole_sink_waits_as_told_and_no_attempt_is_counted(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.fail_next("b1", "told_to_wait")
        await world.engine(running(world, calendar)).start()
        await world.see("b1")
        await failed(world, times=1)
        told = world.clock.now() + timedelta(minutes=3)
        [row] = await world.rows(SINK)
        assert (row.state, row.attempts, row.due_at) == ("pending", 0, told)
        assert (await world.sink(SINK)).wait_until == told
        assert (await world.attempts(SINK))[0].message == "429 rate limit, again in 180 s"

        await world.see("b1", **later(1))
        await world.see("b2")
        world.advance(timedelta(minutes=3) - timedelta(seconds=1))
        await asyncio.sleep(POLLS)
        assert sum(calendar.tries.values()) == 1
        world.advance(timedelta(seconds=1))
        await world.settled(SINK)

    async def test_resume_ends_the_wait(self, world: World, calendar: Calendar) -> None:
        calendar.faults.fail_next("b1", "told_to_wait")
        engine = world.engine(running(world, calendar))
        await engine.start()
        await world.see("b1")
        await failed(world, times=1)
        await world.see("b2")
        await world.db.write(lambda s: resume_sink(s, SINK, now=world.clock.now()))
        engine.wake()
        await world.become(SINK, "delivered", key="b2")

    async def test_booking_that_alone_is_told_to_wait_is_parked_in_the_end(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("b1", "told_to_wait")
        await world.engine(running(world, calendar, retry=RetryPolicy(attempts=2))).start()
        await world.see("b1")
        for number in range(3):
            await failed(world, times=1 + 2 * number)
            world.advance(timedelta(minutes=1))
            await world.see(f"other-{number}")
            world.advance(timedelta(minutes=2))
            await world.become(SINK, "delivered", key=f"other-{number}")
            if await world.states_of(SINK, "b1") == ["parked"]:
                break
            world.advance(timedelta(seconds=2))
        await world.become(SINK, "parked", key="b1")

    async def test_target_that_lets_everybody_wait_again_and_again_is_down(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("*", "told_to_wait")
        await world.engine(running(world, calendar)).start()
        await world.record(fact for n in range(8) for fact in world.derive(f"b{n}"))
        await failed(world, times=8)
        assert (await world.sink(SINK)).state == "running"
        world.advance(timedelta(minutes=3))
        await in_state(world, "circuit_open")
        assert {row.attempts for row in await world.rows(SINK)} == {0}
        calendar.faults.heal()
        world.advance(timedelta(minutes=3))
        await world.settled(SINK)
