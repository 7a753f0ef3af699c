"""A changed configuration: what it would do is told, then brought about in one transaction."""

import asyncio
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from events import Booking, Contact
from events.state import Host
from hub.clock import ManualClock
from hub.projections.applying import Applied, apply, foresee
from hub.projections.effects import Effect
from hub.projections.reader import Reader
from hub.projections.registered import registered
from hub.projections.sinks import SinkKind, SinkRegistration
from hub.projections.wanted_sinks import WantedSink
from hub.settings.match import Match
from hub.store import former, guard, receipts, sinks
from hub.store.database import Database
from hub.store.tables import DeliveryRow, TargetReceiptRow
from tests.contract.projections.kit import MemoryLog, Shown, deliveries, logged, read_all
from tests.factories import NOON, snapshot

LATER = NOON + timedelta(days=30)
MARA = (Host(id="h1", email="mara@studio.example"),)
JON = (Host(id="h2", email="jon@studio.example"),)


def title_of(state: Booking | Contact) -> Mapping[str, str] | None:
    return {"": f"title of {state.booking_id}"} if isinstance(state, Booking) else None


def calendar(name: str = "calendar", *, kind: SinkKind = "booking", **members: Any) -> WantedSink:
    match = members.pop("match", None)
    registration = SinkRegistration(
        name,
        kind,
        grace=timedelta(seconds=20),
        max_age=timedelta(hours=24) if kind == "reactor" else None,
        match=Match.model_validate(match) if match else None,
    )
    defaults: dict[str, Any] = {
        "type": "fake",
        "start": "now" if kind == "reactor" else "upcoming",
        "guard": 20,
        "target": "t1",
        "leaves": {"config.title": "1"},
        "previewed": title_of,
    }
    return WantedSink(registration=registration, **(defaults | members))


