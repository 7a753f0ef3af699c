"""Mirrors: the target ends in the newest state, in one call however many facts led there."""

import asyncio
from datetime import timedelta

import pytest

from hub.delivery import RunningSink
from tests.integration.delivery.targets import Calendar, CalendarMirror, Crm, CrmMirror
from tests.integration.delivery.world import GRACE, TODAY, World, eventually, hosts, later

SINK = "team-calendar"


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


def running(world: World, calendar: Calendar, **options: object) -> RunningSink:
    per_host = bool(options.pop("per_host", False))
    mirror = CalendarMirror(calendar, world.context(SINK), per_host=per_host)
    return RunningSink(SINK, mirror, **options)  # type: ignore[arg-type]


async def test_each_fact_arrives_and_leaves_its_story(world: World, calendar: Calendar) -> None:
    await world.engine(running(world, calendar)).start()
    await world.see("b1")
    await world.become(SINK, "delivered")
    await world.see("b1", **later(3))
    await world.become(SINK, "delivered", "delivered")

    [entry] = calendar.entries.values()
    assert entry.start == later(3)["start"].isoformat()
    [receipt] = await world.receipts(SINK)
    assert (receipt.target, receipt.position, receipt.epoch, receipt.etag) == ("calendar-1", 2, 1, "etag-2")
    story = await world.attempts(SINK)
    assert [(a.number, a.outcome, a.message) for a in story] == [
        (1, "created", "calendar-1/b1/"),
        (1, "changed", "calendar-1/b1/"),
    ]
    assert story[0].url == "https://calendar.example/calendar-1/b1/"
    assert [row.outcome for row in await world.rows(SINK)] == ["created", "changed"]
    assert (await world.sink(SINK)).last_success_at == world.clock.now()
    assert await world.claims() == []


async def test_backlog_of_ten_changes_on_fifty_bookings_is_fifty_calls(
    world: World, calendar: Calendar
) -> None:
    for change in range(10):
        await world.record(fact for n in range(50) for fact in world.derive(f"b{n}", **later(change)))
    await world.engine(running(world, calendar)).start()
    await world.settled(SINK)

    assert len(calendar.calls) == 50
    assert {entry.start for entry in calendar.entries.values()} == {later(9)["start"].isoformat()}
    rows = await world.rows(SINK, "b7")
    assert [row.state for row in rows] == ["covered"] * 9 + ["delivered"]
    assert {row.reason for row in rows[:9]} == {f"covered by position {rows[9].position}"}


async def test_fact_recorded_during_a_call_is_synced_after_it(world: World, calendar: Calendar) -> None:
    calendar.gate = asyncio.Event()
    await world.see("b1")
    await world.engine(running(world, calendar)).start()
    await world.become(SINK, "sending")
    await world.see("b1", **later(1))
    calendar.gate.set()
    await world.settled(SINK)
    assert calendar.history["b1"] == [1, 2]
    assert await world.states_of(SINK) == ["delivered", "delivered"]


async def test_a_fact_recorded_after_the_end_during_the_first_call_is_synced_after_it(
    world: World, calendar: Calendar
) -> None:
    """A target that was away comes back once the meeting is over: no receipt yet says what it holds."""
    calendar.gate = asyncio.Event()
    await world.engine(running(world, calendar)).start()
    times = {"start": TODAY, "end": TODAY + timedelta(minutes=1)}
    await world.see("b1", **times)

    async def called() -> bool:
        return bool(calendar.busy)

    await eventually(called)
    world.advance(timedelta(minutes=2))
    await world.see("b1", **times, cancelled=True)
    calendar.gate.set()
    world.advance(GRACE)
    await world.settled(SINK)
    assert calendar.entries == {}


async def test_failing_bookings_delay_nobody_else(world: World, calendar: Calendar) -> None:
    calendar.faults.always("b0", "permanent")
    calendar.faults.always("b1", "transient")
    calendar.faults.always("b2", "hang")
    await world.record(fact for n in range(40) for fact in world.derive(f"b{n}"))
    await world.engine(running(world, calendar, concurrency=3, timeout=timedelta(milliseconds=100))).start()
    healthy = [f"b{n}" for n in range(3, 40)]

    async def holds() -> bool:
        states = {row.key: row.state for row in await world.rows(SINK)}
        ill = [states[key] for key in ("b0", "b1", "b2")]
        return {states[key] for key in healthy} == {"delivered"} and ill == ["dead", "pending", "pending"]

    await eventually(holds)


async def test_part_no_longer_wanted_is_removed(world: World, calendar: Calendar) -> None:
    await world.engine(running(world, calendar, per_host=True)).start()
    await world.see("b1", hosts=hosts("anna", "bert"))
    await world.settled(SINK)
    assert set(calendar.entries) == {"calendar-1/b1/anna", "calendar-1/b1/bert"}
    await world.see("b1", hosts=hosts("bert", "cleo"))
    await world.settled(SINK)
    assert set(calendar.entries) == {"calendar-1/b1/bert", "calendar-1/b1/cleo"}
    assert [receipt.part for receipt in await world.receipts(SINK)] == ["bert", "cleo"]
    assert [a.outcome for a in await world.attempts(SINK)] == ["created", "changed, created, removed"]


async def test_refused_part_does_not_keep_the_others_from_theirs(world: World, calendar: Calendar) -> None:
    calendar.faults.always("b1/anna", "permanent")
    await world.engine(running(world, calendar, per_host=True)).start()
    await world.see("b1", hosts=hosts("anna", "bert"))
    await world.become(SINK, "dead")
    assert set(calendar.entries) == {"calendar-1/b1/bert"}
    kept = {receipt.part: receipt.detail for receipt in await world.receipts(SINK)}
    assert kept == {"anna": "intended", "bert": "created"}


