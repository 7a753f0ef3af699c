"""Keys become due again because of what happened to another one, or to the settings."""

from datetime import timedelta

from hub.store import checkpoints, claims, deliveries, recalls
from hub.store.claims import Outcome
from hub.store.guard import WATCHED
from hub.store.tables import BookingRow, DeliveryRow, TimelineRow
from tests.integration.store.rows import MINUTE, NOW, delivery

SINK = "calendar"
LATER = NOW + timedelta(hours=1)


def happened(database, *facts, end=LATER):
    """Facts as (position, booking, type), and the bookings they lead to."""

    def write(session):
        live = checkpoints.live(session) or checkpoints.start_generation(
            session, now=NOW, versions={}, log_created="c", live=True
        )
        for position, booking_id, kind in facts:
            session.add(
                TimelineRow(
                    generation=live.generation,
                    position=position,
                    event_id=f"{booking_id}-{position}",
                    type=kind,
                    booking_id=booking_id,
                    provider_id=booking_id,
                    source="meetergo",
                    occurred_at=NOW,
                    provenance="webhook",
                    schema_version=1,
                )
            )
            session.merge(
                BookingRow(
                    generation=live.generation,
                    booking_id=booking_id,
                    source="meetergo",
                    provider_id=booking_id,
                    status="active",
                    start=end - MINUTE,
                    end=end,
                    position=position,
                )
            )

    database.write_now(write)


def add(database, *rows):
    database.write_now(lambda session: deliveries.insert(session, rows))


def recall(database, *keys, position, now=NOW):
    database.write_now(lambda session: recalls.recall(session, SINK, keys, position=position, now=now))


def recall_all(database, *, now=NOW):
    database.write_now(lambda session: recalls.recall_all(session, SINK, now=now))


def rows(database, key) -> dict[str, DeliveryRow]:
    return {row.event_id: row for row in database.read_now(lambda s: deliveries.of_booking(s, key))}


def due(database) -> list[str]:
    """The keys that are pending, in the order in which they are delivered."""

    def read(session):
        page = deliveries.listing(
            session, deliveries.DeliveryFilter(sink=SINK, states=("pending",)), limit=None
        )
        return [row.key for row in sorted(page.items, key=lambda row: (row.due_at, row.position))]

    return database.read_now(read)


def take(database, *event_ids, now=NOW):
    def work(session):
        claim = claims.claim_next(session, sink=SINK, now=now, owner="a", lease=MINUTE)
        claims.mark_sending(session, claim, event_ids, now=now)
        return claim

    return database.write_now(work)


def finish(database, claim, event_id):
    outcome = Outcome(event_id, "delivered", outcome="waits for room")
    assert database.write_now(lambda session: claims.finish(session, claim, [outcome], now=NOW))


def two_bookings(database) -> None:
    """One was served first; the other waits since, and both rows are done."""
    happened(database, (1, "a", "BookingCreated"), (2, "b", "BookingCreated"), (3, "a", "BookingCancelled"))
    add(
        database,
        delivery("a", 1, state="covered"),
        delivery("b", 2, state="delivered", attempts=3),
        delivery("a", 3, state="delivered"),
    )


def test_a_recalled_key_has_a_row_of_the_event_that_brought_it_about(database):
    two_bookings(database)
    recall(database, "b", position=3)
    row = rows(database, "b")["a-3"]
    assert (row.key, row.booking_id, row.position, row.event_type) == ("b", "b", 3, "BookingCancelled")
    assert (row.state, row.cause, row.due_at, row.attempts) == ("pending", recalls.CAPACITY_FREED, NOW, 0)
    assert rows(database, "b")["b-2"].state == "delivered"
    assert due(database) == ["b"]


def test_its_position_is_not_below_what_the_key_has_delivered_already(database):
    two_bookings(database)
    happened(database, (9, "b", "BookingDetailsChanged"))
    recall(database, "b", position=3)
    assert rows(database, "b")["a-3"].position == 9


