"""The log lost what was read: found at once, rebuilt, and nothing that re-uses a position is skipped."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from events import Envelope
from hub.clock import ManualClock
from hub.projections.aftermath import HISTORY
from hub.projections.divergence import Divergence, verify_checkpoint
from hub.projections.enqueue import DIVERGED
from hub.projections.reader import Hooks, Reader
from hub.projections.rebuild import Rebuilder
from hub.projections.sinks import SinkRegistration, register_sink
from hub.store import installation, receipts, sinks
from hub.store.database import Database
from hub.store.tables import DeliveryRow, InstallationRow, TargetReceiptRow
from tests.contract.projections.kit import (
    MemoryLog,
    Shown,
    apply,
    deliveries,
    live_rows,
    logged,
    many,
    read_all,
    rows,
)
from tests.factories import NOON, at, snapshot

CALENDAR = SinkRegistration("calendar", "booking")
CRM = SinkRegistration("crm", "contact")
CHAT = SinkRegistration("chat", "reactor", max_age=timedelta(days=400))


class Hub:
    """What the reader calls, written down."""

    def __init__(self) -> None:
        self.diverged: list[Divergence] = []
        self.epochs: list[int] = []
        self.fails = 0

    def hooks(self) -> Hooks:
        return Hooks(on_diverged=self.on_diverged, set_epoch=self.on_epoch)

    async def on_diverged(self, divergence: Divergence) -> None:
        self.diverged.append(divergence)
        if self.fails:
            self.fails -= 1
            raise RuntimeError("killed while marking")

    async def on_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)


def reader_of(
    log: MemoryLog, database: Database, clock: ManualClock, *registrations: SinkRegistration, hub: Hub
) -> Reader:
    return Reader(log, database, clock=clock, registrations=registrations, hooks=hub.hooks())


def stored_installation(database: Database) -> InstallationRow:
    row = database.read_now(installation.get)
    assert row is not None
    return row


def assert_tables_hold(database: Database, log: MemoryLog) -> None:
    database.write_now(lambda session: apply(session, log.events, 99, sizes=[100]))
    assert live_rows(database) == database.read_now(lambda session: rows(session, 99))


def in_order(envelopes: Sequence[Envelope], *positions: int) -> list[Envelope]:
    return [envelopes[position - 1] for position in positions]


@pytest.fixture
async def hub(database: Database, clock: ManualClock) -> Hub:
    database.write_now(lambda session: installation.get_or_create(session, now=clock.now()))
    return Hub()


async def test_a_torn_tail_with_new_events_at_the_same_positions_skips_nothing(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(30, per_booking=1)
    log.append(envelopes[:20])
    reader = reader_of(log, database, clock, CALENDAR, hub=hub)
    await read_all(reader)
    log.cut(14)
    # Other facts took the positions 15 to 24, among them one of the lost.
    log.append([*envelopes[20:29], envelopes[16]])

    assert await read_all(reader) == 10
    assert_tables_hold(database, log)
    (divergence,) = hub.diverged
    assert (divergence.last_agreeing_position, divergence.epoch) == (14, 2)
    assert divergence.since == envelopes[13].recorded_at
    assert hub.epochs == [2]
    row = stored_installation(database)
    assert (row.epoch, row.diverged_at, row.last_known_position) == (2, clock.now(), 24)
    by_event = {row.event_id: row for row in deliveries(database)}
    lost = {envelope.event_id for envelope in (*envelopes[14:16], *envelopes[17:20])}
    for envelope in envelopes[:29]:
        row = by_event[envelope.event_id]
        assert (row.state, row.reason) == (
            ("skipped", DIVERGED) if envelope.event_id in lost else ("pending", None)
        )
    assert by_event[envelopes[16].event_id].position == 24


async def test_a_shorter_log_is_noticed_without_new_events(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    log.append(many(12, per_booking=1))
    await read_all(reader_of(log, database, clock, hub=hub))
    log.cut(5)
    assert await verify_checkpoint(log, database) == "the log ends at position 5, it reached 12 before"
    await read_all(reader_of(log, database, clock, hub=hub))
    assert hub.diverged[0].last_agreeing_position == 5
    assert_tables_hold(database, log)
    assert await verify_checkpoint(log, database) is None


async def test_a_stream_made_anew_is_read_from_its_first_event(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(20, per_booking=1)
    log.append(envelopes[:10])
    reader = reader_of(log, database, clock, CALENDAR, CHAT, hub=hub)
    await read_all(reader)
    log.make_anew()
    log.append([*envelopes[12:20], *envelopes[:4]])
    assert await read_all(reader) == 12
    assert_tables_hold(database, log)
    assert (hub.diverged[0].last_agreeing_position, hub.diverged[0].since) == (0, None)


async def test_a_stream_made_anew_with_the_same_events_agrees_on_them(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    hub = Hub()
    log.append(many(10, per_booking=1))
    reader = reader_of(log, sqlite_database, clock, hub=hub)
    await read_all(reader)
    log.append(log.make_anew())
    await read_all(reader)
    assert hub.diverged[0].last_agreeing_position == 10
    assert hub.diverged[0].reason.startswith("the stream was made anew")
    assert await verify_checkpoint(log, sqlite_database) is None


async def test_a_tail_lost_before_it_was_read_is_noticed(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    hub = Hub()
    sqlite_database.write_now(lambda session: installation.get_or_create(session, now=clock.now()))
    envelopes = many(10, per_booking=1)
    log.append(envelopes[:6])
    reader = reader_of(log, sqlite_database, clock, hub=hub)
    await read_all(reader)
    # Two more were appended and their receipts settled; then the log lost them, unread.
    sqlite_database.write_now(lambda session: installation.note_position(session, 8))
    await read_all(reader)
    assert [divergence.last_agreeing_position for divergence in hub.diverged] == [6]
    assert await verify_checkpoint(log, sqlite_database) is None


async def test_a_crash_before_the_switch_marks_again_and_loses_nothing(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(12, per_booking=1)
    log.append(envelopes[:8])
    reader = reader_of(log, database, clock, CALENDAR, hub=hub)
    await read_all(reader)
    log.cut(4)
    log.append(envelopes[8:12])
    hub.fails = 1
    with pytest.raises(RuntimeError):
        await reader.prepare()
    assert stored_installation(database).epoch == 1
    await read_all(reader_of(log, database, clock, CALENDAR, hub=hub))
    assert [divergence.last_agreeing_position for divergence in hub.diverged] == [4, 4]
    assert stored_installation(database).epoch == 2
    assert_tables_hold(database, log)


async def test_only_one_of_two_hubs_recovers(
    store_url: str, database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(12, per_booking=1)
    log.append(envelopes[:8])
    other_database = Database.open(store_url)
    first = reader_of(log, database, clock, CALENDAR, hub=hub)
    second = reader_of(log, other_database, clock, CALENDAR, hub=hub)
    await read_all(first)
    await read_all(second)
    log.cut(4)
    log.append(envelopes[8:12])
    await read_all(first)
    await read_all(second)
    other_database.close()
    assert len(hub.diverged) == 1
    assert stored_installation(database).epoch == 2
    assert (first.position, second.position) == (8, 8)
    assert len(deliveries(database)) == 12


def set_states(database: Database, sink: str, states: dict[int, str]) -> None:
    def write(session: Session) -> None:
        for position, state in states.items():
            mine = (col(DeliveryRow.sink) == sink, col(DeliveryRow.position) == position)
            session.exec(update(DeliveryRow).where(*mine).values(state=state))

    database.write_now(write)


def states_of(database: Database, sink: str) -> dict[str, tuple[str, str | None, str | None]]:
    return {
        row.event_id: (row.state, row.reason, row.cause) for row in deliveries(database) if row.sink == sink
    }


async def test_a_reactor_never_acts_twice_on_a_fact_that_comes_back(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(8, per_booking=1)
    log.append(envelopes[:6])
    await read_all(reader_of(log, database, clock, CHAT, hub=hub))
    set_states(database, "chat", {1: "delivered", 3: "delivered", 4: "sending", 5: "uncertain"})
    log.cut(2)
    log.append(in_order(envelopes, 7, 3, 4, 5, 6))
    await read_all(reader_of(log, database, clock, CHAT, hub=hub))
    ids = [envelope.event_id for envelope in envelopes]
    assert states_of(database, "chat") == {
        ids[0]: ("delivered", None, None),
        ids[1]: ("pending", None, None),
        ids[2]: ("delivered", None, None),
        ids[3]: ("sending", None, None),
        ids[4]: ("uncertain", None, None),
        ids[5]: ("pending", None, None),
        ids[6]: ("pending", None, None),
    }
    revived = next(row for row in deliveries(database) if row.event_id == ids[5])
    assert revived.position == 7


async def test_what_was_history_to_a_reactor_stays_history_when_it_is_read_again(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    envelopes = many(9, per_booking=1)
    log.append(envelopes[:6])
    await read_all(reader_of(log, database, clock, hub=hub))
    registrations = [registered(database, clock, sink, log) for sink in (CHAT, CALENDAR)]
    assert [sink.start_position for sink in registrations] == [6, 6]
    log.append(envelopes[6:7])
    await read_all(reader_of(log, database, clock, *registrations, hub=hub))
    log.make_anew()
    log.append(in_order(envelopes, 8, 2, 1, 9, 7))
    await read_all(reader_of(log, database, clock, *registrations, hub=hub))
    found = states_of(database, "chat")
    ids = [envelope.event_id for envelope in envelopes]
    assert {event_id for event_id, (state, _, _) in found.items() if state == "pending"} == {
        ids[6],
        ids[7],
        ids[8],
    }
    assert found[ids[0]] == found[ids[1]] == ("skipped", HISTORY, None)
    starts = database.read_now(lambda session: {row.name: row.start_position for row in sinks.every(session)})
    assert starts == {"chat": 0, "calendar": 0}


def registered(
    database: Database, clock: ManualClock, sink: SinkRegistration, log: MemoryLog
) -> SinkRegistration:
    position = database.write_now(
        lambda session: register_sink(
            session,
            sink.name,
            type="fake",
            kind=sink.kind,
            start="now",
            log_position=len(log.events),
            now=clock.now(),
        )
    )
    return replace(sink, start_position=position)


def receipt(key: str, **members: Any) -> TargetReceiptRow:
    values = {"sink": "calendar", "key": key, "part": "", "external_id": f"x-{key}", "position": 7}
    return TargetReceiptRow(**(values | members))


async def test_mirrors_converge_on_what_the_log_holds_now(
    database: Database, log: MemoryLog, clock: ManualClock, hub: Hub
) -> None:
    coming = NOON + timedelta(days=60)
    moved = snapshot(provider_id="coming", start=coming + timedelta(hours=1), version=at(1))
    envelopes = logged(
        [
            Shown("over", snapshot(provider_id="over")),
            Shown("held", snapshot(provider_id="held")),
            Shown("coming", snapshot(provider_id="coming", start=coming)),
            Shown("coming", moved),
            Shown("lost", snapshot(provider_id="lost", start=coming)),
        ]
    )
    log.append(envelopes)
    await read_all(reader_of(log, database, clock, CALENDAR, CRM, hub=hub))
    for sink in ("calendar", "crm"):
        set_states(database, sink, dict.fromkeys(range(1, 6), "delivered"))
    for key in ("held", "coming", "lost"):
        row = receipt(key, updated_at=clock.now())
        database.write_now(lambda session, row=row: receipts.put(session, row))
    clock.advance(timedelta(days=30))
    lost = log.cut(3)
    await read_all(reader_of(log, database, clock, CALENDAR, CRM, hub=hub))

    ids = [envelope.event_id for envelope in envelopes]
    assert states_of(database, "calendar") == {
        ids[0]: ("delivered", None, None),
        ids[1]: ("pending", None, DIVERGED),
        ids[2]: ("pending", None, DIVERGED),
        ids[3]: ("skipped", DIVERGED, None),
        ids[4]: ("skipped", DIVERGED, None),
    }
    held = [
        database.read_now(lambda session, key=key: receipts.get(session, sink="calendar", key=key))
        for key in ("held", "coming")
    ]
    positions = {row.position for parts in held for row in parts.values()}
    assert positions == {0}
    assert states_of(database, "crm")[ids[2]] == ("pending", None, DIVERGED)

    # The lost facts are derived again: the calendar follows them once more, though it had them before.
    log.append(lost)
    await read_all(reader_of(log, database, clock, CALENDAR, CRM, hub=hub))
    found = states_of(database, "calendar")
    assert (found[ids[3]], found[ids[4]]) == (("pending", None, None), ("pending", None, None))
    assert len(hub.diverged) == 1


async def test_a_divergence_during_a_rebuild_waits_for_it(
    sqlite_database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    log.append(many(6, per_booking=1))
    hub = Hub()
    reader = reader_of(log, sqlite_database, clock, hub=hub)
    await read_all(reader)
    log.cut(3)
    async with Rebuilder(log, sqlite_database, clock=clock).alone():
        with pytest.raises(Exception, match="running already"):
            await reader.prepare()
    await read_all(reader)
    assert hub.diverged[0].last_agreeing_position == 3
