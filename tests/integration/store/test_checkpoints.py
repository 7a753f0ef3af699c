"""The checkpoint is fence and lease of the reader; exactly one generation is live."""

import pytest
from sqlalchemy.exc import IntegrityError

from hub.errors import CheckpointMovedError
from hub.store import checkpoints
from hub.store.statements import insert_new
from hub.store.tables import LeaseRow
from tests.integration.store.rows import MINUTE, NOW, lease


@pytest.fixture
def started(database):
    database.write_now(
        lambda session: checkpoints.start_generation(
            session, now=NOW, versions={"bookings": 1}, log_created="then", live=True
        )
    )
    return database


def advance(session, generation=1, expected=0, new=5, **options):
    values = {"event_id": f"e{new}", "log_created": "then", "now": NOW + MINUTE}
    checkpoints.advance(
        session, generation, expected_position=expected, new_position=new, **{**values, **options}
    )


def second_generation(session):
    return checkpoints.start_generation(session, now=NOW, versions={"bookings": 2}, log_created="then")


def live(database):
    return database.read_now(checkpoints.live)


def test_new_store_has_no_live_generation(database):
    assert live(database) is None


def test_advanced_checkpoint_knows_position_event_and_stream(started):
    started.write_now(advance)
    row = live(started)
    assert (row.generation, row.position, row.event_id, row.log_created) == (1, 5, "e5", "then")
    assert (row.versions, row.updated_at) == ({"bookings": 1}, NOW + MINUTE)


def test_second_reader_is_refused_together_with_what_it_wrote(started, other):
    started.write_now(advance)

    def late(session):
        insert_new(session, [lease("by the late reader")])
        advance(session, new=7)

    with pytest.raises(CheckpointMovedError):
        other.write_now(late)
    assert live(started).position == 5
    assert started.read_now(lambda session: session.get(LeaseRow, "by the late reader")) is None


def test_only_one_generation_can_be_live(started):
    with pytest.raises(IntegrityError):
        started.write_now(
            lambda session: checkpoints.start_generation(
                session, now=NOW, versions={}, log_created=None, live=True
            )
        )


def test_generation_is_switched_once_it_has_caught_up(started):
    started.write_now(advance)
    filled = started.write_now(second_generation)
    assert (filled.generation, filled.live) == (2, False)
    with pytest.raises(CheckpointMovedError):
        started.write_now(lambda session: checkpoints.switch(session, 2, now=NOW))
    assert live(started).generation == 1
    started.write_now(lambda session: advance(session, generation=2, live=False))
    started.write_now(lambda session: checkpoints.switch(session, 2, now=NOW))
    assert live(started).generation == 2


def test_switch_throws_over_the_reader_of_the_old_generation(started):
    started.write_now(advance)
    started.write_now(second_generation)
    started.write_now(lambda session: advance(session, generation=2, live=False))
    started.write_now(lambda session: checkpoints.switch(session, 2, now=NOW))
    with pytest.raises(CheckpointMovedError):
        started.write_now(lambda session: advance(session, expected=5, new=6))
    started.write_now(lambda session: advance(session, generation=2, expected=5, new=6))


def test_unknown_generation_is_not_switched_to(started):
    with pytest.raises(CheckpointMovedError):
        started.write_now(lambda session: checkpoints.switch(session, 9, now=NOW))


def test_numbers_of_generations_go_on_counting(started):
    started.write_now(second_generation)
    started.write_now(second_generation)
    assert [row.generation for row in started.read_now(checkpoints.every)] == [1, 2, 3]
