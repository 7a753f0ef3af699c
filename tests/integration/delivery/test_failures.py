"""What failures do to rows, keys and sinks, and what people and targets do about it."""

import asyncio
from datetime import timedelta

import pytest

from adapters.api import Receipt
from events import Booking
from hub.delivery import RetryPolicy, RunningSink, pause_sink, resume_sink
from hub.projections.current import current_booking
from hub.store import deliveries
from hub.store.deliveries import DeliveryFilter
from tests.integration.delivery.targets import Calendar, CalendarMirror
from tests.integration.delivery.world import World, eventually, later

SINK = "team-calendar"
pytestmark = pytest.mark.parametrize("delivery_url", ["sqlite"], indirect=True)
"""The databases do not differ here."""

POLLS = 0.08
"""A few polls: for what must not happen there is no condition to wait for."""


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


def running(world: World, calendar: Calendar, **options: object) -> RunningSink:
    return RunningSink(SINK, CalendarMirror(calendar, world.context(SINK)), **options)  # type: ignore[arg-type]


async def test_hiccups_pass_within_one_attempt(world: World, calendar: Calendar) -> None:
    calendar.faults.fail_next("b1", "transient", "lost_reply")
    await world.engine(running(world, calendar)).start()
    await world.see("b1")
    await world.settled(SINK)
    assert [(a.number, a.outcome) for a in await world.attempts(SINK)] == [(1, "unchanged")]
    assert len(calendar.entries) == 1


async def test_longer_trouble_waits_longer_each_time_and_is_parked_in_the_end(
    world: World, calendar: Calendar
) -> None:
    calendar.faults.always("b1", "transient")
    await world.engine(running(world, calendar, retry=RetryPolicy(attempts=4))).start()
    await world.record([*world.derive("b1"), *world.derive("b1", **later(1))])
    for attempt, longest in enumerate((2, 4, 8), start=1):
        await self_counted(world, attempt)
        rows = await world.rows(SINK)
        waits = [(row.due_at - world.clock.now()).total_seconds() for row in rows]
        assert all(0.75 * longest <= wait <= longest for wait in waits)
        world.advance(timedelta(seconds=longest))
    await world.become(SINK, "covered", "parked")
    story = await world.attempts(SINK)
    assert [a.outcome for a in story] == ["retry", "retry", "retry", "parked"]
    assert story[0].message == "503 backendError, again in 2 s"
    sink = await world.sink(SINK)
    assert (sink.last_error_class, sink.last_error_message) == ("TransientError", "503 backendError")


async def self_counted(world: World, attempts: int) -> None:
    async def holds() -> bool:
        return max(row.attempts for row in await world.rows(SINK)) == attempts

    await eventually(holds)


