"""What a worker does next with the rows of one key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.delivery.steps import Act, Cover, Wait, mirror_step, operation_of, reactor_step
from hub.store.tables import DeliveryRow

NOW = datetime(2026, 10, 20, 14, 0, tzinfo=UTC)
GRACE = timedelta(seconds=20)


def row(position: int, event_type: str = "BookingDetailsChanged", **overrides: Any) -> DeliveryRow:
    members: dict[str, Any] = {
        "sink": "calendar",
        "event_id": f"e{position}",
        "key": "b1",
        "booking_id": "b1",
        "position": position,
        "event_type": event_type,
        "due_at": NOW,
        "created_at": NOW,
    } | overrides
    return DeliveryRow(**members)


def held(position: int, **overrides: Any) -> DeliveryRow:
    return row(position, "BookingCancelled", **({"hold": True, "due_at": NOW + GRACE} | overrides))


class TestMirror:
    def test_newest_row_leads_and_all_older_ones_are_covered(self) -> None:
        rows = [row(1), row(2), row(3)]
        assert mirror_step(rows, reached=3, ended=False, now=NOW) == Act(rows[2], (rows[0], rows[1]))

    def test_rows_recorded_after_the_state_stay(self) -> None:
        rows = [row(1), row(2), row(9)]
        assert mirror_step(rows, reached=5, ended=False, now=NOW) == Act(rows[1], (rows[0],))

    def test_state_that_lags_behind_waits(self) -> None:
        rows = [row(7)]
        assert isinstance(mirror_step(rows, reached=5, ended=False, now=NOW), Wait)

    def test_unknown_state_is_not_absence(self) -> None:
        assert isinstance(mirror_step([row(7)], reached=0, ended=False, now=NOW), Wait)

    def test_held_cancellation_holds_every_earlier_row(self) -> None:
        rows = [row(1, "BookingCreated"), held(2)]
        step = mirror_step(rows, reached=2, ended=True, now=NOW)
        assert step == Wait(NOW + GRACE)

    def test_booking_that_went_on_covers_its_cancellation(self) -> None:
        rows = [held(2), row(3, "BookingRescheduled")]
        assert mirror_step(rows, reached=3, ended=False, now=NOW) == Act(rows[1], (rows[0],))

    def test_newest_of_two_cancellations_counts(self) -> None:
        rows = [held(2, due_at=NOW - GRACE), row(3, "BookingReinstated"), held(4)]
        step = mirror_step(rows, reached=4, ended=True, now=NOW)
        assert isinstance(step, Wait)
        assert step.until == NOW + GRACE

    def test_cancellation_past_its_grace_is_synced(self) -> None:
        rows = [row(1), held(2, due_at=NOW)]
        assert mirror_step(rows, reached=2, ended=True, now=NOW) == Act(rows[1], (rows[0],))

    def test_what_a_dead_worker_left_is_synced_again(self) -> None:
        rows = [row(1), row(2, state="sending")]
        assert mirror_step(rows, reached=2, ended=False, now=NOW) == Act(rows[1], (rows[0],))

    def test_newer_row_takes_a_parked_one_along(self) -> None:
        rows = [row(1, state="parked"), row(2)]
        assert mirror_step(rows, reached=2, ended=False, now=NOW) == Act(rows[1], (rows[0],))

    def test_parked_row_alone_waits_for_a_person_or_a_newer_row(self) -> None:
        assert mirror_step([row(1, state="parked")], reached=1, ended=False, now=NOW) is None

    def test_probe_asks_with_a_parked_row(self) -> None:
        rows = [row(1, state="parked")]
        assert mirror_step(rows, reached=1, ended=False, now=NOW, probe=True) == Act(rows[0])


class TestReactor:
    def test_lowest_row_comes_first(self) -> None:
        rows = [row(1), row(2)]
        assert reactor_step(rows, active=True, now=NOW) == Act(rows[0])

    def test_row_that_is_not_due_holds_those_behind_it(self) -> None:
        rows = [row(1, due_at=NOW + timedelta(seconds=4)), row(2)]
        assert reactor_step(rows, active=True, now=NOW) is None

    def test_parked_row_holds_those_behind_it(self) -> None:
        assert reactor_step([row(1, state="parked"), row(2)], active=True, now=NOW) is None

    @pytest.mark.parametrize("waits", [{"state": "parked"}, {"due_at": NOW + GRACE}], ids=["parked", "later"])
    def test_probe_asks_with_a_row_that_waits(self, waits: dict[str, Any]) -> None:
        rows = [row(1, **waits), row(2)]
        assert reactor_step(rows, active=True, now=NOW, probe=True) == Act(rows[0])

    def test_probe_does_not_announce_a_cancellation_within_its_grace(self) -> None:
        assert reactor_step([held(1)], active=False, now=NOW, probe=True) is None

    def test_cancellation_is_covered_if_the_booking_went_on(self) -> None:
        rows = [held(1, due_at=NOW), row(2)]
        assert reactor_step(rows, active=True, now=NOW) == Cover(rows[0], "the booking went on")

    def test_cancellation_that_stands_is_sent(self) -> None:
        rows = [held(1, due_at=NOW)]
        assert reactor_step(rows, active=False, now=NOW) == Act(rows[0])

    def test_confirmed_replay_of_a_cancellation_is_sent(self) -> None:
        rows = [row(1, "BookingCancelled", cause="replay:op1")]
        assert reactor_step(rows, active=True, now=NOW) == Act(rows[0])

    def test_nothing_open_is_nothing_to_do(self) -> None:
        assert reactor_step([], active=True, now=NOW) is None


def test_only_a_replay_has_an_operation() -> None:
    assert operation_of(row(1, cause="replay:op1")) == "op1"
    assert operation_of(row(1, cause="start")) is None
    assert operation_of(row(1)) is None