async def test_receipt_of_another_target_is_not_handed_over(world: World, calendar: Calendar) -> None:
    first = CalendarMirror(calendar, world.context(SINK))
    engine = world.engine(RunningSink(SINK, first))
    await engine.start()
    await world.see("b1")
    await world.settled(SINK)
    await engine.stop()

    second = CalendarMirror(calendar, world.context(SINK), target="calendar-2")
    await world.engine(RunningSink(SINK, second)).start()
    await world.see("b1", **later(1))
    await world.settled(SINK)
    await world.see("b1", **later(2))
    await world.settled(SINK)
    assert [given.target if given else None for given in second.given] == [None, "calendar-2"]
    assert (await world.sink(SINK)).target == "calendar-2"


async def test_position_of_an_earlier_epoch_counts_no_more(world: World, calendar: Calendar) -> None:
    first = world.engine(running(world, calendar))
    await first.start()
    await world.see("b1")
    await world.settled(SINK)
    await first.stop()

    mirror = CalendarMirror(calendar, world.context(SINK))
    await world.engine(RunningSink(SINK, mirror), epoch=2).start()
    await world.see("b1", **later(1))
    await world.settled(SINK)
    assert mirror.given[0] is not None
    assert (mirror.given[0].etag, mirror.given[0].position) == ("etag-1", 0)
    assert [receipt.epoch for receipt in await world.receipts(SINK)] == [2]


async def test_counters_of_a_contact_are_written_once_for_a_batch(world: World) -> None:
    world.register("crm", "contact", grace=timedelta(0))
    crm = Crm()
    await world.record(fact for n in range(4) for fact in world.derive(f"b{n}"))
    await world.engine(RunningSink("crm", CrmMirror(crm, world.context("crm")))).start()
    await world.settled("crm")
    assert crm.counters == {"c-a1@kunde.example": (4, 0)}
    assert len(crm.calls) == 1
    await world.see("b0", cancelled=True)
    await world.settled("crm")
    assert crm.counters == {"c-a1@kunde.example": (4, 1)}


class TestGrace:
    async def test_cancellation_that_stands_waits_for_its_grace(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await world.see("b1")
        await world.settled(SINK)
        await world.see("b1", cancelled=True)
        world.advance(GRACE - timedelta(seconds=1))
        await asyncio.sleep(POLLS)
        assert calendar.entries
        world.advance(timedelta(seconds=1))
        await world.settled(SINK)
        assert not calendar.entries
        assert await world.receipts(SINK) == []
        assert [a.outcome for a in await world.attempts(SINK)] == ["created", "removed"]

    async def test_cancellation_is_covered_if_the_booking_goes_on(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await world.see("b1")
        await world.settled(SINK)
        await world.see("b1", cancelled=True)
        await world.see("b1", cancelled=False, **later(2))
        await world.settled(SINK)
        assert [entry.start for entry in calendar.entries.values()] == [later(2)["start"].isoformat()]
        rows = {row.event_type: row.state for row in await world.rows(SINK)}
        assert rows["BookingCancelled"] == "covered"

    async def test_booking_first_seen_cancelled_is_never_shown(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        recorded = await world.see("b1", cancelled=True)
        assert [envelope.type for envelope in recorded] == ["BookingCreated", "BookingCancelled"]
        await asyncio.sleep(POLLS)
        assert calendar.calls == []
        assert set(await world.states_of(SINK)) == {"pending"}
        world.advance(GRACE)
        await world.become(SINK, "covered", "delivered")
        assert calendar.entries == {}

    async def test_other_change_beside_a_cancellation_does_not_announce_it(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await world.see("b1", attendees=("a1", "a2"))
        await world.settled(SINK)
        recorded = await world.see("b1", attendees=("a1",), cancelled=True)
        assert [envelope.type for envelope in recorded] == ["AttendeeRemoved", "BookingCancelled"]
        await asyncio.sleep(POLLS)
        assert calendar.entries
        assert len(calendar.calls) == 1
        world.advance(GRACE)
        await world.become(SINK, "delivered", "covered", "delivered")
        assert not calendar.entries

    async def test_change_during_the_grace_does_not_announce_the_cancellation(
        self, world: World, calendar: Calendar
    ) -> None:
        await world.engine(running(world, calendar)).start()
        await world.see("b1")
        await world.settled(SINK)
        await world.see("b1", cancelled=True)
        world.advance(GRACE / 2)
        await world.see("b1", cancelled=True, title="Another title")
        await asyncio.sleep(POLLS)
        assert calendar.entries
        world.advance(GRACE / 2)
        await world.become(SINK, "delivered", "covered", "delivered")
        assert not calendar.entries


POLLS = 0.08
"""A few polls: for what must not happen there is no condition to wait for."""


async def test_an_object_whose_receipt_never_came_goes_with_its_part(
    world: World, calendar: Calendar
) -> None:
    """The reply for a host is lost, and that host has left when the hub tries again."""
    await world.engine(running(world, calendar, per_host=True)).start()
    calendar.faults.fail_next("b1/anna", "lost_reply", "lost_reply", "lost_reply")
    await world.see("b1", hosts=hosts("anna"))

    async def is_there() -> bool:
        return "retry" in [attempt.outcome for attempt in await world.attempts(SINK)]

    await eventually(is_there)
    assert set(calendar.entries) == {"calendar-1/b1/anna"}
    await world.see("b1", hosts=hosts("bert"))
    await world.settled(SINK)
    assert set(calendar.entries) == {"calendar-1/b1/bert"}
