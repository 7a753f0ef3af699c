"""A sink that is seen for the first time: where it starts, and the rows it begins with."""

from datetime import timedelta

import pytest

from hub.clock import ManualClock
from hub.projections.reader import Reader
from hub.projections.sinks import SinkKind, SinkStart, register_sink
from hub.store import sinks
from hub.store.database import Database
from hub.store.tables import DeliveryRow
from tests.contract.projections.kit import MemoryLog, Shown, deliveries, logged, read_all
from tests.factories import NOON, at, snapshot

ENDED, COMING = "ended", "coming"


async def a_store(database: Database, clock: ManualClock) -> MemoryLog:
    """Three events read of a booking that is over and one that is not, and a fourth not read yet."""
    log = MemoryLog()
    later = NOON + timedelta(days=30)
    log.append(
        logged(
            [
                Shown(ENDED, snapshot(provider_id=ENDED, attendees=("a1",))),
                Shown(COMING, snapshot(provider_id=COMING, attendees=("a1", "a2"), start=later)),
                Shown(
                    COMING,
                    snapshot(
                        provider_id=COMING,
                        attendees=("a1", "a2"),
                        start=later + timedelta(hours=1),
                        version=at(1),
                    ),
                ),
                Shown("b4", snapshot(provider_id="b4", start=later)),
            ]
        )
    )
    unread = log.cut(3)
    await read_all(Reader(log, database, clock=clock))
    log.append(unread)
    clock.advance(NOON + timedelta(days=3) - clock.now())
    return log


def register(
    database: Database, clock: ManualClock, kind: SinkKind, start: SinkStart, *, log_position: int = 4
) -> tuple[int, list[DeliveryRow]]:
    position = database.write_now(
        lambda session: register_sink(
            session,
            "new",
            type="fake",
            kind=kind,
            start=start,
            log_position=log_position,
            now=clock.now(),
        )
    )
    return position, deliveries(database)


@pytest.mark.parametrize(
    ("kind", "start", "position", "keys"),
    [
        ("booking", "upcoming", 3, [COMING]),
        ("booking", "now", 4, []),
        ("booking", "beginning", 0, [ENDED, COMING]),
        ("contact", "upcoming", 3, ["c-a1@kunde.example", "c-a2@kunde.example"]),
        ("contact", "beginning", 0, ["c-a1@kunde.example", "c-a2@kunde.example"]),
        ("reactor", "now", 4, []),
        ("reactor", "upcoming", 4, []),
        ("reactor", "beginning", 0, []),
    ],
)
async def test_a_start_decides_the_position_and_the_first_rows(
    database: Database,
    clock: ManualClock,
    kind: SinkKind,
    start: SinkStart,
    position: int,
    keys: list[str],
) -> None:
    log = await a_store(database, clock)
    begun, rows = register(database, clock, kind, start)
    assert begun == position
    assert [row.key for row in rows] == keys
    newest = {ENDED: log.events[0], COMING: log.events[2]}
    for row in rows:
        wanted = newest.get(row.key, log.events[2])
        assert (row.event_id, row.position, row.event_type) == (wanted.event_id, wanted.position, wanted.type)
        assert (row.state, row.cause, row.hold, row.attempts) == ("pending", "start", False, 0)
        assert row.due_at == row.created_at == row.changed_at == clock.now()


async def test_the_start_is_stored_once(sqlite_database: Database, clock: ManualClock) -> None:
    await a_store(sqlite_database, clock)
    first = register(sqlite_database, clock, "booking", "upcoming")
    clock.advance(timedelta(hours=1))
    again = register(sqlite_database, clock, "booking", "beginning", log_position=99)
    assert again == first
    row = sqlite_database.read_now(lambda session: sinks.get(session, "new"))
    assert row is not None
    assert row.start_position == 3


async def test_a_mirror_in_a_store_that_has_read_nothing_gets_its_rows_from_the_reader(
    sqlite_database: Database, clock: ManualClock
) -> None:
    assert register(sqlite_database, clock, "booking", "upcoming", log_position=500) == (0, [])


async def test_a_reactor_in_a_store_that_was_lost_does_not_act_on_the_log_again(
    sqlite_database: Database, clock: ManualClock
) -> None:
    assert register(sqlite_database, clock, "reactor", "now", log_position=500) == (500, [])
