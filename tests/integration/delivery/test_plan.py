"""Comparing with a target and repairing it: what people did there, what the hub left, and nothing else."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from events import Booking
from hub.delivery import RunningSink, pause_sink
from hub.delivery.applying import Ask, Wanted
from hub.delivery.errors import NotComparableError
from hub.store import deliveries, receipts, sinks, strays
from hub.store.deliveries import DeliveryFilter
from tests.integration.delivery.desk import SINK, Desk
from tests.integration.delivery.targets import Calendar, Chat, ChatReactor, Crm, CrmMirror, Entry
from tests.integration.delivery.world import World, hosts, later

STRANGER = "private/lunch/"


@pytest.fixture
def calendar(world: World) -> Calendar:
    world.register(SINK, "booking")
    return Calendar()


@pytest.fixture
def desk(world: World, calendar: Calendar) -> Desk:
    return Desk(world, calendar)


async def test_everything_in_step_is_told_as_that(desk: Desk) -> None:
    await desk.showing(4)
    found = await desk.plan()
    assert {(item.key, item.action, item.cause) for item in found.items} == {
        (f"b{number}", "none", "in_step") for number in range(4)
    }
    assert (found.compared, found.system) == (4, "Fake Calendar")
    assert found.items[0].about.people == ("Person a1",)
    assert desk.calendar.closed == 1


@pytest.mark.parametrize("lists", [True, False], ids=["listed", "one by one"])
async def test_what_people_did_is_found_and_exactly_that_repaired(desk: Desk, lists: bool) -> None:
    await desk.showing(4)
    desk.options["lists"] = lists
    desk.calendar.entries[STRANGER] = Entry("lunch", "noon", 0)
    desk.calendar.delete("calendar-1/b0/")
    desk.edit("b1", start="moved by hand")
    calls = len(desk.calendar.calls)
    assert await desk.differences() == [
        ("b0", "create", "deleted_by_hand"),
        ("b1", "change", "edited_by_hand"),
    ]
    done = await desk.apply()
    assert (done.kind, done.state, done.done, done.failed, done.total) == ("apply", "done", 2, 0, 2)
    assert done.detail["counts"] == {"done": 2, "refused": 0, "failed": 0, "waiting": 0}
    assert sorted(key for key, *_ in desk.calendar.calls[calls:]) == ["b0", "b1"]
    assert await desk.differences() == []
    assert desk.calendar.entries[STRANGER] == Entry("lunch", "noon", 0)
    rows = [row for row in await desk.world.rows(SINK) if row.cause]
    assert {row.cause for row in rows} == {f"apply:{done.operation_id}"}
    assert {row.state for row in rows} == {"delivered"}
    assert [outcome.outcome for outcome in await desk.world.attempts(SINK)][-2:] in (
        ["created", "changed"],
        ["changed", "created"],
    )


async def test_an_object_of_no_known_booking_is_removed_without_a_receipt(desk: Desk) -> None:
    await desk.showing(1)
    desk.calendar.entries["calendar-1/gone/"] = Entry("gone", "some day", 3)
    assert await desk.differences() == [("gone", "remove", "unknown_booking")]
    done = await desk.apply()
    assert done.state == "done"
    assert set(desk.calendar.entries) == {"calendar-1/b0/"}
    assert await desk.differences() == []
    left = await desk.world.db.read(lambda session: strays.of_keys(session, sink=SINK, keys=["gone"]))
    assert not left
    (row,) = await desk.world.rows(SINK, "gone")
    assert (row.event_id, row.booking_id, row.state) == (f"apply:{done.operation_id}", "gone", "delivered")
    assert await desk.world.claims() == []


async def test_an_object_shown_twice_loses_the_one_no_receipt_names(desk: Desk) -> None:
    await desk.showing(2)
    desk.calendar.entries["calendar-1/b0/+2"] = Entry("b0", later(0)["start"].isoformat(), 1)
    assert await desk.differences() == [("b0", "remove", "doubled")]
    assert (await desk.apply()).state == "done"
    assert set(desk.calendar.entries) == {"calendar-1/b0/", "calendar-1/b1/"}
    assert await desk.differences() == []


async def test_an_entry_that_outlived_its_booking_goes_and_its_absence_is_right(desk: Desk) -> None:
    await desk.showing(1)
    entry = dict(desk.calendar.entries)
    await desk.world.see("b0", cancelled=True)
    desk.world.advance(timedelta(minutes=1))
    await desk.world.settled(SINK)
    assert await desk.differences() == []
    desk.calendar.entries.update(entry)
    assert await desk.differences() == [("b0", "remove", "outlived")]
    assert (await desk.apply()).state == "done"
    assert desk.calendar.entries == {}


async def test_a_part_that_left_is_removed_and_a_part_that_is_missing_made(
    world: World, calendar: Calendar
) -> None:
    desk = Desk(world, calendar, per_host=True)
    await desk.deliver()
    await world.see("b1", hosts=hosts("anna", "bert"))
    await world.settled(SINK)
    calendar.delete("calendar-1/b1/anna")
    calendar.entries["calendar-1/b1/cleo"] = Entry("b1", "some day", 1)
    assert await desk.differences() == [
        ("b1", "create", "deleted_by_hand"),
        ("b1", "remove", "outlived"),
    ]
    done = await desk.apply()
    assert (done.state, done.done) == ("done", 2)
    assert set(calendar.entries) == {"calendar-1/b1/anna", "calendar-1/b1/bert"}


@pytest.mark.parametrize("held", [True, False], ids=["with receipt", "without"])
async def test_what_the_sink_does_not_take_any_more_is_removed(desk: Desk, held: bool) -> None:
    await desk.showing(2)
    if not held:
        await desk.world.db.write(lambda session: receipts.delete_parts(session, sink=SINK, key="b0"))
    desk.wants = lambda _, state, __: not isinstance(state, Booking) or state.booking_id != "b0"
    assert await desk.differences() == [("b0", "remove", "not_matched")]
    calls = len(desk.calendar.calls)
    assert (await desk.apply()).state == "done"
    assert set(desk.calendar.entries) == {"calendar-1/b1/"}
    assert len(desk.calendar.calls) == calls + 1
    assert await desk.differences() == []


async def test_what_is_being_delivered_is_no_drift(desk: Desk) -> None:
    await desk.world.see("b1")
    assert await desk.differences() == [("b1", "create", "delivery_pending")]
    assert not any(item.is_due for item in (await desk.plan()).items)
    nothing = await desk.apply()
    assert (nothing.state, nothing.total) == ("done", 0)
    await desk.deliver()
    await desk.world.settled(SINK)
    assert await desk.differences() == []


async def test_what_moves_while_the_target_is_looked_at_is_no_drift(desk: Desk) -> None:
    await desk.showing(2)

    async def interfere() -> None:
        desk.calendar.while_looking = _nothing
        await desk.world.see("b0", **later(7))
        await desk.world.see("b9", **later(9))
        await desk.world.settled(SINK)
        stale["calendar-1/b0/"] = before

    async def _nothing() -> None: ...

    before = desk.calendar.entries["calendar-1/b0/"]
    stale: dict[str, Entry] = {}
    desk.calendar.while_looking = interfere
    assert await desk.differences() == []
    assert stale


async def test_an_entry_made_a_moment_ago_is_no_deleted_one(desk: Desk) -> None:
    """A listing may lag behind; what it does not show is looked for once more."""
    await desk.showing(3)
    hidden = desk.calendar.entries.pop("calendar-1/b1/")

    async def hide() -> None:
        desk.calendar.while_looking = reveal

    async def reveal() -> None: ...

    original = desk.calendar.shown
    desk.calendar.entries["calendar-1/b1/"] = hidden
    listed = {"calendar-1/b0/": 0, "calendar-1/b2/": 0}
    desk.calendar.while_looking = hide
    desk.calendar.shown = (  # type: ignore[method-assign]
        lambda name: original(name) if name in listed or desk.calendar.looks > 1 else None
    )
    assert await desk.differences() == []
    assert desk.calendar.looks == 2


async def test_a_dead_delivery_is_shown_and_tried_again_by_an_apply(desk: Desk) -> None:
    await desk.deliver()
    desk.calendar.faults.fail_next("b1", "permanent")
    await desk.world.see("b1")
    await desk.world.become(SINK, "dead")
    assert await desk.differences() == [("b1", "create", "delivery_dead")]
    desk.calendar.faults.fail_next("b1", "permanent")
    failed = await desk.apply()
    assert (failed.state, failed.failed) == ("failed", 1)
    (left,) = failed.detail["not_done"]
    assert (left["key"], left["result"], left["message"]) == ("b1", "failed", "400 invalid")
    assert (await desk.apply()).state == "done"
    assert await desk.differences() == []


async def test_a_dropped_delivery_is_shown_as_given_up(desk: Desk) -> None:
    await desk.world.see("b1")
    wanted, now = DeliveryFilter(sink=SINK), desk.world.clock.now()
    await desk.world.db.write(
        lambda session: deliveries.drop(session, wanted, now=now, reason="dropped by mara: no")
    )
    assert await desk.differences() == [("b1", "create", "delivery_dropped")]


async def test_an_item_is_done_only_as_it_was_shown(desk: Desk) -> None:
    await desk.showing(4)
    for key in ("b0", "b1", "b2", "b3"):
        desk.edit(key)
    items = [item for item in (await desk.plan()).items if item.is_due]
    assert len(items) == 4
    desk.edit("b1", note="changed again")
    await desk.world.see("b2", **later(30))
    await desk.world.settled(SINK)
    desk.calendar.entries["calendar-1/b3/"] = replace(desk.calendar.entries["calendar-1/b3/"], note="")
    partly = await desk.apply(items)
    assert (partly.state, partly.done, partly.failed, partly.total) == ("partly", 1, 3, 4)
    assert {one["key"]: (one["result"], one["message"]) for one in partly.detail["not_done"]} == {
        "b1": ("refused", "the target has changed since"),
        "b2": ("refused", "it is not found out of step any more"),
        "b3": ("refused", "it is not found out of step any more"),
    }
    assert desk.calendar.entries["calendar-1/b0/"].note == ""
    assert desk.calendar.entries["calendar-1/b1/"].note == "changed again"


async def test_one_row_stands_for_every_repair_and_a_newer_fact_takes_it_over(desk: Desk) -> None:
    await desk.showing(1)
    desk.edit("b0")
    items = [item for item in (await desk.plan()).items if item.is_due]
    desk.calendar.gate = asyncio.Event()
    applying = asyncio.create_task(desk.apply(items))
    await desk.world.become(SINK, "sending")
    await desk.world.see("b0", **later(5))
    desk.calendar.gate.set()
    assert (await applying).state == "done"
    await desk.world.settled(SINK)
    assert await desk.differences() == []


async def test_a_paused_sink_is_compared_and_a_repair_waits_there(desk: Desk) -> None:
    await desk.showing(1)
    now = desk.world.clock.now()
    await desk.world.db.write(lambda session: pause_sink(session, SINK, reason="holiday", now=now))
    desk.edit("b0")
    assert await desk.differences() == [("b0", "change", "edited_by_hand")]
    waits = await desk.apply()
    assert (waits.state, waits.detail["counts"]["waiting"]) == ("partly", 1)
    assert await desk.differences() == [("b0", "change", "delivery_pending")]


@pytest.mark.parametrize("lists", [True, False], ids=["listed", "one by one"])
@pytest.mark.parametrize("error", [TransientError("503"), PermanentError("404"), AuthError("401")])
async def test_without_a_whole_look_nothing_is_known(desk: Desk, lists: bool, error: AdapterError) -> None:
    await desk.showing(2)
    desk.options["lists"] = lists

    async def refuse() -> None:
        raise error

    desk.calendar.while_looking = refuse
    with pytest.raises(type(error)):
        await desk.plan()
    failed = await desk.apply()
    assert (failed.state, failed.detail["errors"]) == ("failed", {SINK: str(error)})


async def test_what_cannot_be_compared_says_so(desk: Desk) -> None:
    await desk.showing(1)
    desk.options |= {"lists": False, "readable": False}
    with pytest.raises(NotComparableError, match="cannot be read back"):
        await desk.plan()

    async def reactor(name: str) -> RunningSink:
        return RunningSink(name, ChatReactor(Chat(), desk.world.context(name)))

    async def switched_off(name: str) -> None:
        return None

    for build, reason in ((reactor, "acts once per event"), (switched_off, "switched off")):
        with pytest.raises(NotComparableError, match=reason):
            await desk.comparer_of(build).compare(SINK)


@pytest.mark.parametrize("end", [None, 9], ids=["log away", "log ahead"])
async def test_nobodys_object_stays_while_bookings_may_be_unread(desk: Desk, end: int | None) -> None:
    await desk.showing(1)
    desk.calendar.entries["calendar-1/unread/"] = Entry("unread", "some day", 3)

    async def end_of_log() -> int | None:
        return end

    desk.end_of_log = end_of_log  # type: ignore[method-assign]
    assert await desk.differences() == [("unread", "remove", "not_read_yet")]
    assert (await desk.apply()).total == 0
    assert "calendar-1/unread/" in desk.calendar.entries


async def test_a_booking_that_has_ended_counts_while_something_is_held(desk: Desk) -> None:
    await desk.showing(2)
    await desk.world.db.write(lambda session: receipts.delete_parts(session, sink=SINK, key="b1"))
    desk.calendar.delete("calendar-1/b1/")
    desk.world.advance(timedelta(days=30))
    desk.calendar.delete("calendar-1/b0/")
    assert await desk.differences() == [("b0", "create", "deleted_by_hand")]
    desk.calendar.entries["calendar-1/b1/"] = Entry("b1", "some day", 1)
    assert ("b1", "change", "outdated") in await desk.differences()


async def test_a_sink_that_begins_now_has_nothing_to_do_with_what_was_before(desk: Desk) -> None:
    await desk.world.see("b1")
    wanted, now = DeliveryFilter(sink=SINK), desk.world.clock.now()
    await desk.world.db.write(lambda session: deliveries.drop(session, wanted, now=now, reason="history"))
    assert await desk.differences() == [("b1", "create", "never_written")]
    desk.start = "now"

    def begin_here(session: Session) -> None:
        row = sinks.get(session, SINK)
        assert row is not None
        row.start_position = len(desk.world.log)

    await desk.world.db.write(begin_here)
    assert (await desk.plan()).items == ()
    await desk.world.see("b1", **later(2))
    assert await desk.differences() == [("b1", "create", "delivery_pending")]


async def test_contacts_are_looked_at_where_something_is_held(world: World) -> None:
    crm = Crm()
    world.register("crm", "contact")
    desk = Desk(world, Calendar())
    built: list[CrmMirror] = []

    async def build(name: str) -> RunningSink:
        built.append(CrmMirror(crm, world.context(name)))
        return RunningSink(name, built[-1])

    comparer = desk.comparer_of(build)
    applier = desk.applier_of(comparer)
    await world.engine(await build("crm")).start()
    await world.see("b1")
    await world.settled("crm")
    (contact,) = crm.counters
    crm.counters[contact] = (9, 9)
    (item,) = (await comparer.compare("crm")).items
    assert (item.key, item.booking_id, item.action, item.cause) == (contact, None, "change", "edited_by_hand")
    assert [(d.name, d.found, d.wanted) for d in item.differences] == [
        ("bookings", 9, 1),
        ("cancellations", 9, 0),
    ]
    assert built[-1].looks == [contact]
    await applier.begin(Wanted(("crm",), (Ask.of(item),)))
    await applier.wait()
    assert crm.counters[contact] == (1, 0)
    assert all(item.action == "none" for item in (await comparer.compare("crm")).items)
