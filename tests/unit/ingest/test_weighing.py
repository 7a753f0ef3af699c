"""What a look at the provider's makes of the marks that led to it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from events import BookingSnapshot
from hub.ingest.weighing import (
    REPEATS,
    Hint,
    Verdict,
    cause_of,
    fruitless,
    hopeless,
    shortfall,
    weighed,
)
from hub.log.inbox_log import StoredReceipt
from hub.store.tables import DirtyRow
from tests.factories import CREATED, at, snapshot

NOW = CREATED + timedelta(minutes=30)
MISSING = "the provider has no such booking"


def receipt(receipt_id: str, received_at: datetime = CREATED) -> StoredReceipt:
    return StoredReceipt(
        receipt_id=receipt_id,
        source="meetergo",
        received_at=received_at,
        kind="booking_created",
        status="accepted",
        digest="",
        body=b"{}",
    )


def hint(receipt_id: str = "r1", received_at: datetime = CREATED, **members: Any) -> Hint:
    return Hint(receipt(receipt_id, received_at), snapshot(**members))


def mark(receipt_id: str = "r1", *, attempts: int = 0, due_at: datetime = CREATED) -> DirtyRow:
    return DirtyRow(
        source="meetergo",
        provider_id="b1",
        receipt_id=receipt_id,
        marked_at=CREATED,
        due_at=due_at,
        attempts=attempts,
    )


def hints(*known: Hint) -> Mapping[str, Hint]:
    return {one.receipt.receipt_id: one for one in known}


def row(**members: Any) -> BookingSnapshot:
    return snapshot(origin="api", **members)


@pytest.mark.parametrize(
    ("shown", "said", "lacking"),
    [
        pytest.param({}, {}, None, id="the same"),
        pytest.param({"version": at(2)}, {"version": at(1)}, None, id="newer"),
        pytest.param({"version": at(1)}, {"version": at(2)}, "older than the webhook", id="older"),
        pytest.param({}, {"cancelled": True}, "active where the webhook says cancelled", id="still active"),
        pytest.param(
            {"version": at(9)},
            {"cancelled": True},
            "active where the webhook says cancelled",
            id="active later",
        ),
        pytest.param({"cancelled": True}, {"cancelled": True}, None, id="cancelled"),
        pytest.param({"cancelled": True, "version": at(1)}, {}, None, id="cancelled meanwhile"),
        pytest.param({"version": None}, {"version": at(2)}, None, id="the row has no version"),
        pytest.param({}, {"version": None}, None, id="the webhook has no version"),
        pytest.param({}, {"version": CREATED + timedelta(days=2)}, None, id="a version nobody can believe"),
    ],
)
def test_what_an_answer_lacks(shown: dict[str, Any], said: dict[str, Any], lacking: str | None) -> None:
    assert shortfall(row(**shown), hint(**said)) == lacking


def test_versions_of_one_second_are_equal_whoever_prints_more_digits() -> None:
    in_seconds = CREATED.replace(microsecond=0)
    early = row(version=in_seconds + timedelta(milliseconds=1), version_precision=3)
    late = row(version=in_seconds + timedelta(milliseconds=999), version_precision=3)
    assert shortfall(early, hint(version=in_seconds)) is None
    assert shortfall(late, hint(version=in_seconds)) is None
    precise = hint(version=in_seconds + timedelta(milliseconds=2), version_precision=3)
    assert shortfall(early, precise) == "older than the webhook"


def test_a_webhook_that_cannot_be_read_asks_for_nothing_but_a_look() -> None:
    assert shortfall(row(), Hint(receipt("r1"))) is None


def test_an_answer_that_shows_it_all_clears_every_mark_and_confirms() -> None:
    verdict = weighed([mark("r1"), mark("r2"), mark("gone")], hints(hint("r1"), hint("r2")), row(), now=NOW)
    assert verdict == Verdict(cleared=["r1", "r2", "gone"], confirmed=True)


def test_an_answer_that_shows_less_is_repeated_after_2_10_and_60_seconds() -> None:
    said = hints(hint("r1", version=at(5)))
    pauses = []
    for attempts in range(len(REPEATS)):
        verdict = weighed([mark(attempts=attempts)], said, row(), now=NOW)
        (again,) = verdict.again
        assert (verdict.cleared, verdict.confirmed, verdict.unconfirmed) == ([], False, None)
        assert again.receipt_ids == ("r1",)
        pauses.append((again.due_at - NOW).total_seconds())
    assert pauses == [2, 10, 60]
    verdict = weighed([mark(attempts=3)], said, row(), now=NOW)
    assert (verdict.cleared, verdict.again) == (["r1"], [])
    assert verdict.unconfirmed == ("r1", "older than the webhook")


def test_only_marks_that_lack_something_stay() -> None:
    said = hints(hint("r1"), hint("r2", version=at(5)))
    verdict = weighed([mark("r1"), mark("r2")], said, row(), now=NOW)
    assert verdict.cleared == ["r1"]
    assert [again.receipt_ids for again in verdict.again] == [("r2",)]


def test_a_mark_that_is_not_due_keeps_its_time() -> None:
    """A second webhook of the booking led to this look; the first one's is due in a moment."""
    said = hints(hint("r1", version=at(5)), hint("r2", version=at(6)))
    waiting, fresh = mark("r1", attempts=2, due_at=NOW + timedelta(seconds=5)), mark("r2")
    verdict = weighed([waiting, fresh], said, row(), now=NOW)
    assert [again.receipt_ids for again in verdict.again] == [("r2",)]
    assert verdict.cleared == []
    seen = weighed([waiting, fresh], said, row(version=at(6)), now=NOW)
    assert seen.cleared == ["r1", "r2"]


def test_the_newest_hint_is_the_one_that_is_kept() -> None:
    said = hints(hint("r1", version=at(5)), hint("r2", cancelled=True, version=at(6)))
    verdict = weighed([mark("r1", attempts=3), mark("r2", attempts=3)], said, row(), now=NOW)
    assert verdict.unconfirmed == ("r2", "active where the webhook says cancelled")
    assert verdict.cleared == ["r1", "r2"]


def test_what_is_not_there_is_asked_for_as_often_and_then_quarantined() -> None:
    said = hints(hint("r1"))
    verdict = fruitless([mark(attempts=1)], said, MISSING, now=NOW)
    assert [again.due_at - NOW for again in verdict.again] == [timedelta(seconds=10)]
    assert (verdict.refused, verdict.cleared) == ([], [])
    verdict = fruitless([mark("r1", attempts=3), mark("gone", attempts=3)], said, MISSING, now=NOW)
    assert verdict.cleared == ["r1", "gone"]
    assert verdict.refused == [(said["r1"].receipt, MISSING)]


def test_what_is_of_no_use_is_quarantined_at_once() -> None:
    said = hints(hint("r1"))
    verdict = hopeless([mark("r1")], said, "fact conflict")
    assert (verdict.cleared, verdict.refused) == (["r1"], [(said["r1"].receipt, "fact conflict")])


def test_the_cause_is_the_first_receipt_of_the_newest_version() -> None:
    said = hints(
        hint("r3", at(3), version=at(2)),
        hint("r2", at(2), version=at(2)),
        hint("r1", at(1), version=at(1)),
    )
    assert cause_of([mark("r1"), mark("r2"), mark("r3")], said.values()) == "r2"
    assert cause_of([mark("r9")], []) == "r9"