class Store:
    """A database with bookings that are over and bookings to come."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock, self.log = database, clock, MemoryLog()
        self.reader = Reader(self.log, database, clock=clock)

    async def see(self, *shown: Shown) -> None:
        events = logged(shown)
        self.log.append(events)
        await read_all(self.reader)

    def apply(self, *wanted: WantedSink) -> Applied:
        position, now = len(self.log.events), self.clock.now()
        return self.database.write_now(lambda session: apply(session, wanted, log_position=position, now=now))

    def foresee(self, *wanted: WantedSink) -> tuple[Effect, ...]:
        return self.database.read_now(lambda session: foresee(session, wanted, now=self.clock.now()))

    def change(self, *wanted: WantedSink) -> list[str]:
        """The effects as they were foreseen, which have to be those that came about."""
        foreseen = self.foresee(*wanted)
        applied = self.apply(*wanted)
        assert applied.effects == foreseen
        assert self.foresee(*wanted) == ()
        return [effect.text for effect in applied.effects]

    def deliver(self, sink: str = "calendar", *, target: str | None = "t1", digest: bool = True) -> None:
        """The engine has brought everything about that may be delivered."""

        def work(session: Any) -> None:
            now = self.clock.now()
            for row in session.exec(select(DeliveryRow).where(DeliveryRow.sink == sink)).all():
                if row.state != "pending" or guard.is_held(row):
                    continue
                row.state, row.finished_at, row.outcome = "delivered", now, "changed"
                wanted = f"title of {row.key}" if digest else None
                held = TargetReceiptRow(
                    sink=sink,
                    key=row.key,
                    part="",
                    target=target,
                    external_id=f"x-{row.key}",
                    position=row.position,
                    wanted=wanted,
                    updated_at=now,
                )
                receipts.put(session, held)

        self.database.write_now(work)

    def rows(self, sink: str = "calendar", **members: Any) -> list[DeliveryRow]:
        return [
            row
            for row in deliveries(self.database)
            if row.sink == sink and all(getattr(row, name) == value for name, value in members.items())
        ]


def a_booking(number: int, **members: Any) -> Shown:
    start = LATER + timedelta(hours=number)
    provider_id = f"b{number:03}"
    shown = snapshot(provider_id=provider_id, attendees=(f"p{number}",), start=start, **members)
    return Shown(provider_id, shown)


@pytest.fixture
async def store(database: Database, clock: ManualClock) -> Store:
    return Store(database, clock)


@pytest.fixture
async def small(sqlite_database: Database, clock: ManualClock) -> Store:
    return Store(sqlite_database, clock)


async def full(store: Store, bookings: int = 50) -> Store:
    """A calendar that holds all bookings, the even ones Mara's, the odd ones Jon's."""
    await store.see(*(a_booking(n, hosts=JON if n % 2 else MARA) for n in range(bookings)))
    store.apply(calendar())
    store.deliver()
    return store


async def test_a_new_mirror_takes_up_what_is_coming_and_a_new_reactor_nothing(store: Store) -> None:
    past = [Shown(f"o{n}", snapshot(provider_id=f"o{n}", start=NOON - timedelta(days=3))) for n in range(200)]
    await store.see(*past, *(a_booking(n) for n in range(50)))
    store.clock.advance(NOON - store.clock.now())
    effects = store.change(calendar(), calendar("chat", kind="reactor"))
    assert effects == [
        "calendar: new: 50 bookings enter",
        "chat: new: it acts on what happens from now on",
    ]
    assert len(store.rows(state="pending", cause="start")) == 50
    assert store.rows("chat") == []


async def test_a_changed_match_says_who_enters_and_who_leaves(store: Store) -> None:
    await full(store)
    assert store.change(calendar(match={"host": "mara@*"}, guard=60)) == [
        "calendar: match changed: 25 bookings leave"
    ]
    assert {row.key for row in store.rows(state="pending")} == {f"b{n:03}" for n in range(1, 50, 2)}
    assert {row.cause for row in store.rows(state="pending")} == {"config:2"}
    store.deliver()
    store.database.write_now(lambda session: receipts.delete_parts(session, sink="calendar", key="b001"))
    [effect] = store.change(calendar(match={"host": "jon@*"}, guard=60))
    assert effect == "calendar: match changed: 1 booking enters, 25 leave"


async def test_more_removals_than_the_guard_lets_pass_are_held_all_of_them(store: Store) -> None:
    await full(store, 37)
    only_others = {"attendee": {"not": "*@kunde.example"}}
    [effect] = store.change(calendar(match=only_others))
    assert effect == (
        "calendar: match changed: 37 bookings leave; the guard holds 37, see: "
        "bookinghub sinks resume calendar --dry-run"
    )
    waiting = store.rows(state="pending")
    assert len(waiting) == 37
    assert all(guard.is_held(row) and row.due_at == guard.UNTIL_LET_GO for row in waiting)
    held = store.database.read_now(guard.held)
    assert held["calendar"].count == 37


async def test_what_the_guard_still_lets_pass_is_counted_over_the_hour(small: Store) -> None:
    await full(small, 30)
    small.apply(calendar(match={"host": "mara@*"}, guard=20))
    assert len(small.rows(state="pending", guard="watched")) == 15
    small.deliver()
    six = {"host": "mara@*", "meeting_type": {"not": "erst*"}}
    assert "the guard holds 30" in small.change(calendar(match=six, guard=20))[0]
    small.clock.advance(timedelta(minutes=61))
    assert "the guard holds 30" in small.change(calendar(match={**six, "group": False}, guard=20))[0]
    assert "guard holds" not in small.change(calendar(match=six, guard=30))[0]


async def test_taking_a_change_back_dissolves_what_it_held(store: Store) -> None:
    await full(store, 37)
    store.apply(calendar(match={"host": "nobody"}))
    assert len(store.database.read_now(lambda session: guard.held_rows(session, "calendar"))) == 37
    assert store.change(calendar()) == ["calendar: match changed: nothing changes at the target"]
    assert store.database.read_now(guard.held) == {}
    assert {row.state for row in store.rows()} == {"covered"}


async def test_a_new_fact_is_not_in_the_way_of_a_held_row_nor_the_other_way_round(small: Store) -> None:
    await full(small, 37)
    small.apply(calendar(match={"host": "nobody"}))
    first = small.log.events[0].event
    moved = snapshot(
        provider_id="b000", attendees=("p0",), start=LATER + timedelta(days=1), hosts=MARA,
        version=snapshot().version and snapshot().version + timedelta(hours=1),
    )  # fmt: skip
    assert first is not None
    small.log.append(logged([a_booking(0, hosts=MARA), Shown("b000", moved)])[1:])
    await read_all(small.reader)
    of_key = small.rows(key="b000", state="pending")
    assert [(row.guard, row.cause) for row in of_key] == [("held", "config:2"), (None, None)]
    assert of_key[1].due_at <= small.clock.now()


async def test_other_templates_write_again_what_reads_otherwise(small: Store) -> None:
    await full(small, 5)

    def other_title(state: Booking | Contact) -> Mapping[str, str] | None:
        assert isinstance(state, Booking)
        return {"": "short" if state.hosts == JON else f"title of {state.booking_id}"}

    changed = calendar(leaves={"config.title": "2"}, previewed=other_title)
    assert small.change(changed) == ["calendar: config.title changed: 2 bookings are written again"]
    assert {row.key for row in small.rows(state="pending")} == {"b001", "b003"}


async def test_what_nobody_can_compare_may_differ(small: Store) -> None:
    await small.see(*(a_booking(n) for n in range(3)))
    small.apply(calendar())
    small.deliver(digest=False)
    changed = calendar(leaves={"config.title": "2"}, guard=2)
    assert small.change(changed)[0].startswith(
        "calendar: config.title changed: 3 bookings are written again; the guard holds 3"
    )


async def test_bookings_that_are_over_are_not_written_again(small: Store) -> None:
    await full(small, 3)
    small.clock.advance(LATER + timedelta(days=9) - small.clock.now())
    changed = calendar(leaves={"config.title": "2"}, previewed=lambda state: {"": "other"})
    assert small.change(changed) == ["calendar: config.title changed: nothing changes at the target"]
    assert small.change(calendar(leaves={"config.title": "2"}, match={"host": "jon@*"})) == [
        "calendar: match changed: 2 bookings leave"
    ]


async def test_another_target_gets_everything_and_the_former_keeps_what_it_has(store: Store) -> None:
    await full(store, 5)
    moved = calendar(target="t2", leaves={"config.title": "1", "config.calendar": "2"})
    assert store.change(moved) == [
        "calendar: config.calendar changed: 5 bookings enter; 5 objects stay at the former target"
    ]
    assert {row.guard for row in store.rows(state="pending")} == {None}
    left = store.database.read_now(former.counts)
    assert [(one.target, one.count) for one in left["calendar"]] == [("t1", 5)]
    held = store.database.read_now(receipts.counts)
    assert held == {}


async def test_a_target_that_comes_back_gets_its_receipts_back_and_nothing_doubled(store: Store) -> None:
    await full(store, 5)
    store.apply(calendar(target="t2", leaves={"config.calendar": "2"}))
    store.deliver(target="t2")
    back = calendar(target="t1", leaves={"config.calendar": "1"})
    assert store.change(back) == ["calendar: config.calendar changed: 5 objects stay at the former target"]
    assert store.rows(state="pending") == []
    left = store.database.read_now(former.counts)
    assert [(one.target, one.count) for one in left["calendar"]] == [("t2", 5)]
    held = store.database.read_now(lambda session: receipts.get(session, sink="calendar", key="b001"))
    assert held[""].target == "t1"


async def test_a_new_name_carries_receipts_and_deliveries_over(store: Store) -> None:
    await full(store, 3)
    renamed = calendar("team", renamed_from="calendar")
    assert store.change(renamed) == ["team: renamed from calendar: nothing changes at the target"]
    assert store.rows() == []
    assert [row.state for row in store.rows("team")] == ["delivered"] * 3
    assert store.database.read_now(receipts.counts) == {"team": 3}
    row = store.database.read_now(lambda session: sinks.get(session, "team"))
    assert row is not None
    assert row.first_name == "calendar"
    assert store.apply(renamed).effects == ()
    again = store.change(replace(calendar("wall", renamed_from="team"), guard=3))
    assert again == ["wall: renamed from team: nothing changes at the target"]
    row = store.database.read_now(lambda session: sinks.get(session, "wall"))
    assert row is not None
    assert row.first_name == "calendar"


async def test_a_name_that_is_taken_inherits_nothing(small: Store) -> None:
    await full(small, 3)
    small.apply(calendar(), calendar("team"))
    [effect] = small.change(calendar("team", renamed_from="calendar"))
    assert effect.startswith("calendar: not in the configuration any more: 3 objects stay")
    assert small.database.read_now(receipts.counts) == {"calendar": 3}


async def test_a_sink_that_is_gone_keeps_collecting_and_goes_on_where_it_was(store: Store) -> None:
    await full(store, 3)
    assert store.change() == ["calendar: not in the configuration any more: 3 objects stay at its target"]
    await store.see(a_booking(9))
    assert [row.state for row in store.rows(key="b009")] == ["pending"]
    assert store.change(calendar()) == ["calendar: back: nothing changes at the target"]


async def test_a_reactor_that_is_gone_or_switched_off_hears_nothing(small: Store) -> None:
    chat = calendar("chat", kind="reactor", leaves={})
    small.apply(chat)
    await small.see(a_booking(1))
    assert len(small.rows("chat")) == 1
    for other in ([], [replace(chat, enabled=False)]):
        small.apply(*other)
        await small.see(a_booking(2 + len(other)))
        assert len(small.rows("chat")) == 1
    small.apply(chat)
    await small.see(a_booking(8))
    assert len(small.rows("chat")) == 2


async def test_a_mirror_that_is_switched_off_collects(small: Store) -> None:
    await full(small, 1)
    off = replace(calendar(match={"host": "nobody"}), enabled=False)
    assert small.change(off) == ["calendar: disabled: nothing changes at the target"]
    await small.see(a_booking(7, hosts=JON))
    assert [row.state for row in small.rows(key="b007")] == ["pending"]
    on = calendar(match={"host": "nobody"})
    assert small.change(on) == ["calendar: enabled, match changed: 1 booking leaves"]


async def test_only_a_change_that_matters_raises_the_revision(small: Store) -> None:
    await full(small, 1)
    assert small.apply(calendar()).rows["calendar"].revision == 1
    assert small.apply(calendar(guard=5)).rows["calendar"].revision == 1
    assert small.apply(calendar(guard=5, match={"host": "x"})).rows["calendar"].revision == 2


async def test_the_reader_knows_the_sinks_from_the_store(small: Store) -> None:
    wanted = calendar(match={"host": {"not": "jon@*"}})
    small.apply(wanted)
    found = small.database.read_now(registered)
    assert found == (wanted.registration,)
    await small.see(a_booking(1, hosts=JON), a_booking(2, hosts=MARA))
    assert [(row.key, row.state, row.reason) for row in small.rows()] == [
        ("b001", "skipped", "not_matched"),
        ("b002", "pending", None),
    ]


async def test_contacts_enter_and_leave_with_any_of_their_bookings(store: Store) -> None:
    def demo(number: int, **members: Any) -> Shown:
        shown = snapshot(
            provider_id=f"d{number}", attendees=("p1",), start=LATER, meeting_type_slug="demo", **members
        )
        return Shown(f"d{number}", shown)

    crm = calendar("crm", kind="contact")
    await store.see(a_booking(1), a_booking(2), demo(1))
    store.apply(crm)
    store.deliver("crm")
    only_demos = calendar("crm", kind="contact", match={"meeting_type": "demo"})
    assert store.change(only_demos) == ["crm: match changed: 1 contact leaves"]
    assert [row.key for row in store.rows("crm", state="pending")] == ["c-p2@kunde.example"]


@pytest.mark.parametrize("turn", range(6))
async def test_a_sink_added_while_another_hub_reads_misses_and_doubles_nothing(
    store_url: str, clock: ManualClock, turn: int
) -> None:
    """The reader of one hub works while another one applies a configuration with a new sink."""
    with closing(Database.open(store_url)) as reading, closing(Database.open(store_url)) as applying:
        store = Store(applying, clock)
        store.log.append(logged([a_booking(n) for n in range(60)]))
        reader = Reader(store.log, reading, clock=clock)
        reader._batch = 7  # many small batches, between which the other one can come
        await reader.prepare()

        async def read() -> None:
            while await reader.step():
                reader._batch = 7

        async def add() -> None:
            for _ in range(turn):
                await asyncio.sleep(0.004)
            wanted, now = [calendar(), calendar("chat", kind="reactor", leaves={})], clock.now()
            position = len(store.log.events) // 2
            await applying.write(lambda s: apply(s, wanted, log_position=position, now=now))

        await asyncio.gather(read(), add())
        await read_all(reader)
        rows = deliveries(applying)
        calendar_keys = [row.key for row in rows if row.sink == "calendar"]
        assert sorted(calendar_keys) == [f"b{n:03}" for n in range(60)]
        start = applying.read_now(lambda session: sinks.get(session, "chat"))
        assert start is not None
        positions = [row.position for row in rows if row.sink == "chat"]
        assert positions == list(range(start.start_position + 1, 61))