def test_a_row_that_is_being_sent_does_not_swallow_the_recall(database):
    happened(database, (1, "a", "BookingCreated"), (2, "b", "BookingCreated"), (3, "a", "BookingCancelled"))
    add(database, delivery("b", 2))
    claim = take(database, "b-2")
    recall(database, "b", position=3)
    finish(database, claim, "b-2")
    assert {id: row.state for id, row in rows(database, "b").items()} == {
        "b-2": "delivered",
        "a-3": "pending",
    }


def test_neither_does_the_row_of_an_earlier_recall(database):
    two_bookings(database)
    recall(database, "b", position=3)
    claim = take(database, "a-3")
    recall(database, "b", position=3)
    finish(database, claim, "a-3")
    found = rows(database, "b")
    assert {id: row.state for id, row in found.items()} == {"a-3": "delivered", "b-2": "pending"}
    assert (found["b-2"].attempts, found["b-2"].cause) == (0, recalls.CAPACITY_FREED)


def test_a_row_that_was_done_with_is_delivered_once_more(database):
    two_bookings(database)
    for _ in range(2):
        recall(database, "b", position=3, now=NOW)
        finish(database, take(database, "a-3"), "a-3")
    assert rows(database, "b")["a-3"].finished_at == NOW
    assert due(database) == []


def test_without_an_event_at_the_position_the_newest_of_the_key_will_do(database):
    two_bookings(database)
    recall(database, "b", "unknown", position=77)
    assert {id: row.state for id, row in rows(database, "b").items()} == {"b-2": "pending"}
    assert rows(database, "unknown") == {}


def test_everything_that_is_not_over_is_recalled_in_the_order_it_was_asked_for(database):
    happened(
        database,
        (1, "first", "BookingCreated"),
        (2, "second", "BookingCreated"),
        (3, "mover", "BookingCreated"),
        (4, "mover", "BookingRescheduled"),
        (5, "third", "BookingCreated"),
        (6, "second", "AttendeeAdded"),
        (7, "first", "BookingDetailsChanged"),
        (8, "never told", "BookingCreated"),
    )
    happened(database, (9, "over", "BookingCreated"), end=NOW - MINUTE)
    newest = {"first": 7, "second": 6, "mover": 4, "third": 5, "over": 9}
    add(database, *(delivery(key, at, state="delivered") for key, at in newest.items()))
    recall_all(database)
    assert due(database) == ["first", "second", "mover", "third"]
    recalled = [rows(database, key)[f"{key}-{newest[key]}"] for key in due(database)]
    assert {(row.cause, row.guard) for row in recalled} == {(recalls.PLANNED_AGAIN, WATCHED)}


def test_rows_that_wait_anyway_keep_their_cause_and_take_their_turn(database):
    happened(
        database, (1, "early", "BookingCreated"), (2, "late", "BookingCreated"), (3, "early", "AttendeeAdded")
    )
    add(database, delivery("late", 2, cause="start"), delivery("early", 3, cause="start"))
    recall_all(database)
    assert due(database) == ["early", "late"]
    waiting = [rows(database, key)[id] for key, id in (("late", "late-2"), ("early", "early-3"))]
    assert {(row.cause, row.guard) for row in waiting} == {("start", None)}


def test_a_cancellation_in_its_grace_stays_there(database):
    happened(database, (1, "b", "BookingCreated"), (2, "b", "BookingCancelled"))
    add(database, delivery("b", 1, state="delivered"), delivery("b", 2, hold=True, due_at=LATER))
    recall_all(database)
    row = rows(database, "b")["b-2"]
    assert (row.due_at, row.hold, row.cause) == (LATER, True, None)


def test_a_store_that_has_read_nothing_recalls_nobody(database):
    recall(database, "b", position=1)
    recall_all(database)
    assert due(database) == []