class RememberingMirror(CalendarMirror):
    """Leaves alone what its receipt says is there already, as real adapters do."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        wanted = booking.start.isoformat() if booking else None
        if receipt is not None and receipt.fingerprint == wanted:
            return receipt.model_copy(update={"detail": "unchanged"})
        made = await super().sync(booking, part, receipt)
        return made and made.model_copy(update={"fingerprint": wanted})


async def test_a_state_that_comes_back_after_a_lost_reply_is_written(
    world: World, calendar: Calendar
) -> None:
    await world.engine(RunningSink(SINK, RememberingMirror(calendar, world.context(SINK)))).start()
    await world.see("b1")
    await world.settled(SINK)
    (before,) = calendar.entries.values()
    calendar.faults.fail_next("b1", "lost_reply", "lost_reply", "lost_reply")
    await world.see("b1", **later(1))

    async def has_failed() -> bool:
        return "retry" in [attempt.outcome for attempt in await world.attempts(SINK)]

    await eventually(has_failed)
    (moved,) = calendar.entries.values()
    assert moved.start != before.start
    await world.see("b1")
    await world.settled(SINK)
    (after,) = calendar.entries.values()
    assert after.start == before.start


async def test_newer_fact_wakes_a_parked_key(world: World, calendar: Calendar) -> None:
    calendar.faults.always("b1", "transient")
    await world.engine(running(world, calendar, retry=RetryPolicy(attempts=1))).start()
    await world.see("b1")
    await world.become(SINK, "parked")
    calendar.faults.heal()
    await world.see("b1", **later(1))
    await world.become(SINK, "covered", "delivered")


async def test_newer_fact_is_tried_at_once_while_an_older_one_waits(world: World, calendar: Calendar) -> None:
    calendar.faults.always("b1", "transient")
    await world.engine(running(world, calendar)).start()
    await world.see("b1")
    await self_counted(world, 1)
    calendar.faults.heal()
    await world.see("b1", **later(1))
    await world.become(SINK, "covered", "delivered")


async def test_refused_change_is_dead_and_the_next_one_brings_the_newest_state(
    world: World, calendar: Calendar
) -> None:
    calendar.faults.fail_next("b1", "permanent")
    await world.engine(running(world, calendar)).start()
    await world.record([*world.derive("b1"), *world.derive("b1", **later(1))])
    await world.become(SINK, "covered", "dead")
    await world.see("b1", **later(2))
    await world.become(SINK, "covered", "dead", "delivered")
    [entry] = calendar.entries.values()
    assert entry.start == later(2)["start"].isoformat()


async def test_unexpected_error_is_retried_then_dead_and_tells_no_content(
    world: World, calendar: Calendar
) -> None:
    calendar.faults.always("b1", "bug")
    await world.engine(running(world, calendar, retry=RetryPolicy(attempts=2))).start()
    await world.see("b1")
    await self_counted(world, 1)
    world.advance(timedelta(seconds=2))
    await world.become(SINK, "dead")
    [row] = await world.rows(SINK)
    assert row.error_class == "KeyError"
    assert "ilse" not in str(row.error_message)
    assert "ilse" not in "".join(str(attempt.message) for attempt in await world.attempts(SINK))


async def test_cut_off_call_lets_its_key_rest_even_from_newer_facts(world: World, calendar: Calendar) -> None:
    calendar.faults.fail_next("b1", "hang")
    timeout = timedelta(milliseconds=40)
    await world.engine(running(world, calendar, timeout=timeout)).start()
    await world.see("b1")
    await self_counted(world, 1)
    await world.see("b1", **later(1))
    await asyncio.sleep(POLLS)
    assert await world.states_of(SINK) == ["pending", "pending"]
    assert calendar.tries["b1"] == 1
    world.advance(timeout)
    await world.become(SINK, "covered", "delivered")


async def test_receipt_that_cannot_be_stored_harms_its_own_row_only(world: World, calendar: Calendar) -> None:
    class Careless(CalendarMirror):
        async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
            made = await super().sync(booking, part, receipt)
            if booking is not None and booking.booking_id == "b1" and made is not None:
                return made.model_copy(update={"data": {"not json": object()}})
            return made

    mirror = Careless(calendar, world.context(SINK))
    await world.engine(RunningSink(SINK, mirror, retry=RetryPolicy(attempts=1))).start()
    await world.record([*world.derive("b1"), *world.derive("b2")])
    await world.become(SINK, "dead", "delivered")


async def test_booking_nobody_can_read_is_set_aside(world: World, calendar: Calendar) -> None:
    def load(session: object, booking_id: str) -> object:
        if broken and booking_id == "b1":
            raise ValueError("ilse@kunde.example is no state")
        return current_booking(session, booking_id)  # type: ignore[arg-type]

    broken = True
    await world.engine(running(world, calendar), load_booking=load).start()
    await world.record(fact for n in range(5) for fact in world.derive(f"b{n}"))
    await world.become(SINK, "delivered", "pending", "delivered", "delivered", "delivered")
    [row] = await world.rows(SINK, "b1")
    assert (row.error_class, row.attempts) == ("ValueError", 0)
    broken = False
    world.advance(timedelta(minutes=1))
    await world.settled(SINK)


class TestCredentials:
    async def test_sink_stops_keeps_its_rows_and_goes_on_by_itself(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await world.see("b0")
        await world.settled(SINK)
        calendar.credentials_valid = False
        await world.record(fact for n in range(1, 30) for fact in world.derive(f"b{n}"))
        await in_state(world, "auth_failed")
        sink = await world.sink(SINK)
        assert sink.reason == "401 the token has expired"
        await eventually(lambda: nobody_calls(world))
        tries = sum(calendar.tries.values())
        assert {row.attempts for row in await world.rows(SINK) if row.key != "b0"} == {0}

        probes = calendar.probes
        world.advance(timedelta(minutes=5))
        await eventually(lambda: more_than(calendar, probes))
        assert sum(calendar.tries.values()) == tries
        calendar.credentials_valid = True
        world.advance(timedelta(minutes=5))
        await world.settled(SINK)
        assert (await world.sink(SINK)).state == "running"
        assert {a.outcome for a in await world.attempts(SINK)} == {"created", "auth_failed"}

    async def test_resume_proves_the_credentials_at_once(self, world: World, calendar: Calendar) -> None:
        calendar.credentials_valid = False
        engine = world.engine(running(world, calendar))
        await engine.start()
        await world.see("b1")
        await in_state(world, "auth_failed")
        assert engine.activity()[SINK].opened is False
        calendar.credentials_valid = True
        await world.db.write(lambda session: resume_sink(session, SINK, now=world.clock.now()))
        await world.settled(SINK)
        assert engine.activity()[SINK].opened is True

    async def test_restart_proves_the_credentials_at_once(self, world: World, calendar: Calendar) -> None:
        calendar.credentials_valid = False
        first = world.engine(running(world, calendar))
        await first.start()
        await world.see("b1")
        await in_state(world, "auth_failed")
        await first.stop()
        calendar.credentials_valid = True
        await world.engine(running(world, calendar)).start()
        await world.settled(SINK)


class TestPause:
    async def test_paused_sink_is_left_alone_over_a_restart(self, world: World, calendar: Calendar) -> None:
        first = world.engine(running(world, calendar))
        await first.start()
        await world.see("b0")
        await world.settled(SINK)
        await world.db.write(
            lambda session: pause_sink(session, SINK, reason="moving house", now=world.clock.now())
        )
        await world.see("b1")
        await asyncio.sleep(POLLS)
        await first.stop()
        second = world.engine(running(world, calendar))
        await second.start()
        await asyncio.sleep(POLLS)
        assert set(calendar.tries) == {"b0"}
        sink = await world.sink(SINK)
        assert (sink.state, sink.reason) == ("paused", "moving house")

        await world.db.write(lambda session: resume_sink(session, SINK, now=world.clock.now()))
        second.wake([SINK])
        await world.settled(SINK)
        assert (await world.sink(SINK)).reason is None

    async def test_failing_credentials_do_not_end_a_pause(self, world: World, calendar: Calendar) -> None:
        calendar.gate = asyncio.Event()
        await world.engine(running(world, calendar)).start()
        await world.see("b1")
        await eventually(lambda: more_than_calls(calendar, 0))
        await world.db.write(lambda session: pause_sink(session, SINK, reason="x", now=world.clock.now()))
        calendar.credentials_valid = False
        calendar.gate.set()
        await world.become(SINK, "pending")
        assert (await world.sink(SINK)).state == "paused"

    async def test_unknown_sink_is_told(self, world: World) -> None:
        now = world.clock.now()
        assert not await world.db.write(lambda session: resume_sink(session, "nobody", now=now))
        assert not await world.db.write(lambda session: pause_sink(session, "nobody", reason="x", now=now))


class TestPeople:
    async def test_retry_of_a_dead_row_brings_the_newest_state(
        self, world: World, calendar: Calendar
    ) -> None:
        calendar.faults.always("b1", "permanent")
        engine = world.engine(running(world, calendar))
        await engine.start()
        await world.see("b1")
        await world.become(SINK, "dead")
        calendar.faults.heal()
        wanted = DeliveryFilter(sink=SINK, states=("dead",))
        assert await world.db.write(lambda s: deliveries.retry(s, wanted, now=world.clock.now())) == 1
        engine.wake()
        await world.become(SINK, "delivered")
        assert len(calendar.entries) == 1

    async def test_dropped_row_is_never_sent(self, world: World, calendar: Calendar) -> None:
        calendar.faults.always("b1", "transient")
        engine = world.engine(running(world, calendar))
        await engine.start()
        await world.see("b1")
        await self_counted(world, 1)
        tries = calendar.tries["b1"]
        await world.db.write(
            lambda session: deliveries.drop(
                session, DeliveryFilter(sink=SINK), now=world.clock.now(), reason="dropped by mara"
            )
        )
        world.advance(timedelta(minutes=1))
        await asyncio.sleep(POLLS)
        assert calendar.tries["b1"] == tries
        assert [(row.state, row.reason) for row in await world.rows(SINK)] == [("skipped", "dropped by mara")]


async def in_state(world: World, state: str) -> None:
    async def holds() -> bool:
        return (await world.sink(SINK)).state == state

    await eventually(holds)


async def nobody_calls(world: World) -> bool:
    return await world.claims() == []


async def more_than(calendar: Calendar, probes: int) -> bool:
    return calendar.probes > probes


async def more_than_calls(calendar: Calendar, calls: int) -> bool:
    return sum(calendar.tries.values()) > calls
