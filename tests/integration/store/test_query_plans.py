"""The searches that run all day use their index, whatever SQLite knows of the data."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlmodel import SQLModel

from hub.projections.current import current_booking, current_contact
from hub.store import claims, deliveries, dirty, guard, inbox, ledger, recalls
from hub.store.claims import Outcome
from hub.store.database import Database
from tests.integration.store.rows import MINUTE, NOW, delivery


def claim(session):
    held = claims.claim_next(session, sink="calendar", now=NOW, owner="a", lease=MINUTE)
    claims.mark_sending(session, held, ["b-1"], now=NOW)
    claims.renew(session, held, until=NOW + MINUTE)
    claims.finish(session, held, [Outcome("b-1", "pending", due_at=NOW + MINUTE)], now=NOW)


SEARCHES = {
    "claiming and finishing": claim,
    "rows of a booking": lambda session: deliveries.of_booking(session, "b"),
    "retry of a key": lambda session: deliveries.retry(
        session, deliveries.DeliveryFilter(sink="x", key="b"), now=NOW
    ),
    "newest deliveries": lambda session: deliveries.listing(session, deliveries.DeliveryFilter()),
    "what the guard holds": lambda session: guard.held(session),
    "what the guard holds of a sink": lambda session: guard.held_rows(session, "calendar"),
    "what the guard let pass": lambda session: guard.used(session, "calendar", now=NOW),
    "what the guard watches": lambda session: guard.under_way(session, "calendar"),
    "dirty bookings": lambda session: dirty.due(session, now=NOW, limit=10),
    "marks of a booking": lambda session: dirty.receipts_of(session, [("meetergo", "b")], limit=5),
    "marks that were worked": lambda session: dirty.clear(session, [("meetergo", "b", "r")]),
    "known digests": lambda session: inbox.known_digests(session, ["x"], now=NOW),
    "units at a time": lambda session: ledger.within(session, "rooms", since=NOW, until=NOW + MINUTE),
    "who waits for units": lambda session: ledger.conflicts(session, now=NOW),
    "keys that are due again": lambda session: recalls.recall(session, "x", ["b"], position=1, now=NOW),
    "the state of a booking": lambda session: current_booking(session, "b"),
    "the state of a contact": lambda session: current_contact(session, "c"),
    "newest receipts": lambda session: inbox.listing(session, inbox.InboxFilter()),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_no_search_reads_a_whole_table(sqlite_file: Path, search):
    with closing(Database.open(f"sqlite:///{sqlite_file}")) as database:
        database.write_now(lambda session: deliveries.insert(session, [delivery("b", 1), delivery("b", 2)]))
        statements = []

        @event.listens_for(database.write_engine, "before_cursor_execute")
        def note(connection, cursor, statement, parameters, context, many):
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                statements.append((statement, parameters[0] if many else parameters))

        database.write_now(search)
        event.remove(database.write_engine, "before_cursor_execute", note)
        plans = [plan for statement in statements for plan in explain(database, *statement)]
    assert statements
    # A scan along an index in the wanted order ends at the limit; of checkpoints there are one or two.
    scans = [plan for plan in plans if plan.startswith("SCAN") and "USING INDEX" not in plan]
    # Under an alias a table is called deliveries_1; what else is scanned is the outcome of a search.
    scanned = {plan.split()[1].rstrip("_0123456789") for plan in scans} & set(SQLModel.metadata.tables)
    assert scanned <= {"checkpoints"}
    assert [plan for plan in plans if "deliveries" in plan and "(sink=?)" in plan] == []
    assert [plan for plan in plans if plan.endswith("(generation=?)")] == []


def explain(database, statement, parameters):
    with database.write_engine.connect() as connection:
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def test_search_for_a_key_looks_only_at_rows_that_are_due(sqlite_file: Path):
    """A hundred thousand delivered rows cost nothing."""
    with closing(Database.open(f"sqlite:///{sqlite_file}")) as database:
        fill = text(
            "INSERT INTO deliveries (sink, event_id, key, booking_id, position, event_type, state, attempts,"
            " due_at, created_at, changed_at, hold) "
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "SELECT 'calendar', 'e' || i, 'k' || i % 1000, 'b', i, 'X', 'delivered', 1, :now, :now, :now, 0"
            " FROM n"
        )
        stored = NOW.replace(tzinfo=None).isoformat(" ") + ".000000"
        database.write_now(lambda session: session.execute(fill, {"now": stored}))
        database.write_now(lambda session: deliveries.insert(session, [delivery("k1", 200_000)]))
        steps = []

        def work(session):
            driver = session.connection().connection.driver_connection
            driver.set_progress_handler(lambda: steps.append(1), 1000)
            try:
                return claims.claim_next(session, sink="calendar", now=NOW, owner="a", lease=MINUTE)
            finally:
                driver.set_progress_handler(None, 0)

        held = database.write_now(work)
    assert [row.position for row in held.rows] == [200_000]
    # One step is a thousand of SQLite's instructions; reading the rows would take thousands of steps.
    assert len(steps) < 20
