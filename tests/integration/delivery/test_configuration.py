"""A changed configuration at work: the guard, the fence of revisions, runners that are replaced."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import col, update

from events.state import Host
from hub.delivery import DeliveryEngine, RunningSink
from hub.projections.matching import wants
from hub.projections.sinks import SinkKind, SinkRegistration
from hub.projections.wanted_sinks import WantedSink
from hub.settings.match import Match
from hub.store import former, guard
from hub.store.database import Database
from hub.store.tables import DeliveryRow
from tests.integration.delivery.targets import Calendar, CalendarMirror, Chat, ChatReactor, Crm, CrmMirror
from tests.integration.delivery.world import GRACE, World, eventually, later

SINK = "team"
OURS = (Host(id="h1"),)


def wanted(name: str = SINK, *, kind: SinkKind = "booking", **members: Any) -> WantedSink:
    keys = members.pop("match", None)
    match = Match.model_validate(keys) if keys else None
    registration = SinkRegistration(name, kind, grace=GRACE, match=match)
    defaults: dict[str, Any] = {"type": "fake", "start": "upcoming", "guard": 20, "target": "calendar-1"}
    return WantedSink(registration=registration, **(defaults | members))


async def applied(world: World, calendar: Calendar, sink: WantedSink, **options: Any) -> RunningSink:
    """The sink as it works once the store has taken its configuration over."""
    rows = (await world.apply(sink)).rows
    mirror = CalendarMirror(calendar, world.context(sink.name), target=sink.target or "calendar-1")
    return RunningSink(
        sink.name,
        mirror,
        wants=wants(sink.registration.match),
        guard=sink.guard,
        revision=rows[sink.name].revision,
        first_name=rows[sink.name].first_name,
        **options,
    )


async def filled(world: World, calendar: Calendar, count: int) -> DeliveryEngine:
    engine = world.engine(await applied(world, calendar, wanted()))
    await engine.start()
    await world.record(fact for n in range(count) for fact in world.derive(f"b{n}", hosts=OURS, **later(n)))
    await world.settled(SINK)
    assert len(calendar.entries) == count
    return engine


async def held(world: World) -> int:
    found = await world.db.read(guard.held)
    return found[SINK].count if SINK in found else 0


async def let_go(world: World) -> None:
    def work(session: Any) -> None:
        guard.let_go(session, guard.held_rows(session, SINK), now=world.clock.now())

    await world.db.write(work)
    for engine in world.engines:
        engine.wake()


async def test_new_sinks_on_a_long_log_take_up_what_is_coming_and_tell_nothing(world: World) -> None:
    past = [world.derive(f"past{n}", **later(-72 - n / 60)) for n in range(2_000)]
    coming = [world.derive(f"coming{n}", **later(n)) for n in range(50)]
    await world.record(fact for facts in (*past, *coming) for fact in facts)
    calendar, chat = Calendar(), Chat()
    team, news = wanted(), wanted("chat", kind="reactor", start="now", target=None)
    effects = (await world.apply(team, news)).effects
    assert [effect.text for effect in effects] == [
        "team: new: 50 bookings enter",
        "chat: new: it acts on what happens from now on",
    ]
    mirror = CalendarMirror(calendar, world.context(SINK))
    reactor = ChatReactor(chat, world.context("chat"))
    await world.engine(RunningSink(SINK, mirror), RunningSink("chat", reactor)).start()
    await world.settled(SINK)
    assert {entry.booking_id for entry in calendar.entries.values()} == {f"coming{n}" for n in range(50)}
    assert len(calendar.calls) == 50
    assert await world.rows("chat") == []
    await world.see("coming1", **later(99))
    await world.settled("chat")
    assert chat.sent == ["coming1 BookingRescheduled"]


async def test_an_edit_that_would_remove_37_entries_is_held_until_a_person_lets_it_go(world: World) -> None:
    calendar = Calendar()
    engine = await filled(world, calendar, 37)
    engine.replace([await applied(world, calendar, wanted(match={"host": "nobody"}))])
    assert await held(world) == 37
    await world.see("b3", hosts=OURS, **later(99))
    await eventually(lambda: _is_delivered(world, "b3", 38))
    assert len(calendar.entries) == 36
    assert await held(world) == 36
    await world.see("new", hosts=(Host(id="nobody"),))
    await eventually(lambda: _is_delivered(world, "new", 39))
    assert len(calendar.entries) == 37
    await let_go(world)
    await world.settled(SINK)
    assert [entry.booking_id for entry in calendar.entries.values()] == ["new"]
    rows = [row for row in await world.rows(SINK) if row.outcome == "removed"]
    assert {row.reason for row in rows} == {"not_matched"}


async def test_a_small_change_goes_through_unasked(world: World) -> None:
    calendar = Calendar()
    engine = await filled(world, calendar, 5)
    engine.replace([await applied(world, calendar, wanted(match={"host": "nobody"}))])
    await world.settled(SINK)
    assert calendar.entries == {}
    assert await held(world) == 0


@pytest.mark.parametrize("changing", [0, 3, 12])
async def test_unasked_changes_stop_at_the_guard_and_harmless_ones_do_not_count(
    world: World, changing: int
) -> None:
    """A divergence asks for everything again; what the target shows otherwise is found only by asking."""
    calendar = Calendar()
    sink = await applied(world, calendar, wanted(guard=5), concurrency=4)
    await world.engine(sink).start()
    await world.record(fact for n in range(20) for fact in world.derive(f"b{n}", **later(n)))
    await world.settled(SINK)
    for n in range(changing):
        entry_id = f"calendar-1/b{n}/"
        calendar.entries[entry_id] = replace(calendar.entries[entry_id], start="edited")
    calendar.calls.clear()

    await world.db.write(lambda session: _ask_again(session, world))
    world.advance(timedelta())

    async def ended() -> bool:
        world.advance(timedelta(seconds=1))
        return await world.open_rows(SINK) == await held(world)

    await eventually(ended)
    edited = [entry for entry in calendar.entries.values() if entry.start == "edited"]
    assert len(edited) == max(0, changing - 5)
    if changing <= 5:
        assert await held(world) == 0
    else:
        assert await held(world) >= changing - 5
        await let_go(world)
        await world.settled(SINK)
        assert not [entry for entry in calendar.entries.values() if entry.start == "edited"]


async def test_a_guard_of_zero_lets_nothing_pass_unasked(world: World) -> None:
    calendar = Calendar()
    engine = world.engine(await applied(world, calendar, wanted(guard=0)))
    await engine.start()
    await world.see("b1", hosts=OURS)
    await world.see("b2", hosts=OURS)
    await world.settled(SINK)
    engine.replace([await applied(world, calendar, wanted(guard=0, match={"host": "nobody"}))])
    assert await held(world) == 2
    await world.see("b1", hosts=OURS, **later(1))
    await eventually(lambda: _is_delivered(world, "b1", 3))
    assert list(calendar.entries) == ["calendar-1/b2/"]


async def test_who_works_by_an_older_configuration_takes_up_nothing_more(world: World) -> None:
    """Another hub that has not been told yet."""
    calendar, other = Calendar(), Calendar()
    old = await applied(world, other, wanted())
    new = await applied(world, calendar, wanted(leaves={"config.title": "2"}))
    await world.engine(old).start()
    await world.see("b1")
    await world.engine(new).start()
    await world.settled(SINK)
    assert other.calls == []
    assert len(calendar.entries) == 1


async def test_what_an_older_configuration_had_in_hand_is_looked_at_again(world: World) -> None:
    calendar = Calendar()
    calendar.gate = asyncio.Event()
    engine = world.engine(await applied(world, calendar, wanted()))
    await engine.start()
    await world.see("b1", hosts=OURS)
    await world.become(SINK, "sending")
    engine.replace([await applied(world, calendar, wanted(match={"host": "nobody"}))])
    assert await world.states_of(SINK) == ["sending"]
    calendar.gate.set()
    await world.settled(SINK)
    assert calendar.entries == {}
    assert await world.receipts(SINK) == []
    assert await world.states_of(SINK) == ["delivered"]


async def test_a_sink_is_replaced_while_its_target_hangs(world: World) -> None:
    hanging, calendar = Calendar(), Calendar()
    hanging.faults.always("b0", "hang")
    old = await applied(world, hanging, wanted(), timeout=timedelta(milliseconds=300))
    engine = world.engine(old)
    await engine.start()
    await world.see("b0")
    await eventually(lambda: _is_called(hanging))
    moved = wanted(target="calendar-2", leaves={"config.calendar": "2"})
    engine.replace([await applied(world, calendar, moved)])
    await world.see("b1")
    await eventually(lambda: _is_delivered(world, "b1", 2))
    assert list(calendar.entries) == ["calendar-2/b1/"]
    await eventually(lambda: _is_waiting(world, "b0"))
    await eventually(lambda: _is_closed(hanging))
    world.advance(timedelta(minutes=1))
    await world.settled(SINK)
    assert set(calendar.entries) == {"calendar-2/b0/", "calendar-2/b1/"}
    assert hanging.overlaps == calendar.overlaps == []


class SlowDatabase(Database):
    """A store that takes no write while its gate is closed."""

    def __init__(self, real: Database) -> None:
        # Deliberately not the base's own start: everything goes to the real one.
        self._real = real
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, work: Any) -> Any:
        await self.gate.wait()
        return await self._real.write(work)

    async def read(self, work: Any) -> Any:
        return await self._real.read(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def test_a_call_that_is_cut_off_while_its_sink_is_replaced_is_recorded(world: World) -> None:
    """However slow the store is: else its row would say that it is being sent until the claim runs out."""
    hanging, slow = Calendar(), SlowDatabase(world.db)
    hanging.faults.always("b0", "hang")
    old = await applied(world, hanging, wanted(), timeout=timedelta(milliseconds=100))
    engine = world.engine(old, db=slow)
    await engine.start()
    await world.see("b0")
    await eventually(lambda: _is_called(hanging))
    slow.gate.clear()
    engine.replace([await applied(world, Calendar(), wanted(target="calendar-2"))])
    await eventually(lambda: _is_cut_off(hanging))
    await asyncio.sleep(3 * old.timeout.total_seconds())
    slow.gate.set()
    await eventually(lambda: _is_closed(hanging))
    assert await world.states_of(SINK) == ["pending"]
    assert [attempt.outcome for attempt in await world.attempts(SINK)] == ["retry"]


async def test_all_other_sinks_go_on_while_one_is_replaced_or_taken_away(world: World) -> None:
    calendar, other = Calendar(), Calendar()
    ours = await applied(world, calendar, wanted())
    theirs = wanted("other", target="other")
    await world.apply(wanted(), theirs)
    mirror = CalendarMirror(other, world.context("other"), target="other")
    engine = world.engine(ours, RunningSink("other", mirror))
    await engine.start()
    await world.see("b1")
    await world.settled("other")
    await world.settled(SINK)
    engine.replace([], gone=[SINK])
    await eventually(lambda: _is_closed(calendar))
    await world.see("b1", **later(1))
    await world.settled("other")
    assert set(engine.activity()) == {"other"}
    assert other.closed == 0
    assert await world.states_of(SINK) == ["delivered", "pending"]


async def test_another_target_is_written_to_anew_and_the_old_entries_are_kept_in_mind(world: World) -> None:
    calendar = Calendar()
    engine = await filled(world, calendar, 3)
    moved = wanted(target="calendar-2", leaves={"config.calendar": "2"})
    engine.replace([await applied(world, calendar, moved)])
    await world.settled(SINK)
    assert {entry.split("/")[0] for entry in calendar.entries} == {"calendar-1", "calendar-2"}
    assert len(calendar.entries) == 6
    [left] = (await world.db.read(former.counts))[SINK]
    assert (left.target, left.count) == ("calendar-1", 3)
    await world.see("b0", hosts=OURS, **later(9))
    await world.settled(SINK)
    assert calendar.entries["calendar-1/b0/"].start == later(0)["start"].isoformat()
    assert calendar.entries["calendar-2/b0/"].start == later(9)["start"].isoformat()


async def test_a_target_known_only_once_it_is_open_is_turned_to_then(world: World) -> None:
    calendar = Calendar()
    await filled(world, calendar, 2)
    await world.stop_all()
    row = (await world.apply(wanted(target=None))).rows[SINK]
    world.clock.advance(later(0.9)["end"] - world.clock.now())
    mirror = CalendarMirror(calendar, world.context(SINK), target="calendar-9")
    await world.engine(RunningSink(SINK, mirror, revision=row.revision, guard=0)).start()
    await eventually(lambda: _left(world))
    await world.settled(SINK)
    assert sorted(calendar.entries) == ["calendar-1/b0/", "calendar-1/b1/", "calendar-9/b1/"]


async def test_contacts_come_to_an_account_that_is_known_only_once_it_is_open(world: World) -> None:
    class Account(CrmMirror):
        def target(self) -> str | None:
            return self.context.instance

    accounts = {"first": Crm(), "second": Crm()}
    await world.apply(wanted(kind="contact", target=None))
    await world.see("b1")
    for name, crm in accounts.items():
        row = (await world.apply(wanted(kind="contact", target=None))).rows[SINK]
        engine = world.engine(RunningSink(SINK, Account(crm, world.context(name)), revision=row.revision))
        await engine.start()
        await eventually(partial(_has_counters, crm))
        await world.settled(SINK)
        await engine.stop()
    assert accounts["second"].counters == accounts["first"].counters


async def test_a_renamed_reactor_keeps_its_idempotency_keys(world: World) -> None:
    """A message whose answer was lost is not shown twice under another name."""
    chat = Chat()
    rows = (await world.apply(wanted("chat", kind="reactor", start="now", target=None))).rows
    chat.faults.fail_next("b1", *["lost_reply"] * 3)
    first = world.engine(RunningSink("chat", ChatReactor(chat, world.context("chat"))))
    await first.start()
    await world.see("b1")
    await eventually(lambda: _tried(world, "chat"))
    await first.stop()
    renamed = wanted("news", kind="reactor", start="now", target=None, renamed_from="chat")
    rows = (await world.apply(renamed)).rows
    sink = RunningSink("news", ChatReactor(chat, world.context("news")), first_name=rows["news"].first_name)
    await world.engine(sink).start()
    world.advance(timedelta(minutes=1))
    await world.settled("news")
    assert chat.of("b1") == ["BookingCreated"]


def _ask_again(session: Any, world: World) -> None:
    session.exec(
        update(DeliveryRow)
        .where(col(DeliveryRow.sink) == SINK)
        .values(
            state="pending",
            cause="diverged",
            guard=guard.WATCHED,
            due_at=world.clock.now(),
            finished_at=None,
        )
    )


async def _is_delivered(world: World, key: str, position: int) -> bool:
    return [row.state for row in await world.rows(SINK, key) if row.position == position] == ["delivered"]


async def _is_waiting(world: World, key: str) -> bool:
    return (await world.states_of(SINK, key))[-1] == "pending"


async def _is_called(calendar: Calendar) -> bool:
    return calendar.tries.total() == 1


async def _is_cut_off(calendar: Calendar) -> bool:
    return not calendar.busy


async def _is_closed(calendar: Calendar) -> bool:
    return calendar.closed == 1


async def _has_counters(crm: Crm) -> bool:
    return bool(crm.counters)


async def _left(world: World) -> bool:
    return SINK in await world.db.read(former.counts)


async def _tried(world: World, sink: str) -> bool:
    return bool(await world.attempts(sink)) and "sending" not in await world.states_of(sink)


async def test_what_waited_for_a_mirror_never_reaches_the_reactor_it_became(world: World) -> None:
    """Its target was away, so rows wait from before: history to whoever acts on them."""
    await world.record(fact for n in range(3) for fact in world.derive(f"b{n}", **later(n)))
    await world.apply(wanted())
    await world.see("b3")
    known = await world.apply(wanted(kind="reactor", type="chat", start="now", target=None))
    assert [effect.text for effect in known.effects] == [
        "team: type changed: it acts on what happens from now on"
    ]
    chat, revision = Chat(), known.rows[SINK].revision
    reactor = ChatReactor(chat, world.context(SINK))
    await world.engine(RunningSink(SINK, reactor, revision=revision)).start()
    await world.see("b1", **later(9))
    await world.settled(SINK)
    assert chat.sent == ["b1 BookingRescheduled"]
    assert await world.states_of(SINK) == ["skipped"] * 4 + ["delivered"]


async def test_the_entries_of_a_mirror_that_becomes_a_reactor_are_told_of(world: World) -> None:
    calendar = Calendar()
    await filled(world, calendar, 3)
    news = wanted(kind="reactor", type="chat", start="now", target=None)
    assert [effect.text for effect in (await world.apply(news)).effects] == [
        "team: type changed: 3 objects stay at the former target"
    ]


@pytest.mark.parametrize("kind", ["reactor", "contact"])
async def test_a_sink_that_becomes_a_mirror_of_bookings_takes_up_what_is_coming(
    world: World, kind: SinkKind
) -> None:
    await world.record(fact for n in range(3) for fact in world.derive(f"b{n}", **later(n)))
    await world.apply(wanted(kind=kind, type="other", target=None))
    await world.see("b3")
    calendar = Calendar()
    assert [effect.text for effect in (await world.apply(wanted())).effects] == [
        "team: type changed: 4 bookings enter"
    ]
    await world.engine(await applied(world, calendar, wanted())).start()
    await world.settled(SINK)
    assert {entry.booking_id for entry in calendar.entries.values()} == {"b0", "b1", "b2", "b3"}
