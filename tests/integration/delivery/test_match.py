"""`match` is part of the desired state: what a sink does not take is wanted absent at its target."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from events.state import Host
from hub.delivery import RunningSink
from hub.projections.matching import wants
from hub.settings.match import Match
from hub.store.database import Database
from tests.integration.delivery.crash import Crash, Crashes, MortalDatabase
from tests.integration.delivery.targets import Calendar, CalendarMirror, Chat, ChatReactor, Crm, CrmMirror
from tests.integration.delivery.world import World, eventually, later

SINK = "mara"
MARA = (Host(id="h1", email="mara@studio.example"),)
JON = (Host(id="h2", email="jon@studio.example"),)


def match(**keys: Any) -> Match:
    return Match.model_validate(keys)


def calendar_of(world: World, name: str, host: str, calendar: Calendar, **options: Any) -> RunningSink:
    """A calendar that takes one host's bookings."""
    only = match(host=host)
    world.register(name, "booking", match=only)
    mirror = CalendarMirror(calendar, world.context(name), target=name, **options)
    return RunningSink(name, mirror, wants=wants(only))


async def test_a_booking_whose_host_changes_moves_from_one_calendar_to_the_other(world: World) -> None:
    calendar = Calendar()
    sinks = [calendar_of(world, "mara", "h1", calendar), calendar_of(world, "jon", "h2", calendar)]
    await world.engine(*sinks).start()
    await world.see("b1", hosts=MARA)
    await world.settled("mara")
    assert list(calendar.entries) == ["mara/b1/"]
    assert await world.states_of("jon") == ["skipped"]
    await world.see("b1", hosts=JON)
    await world.settled("mara")
    await world.settled("jon")
    assert list(calendar.entries) == ["jon/b1/"]
    assert [(row.state, row.reason, row.outcome) for row in await world.rows("mara")] == [
        ("delivered", None, "created"),
        ("delivered", "not_matched", "removed"),
    ]
    assert [(row.state, row.reason) for row in await world.rows("jon")] == [
        ("skipped", "not_matched"),
        ("delivered", None),
    ]
    assert await world.receipts("mara") == []
    await world.see("b1", hosts=MARA)
    await world.settled("mara")
    await world.settled("jon")
    assert list(calendar.entries) == ["mara/b1/"]


async def test_what_never_matched_gets_no_call(world: World) -> None:
    calendar = Calendar()
    await world.engine(calendar_of(world, SINK, "h1", calendar)).start()
    await world.see("b1", hosts=JON)
    await world.see("b1", hosts=JON, **later(1))
    await world.see("b1", hosts=JON, cancelled=True, **later(1))
    assert await world.states_of(SINK) == ["skipped"] * 3
    assert {row.reason for row in await world.rows(SINK)} == {"not_matched"}
    assert calendar.calls == []


async def test_what_stops_matching_while_it_waits_gets_no_call(world: World) -> None:
    calendar = Calendar()
    sink = calendar_of(world, SINK, "h1", calendar)
    await world.see("b1", hosts=MARA)
    await world.see("b1", hosts=JON)
    await world.engine(sink).start()
    await world.settled(SINK)
    assert await world.states_of(SINK) == ["covered", "skipped"]
    assert calendar.calls == []


async def test_a_fact_that_comes_during_the_first_call_is_not_taken_for_nothing_there(world: World) -> None:
    """The entry is about to exist while no receipt tells of it yet."""
    calendar = Calendar()
    calendar.gate = asyncio.Event()
    await world.engine(calendar_of(world, SINK, "h1", calendar)).start()
    await world.see("b1", hosts=MARA)
    await world.become(SINK, "sending")
    await world.see("b1", hosts=JON)
    assert await world.states_of(SINK) == ["sending", "pending"]
    calendar.gate.set()
    await world.settled(SINK)
    assert calendar.entries == {}


