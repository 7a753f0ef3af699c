"""The newest state of a booking, and which fact gave it its present time."""

from datetime import timedelta

from events.state import Cancel
from hub.clock import ManualClock
from hub.projections.current import current_booking
from hub.projections.reader import Reader
from hub.store.database import Database
from tests.contract.projections.kit import MemoryLog, Shown, logged, read_all
from tests.factories import NOON, at, snapshot

HOUR = timedelta(hours=1)


async def test_the_time_position_is_that_of_creation_move_and_reinstatement_only(
    database: Database, log: MemoryLog, clock: ManualClock
) -> None:
    looks = (
        ({}, "BookingCreated", 1),
        ({"title": "Another title"}, "BookingDetailsChanged", 1),
        ({"title": "Another title", "start": NOON + HOUR}, "BookingRescheduled", 3),
        ({"title": "Again", "start": NOON + HOUR}, "BookingDetailsChanged", 3),
        (
            {"title": "Again", "start": NOON + HOUR, "cancelled": True, "cancel": Cancel()},
            "BookingCancelled",
            3,
        ),
        ({"title": "Again", "start": NOON + HOUR, "origin": "api"}, "BookingReinstated", 6),
    )
    every = logged(
        [
            Shown("b1", snapshot(provider_id="b1", version=at(number), **members))
            for number, (members, _, _) in enumerate(looks)
        ]
    )
    assert [envelope.type for envelope in every] == [kind for _, kind, _ in looks]
    for envelope, (_, _, expected) in zip(every, looks, strict=True):
        log.append([envelope])
        await read_all(Reader(log, database, clock=clock))
        booking = database.read_now(lambda session: current_booking(session, "b1"))
        assert booking is not None
        assert (booking.position, booking.time_position) == (envelope.position, expected)
        assert "time_position" not in booking.model_dump()


def test_a_booking_never_seen_is_none(database: Database) -> None:
    assert database.read_now(lambda session: current_booking(session, "b1")) is None