@pytest.mark.parametrize("per_host", [False, True], ids=["per booking", "per host"])
async def test_a_reply_lost_before_the_match_was_lost_leaves_nothing_behind(
    world: World, *, per_host: bool
) -> None:
    calendar = Calendar()
    sink = calendar_of(world, SINK, "h1", calendar, per_host=per_host)
    key = "b1/h1" if per_host else "b1"
    calendar.faults.fail_next(key, *["lost_reply"] * 3)
    await world.engine(sink).start()
    await world.see("b1", hosts=(*MARA, *JON))
    await eventually(lambda: _tried(world, SINK))
    assert calendar.entries
    await world.see("b1", hosts=JON)
    world.advance(timedelta(minutes=1))
    await world.settled(SINK)
    left = (
        {entry for entry in calendar.entries if not entry.endswith("/h1")} if per_host else calendar.entries
    )
    assert not left
    assert await world.receipts(SINK) == []


async def test_a_kill_before_the_match_was_lost_leaves_nothing_behind(world: World, db: Database) -> None:
    """For every step at which the process may die while it makes the entry."""
    for step in range(1, 12):
        calendar = Calendar()
        key, name = f"b{step}", f"{SINK}-{step}"
        sink = calendar_of(world, name, "h1", calendar)
        await world.see(key, hosts=MARA)
        crashes = Crashes(step)
        calendar.crashes = crashes
        first = world.engine(sink, db=MortalDatabase(db, crashes))

        async def over(crashes: Crashes = crashes, name: str = name) -> bool:
            return crashes.crashed or await world.open_rows(name) == 0

        with suppress(Crash):
            await first.start()
            await eventually(over)
        with suppress(Crash):
            await first.stop(within=timedelta(0))
        calendar.crashes = Crashes()
        calendar.busy.clear()
        await world.see(key, hosts=JON)
        second = world.engine(sink, alone=True)
        await second.start()
        await world.settled(name)
        await second.stop()
        world.engines.clear()
        world.registrations.clear()
        assert calendar.entries == {}, step


async def test_a_reactor_decides_when_the_fact_is_read(world: World) -> None:
    chat = Chat()
    only = match(host="h1")
    world.register("chat", "reactor", match=only)
    await world.see("b1", hosts=MARA)
    await world.see("b2", hosts=JON)
    await world.see("b1", hosts=JON)
    await world.engine(RunningSink("chat", ChatReactor(chat, world.context("chat")))).start()
    await world.settled("chat")
    assert chat.of("b1") == ["BookingCreated"]
    assert chat.of("b2") == []
    assert await world.states_of("chat") == ["delivered", "skipped", "skipped"]


class AbsentContacts(CrmMirror):
    """Takes a contact away that is not wanted."""

    async def sync(self, contact: Any, part: str, receipt: Any) -> Any:
        if contact is not None:
            return await super().sync(contact, part, receipt)
        assert receipt is not None
        del self.crm.counters[receipt.external_id]
        return None


async def test_a_contact_is_taken_while_any_of_its_bookings_is(world: World) -> None:
    crm = Crm()
    only = match(host="h1")
    world.register("crm", "contact", match=only)
    sink = RunningSink("crm", AbsentContacts(crm, world.context("crm")), wants=wants(only))
    await world.engine(sink).start()
    await world.see("b1", hosts=JON, attendees=("ada",))
    assert await world.states_of("crm") == ["skipped"]
    await world.see("b2", hosts=MARA, attendees=("ada",))
    await world.settled("crm")
    assert crm.counters == {"c-ada@kunde.example": (2, 0)}
    await world.see("b1", hosts=JON, attendees=("ada",), cancelled=True)
    world.advance(timedelta(minutes=1))
    await world.settled("crm")
    assert crm.counters == {"c-ada@kunde.example": (2, 1)}
    await world.see("b2", hosts=JON, attendees=("ada",))
    await world.settled("crm")
    assert crm.counters == {}


async def _tried(world: World, sink: str) -> bool:
    return bool(await world.attempts(sink)) and "sending" not in await world.states_of(sink)
