"""Single cases that a property would not name."""

from datetime import timedelta

import pytest

from events import AttendeeNoShow, AttendeeNoShowReverted, BookingRescheduled, BookingSnapshot
from events.base import BookingEvent
from events.derive import continue_chain, derive, fold, unconfirmed
from events.ids import event_id
from events.state import Cancel
from tests.factories import NOON, at, attendee, history, snapshot

TEN = NOON + timedelta(hours=2)
ELEVEN = NOON + timedelta(hours=3)


def types(facts: list[BookingEvent] | tuple[BookingEvent, ...]) -> list[str]:
    return [fact.event_type() for fact in facts]


def test_first_sight_of_a_moved_and_cancelled_booking_gives_all_its_facts() -> None:
    facts = history(
        snapshot(
            start=TEN, previous_start=NOON, rescheduled_at=at(2), cancelled=True, cancel=Cancel(at=at(3))
        )
    )
    assert types(facts) == ["BookingCreated", "BookingRescheduled", "BookingCancelled"]
    assert facts[0].booking.start == NOON
    assert isinstance(facts[1], BookingRescheduled)
    assert (facts[1].previous_start, facts[1].start) == (NOON, TEN)
    assert [f.occurred_at for f in facts] == [snapshot().created_at, at(2), at(3)]


def test_first_sight_of_a_move_whose_old_start_is_unknown_says_so() -> None:
    created, moved = history(snapshot(start=TEN, rescheduled_at=at(2)))
    assert created.booking.start == TEN
    assert isinstance(moved, BookingRescheduled)
    assert moved.previous_start is None


def test_a_move_is_one_fact_in_both_precisions() -> None:
    hook = snapshot(start=TEN, version=at(2), rescheduled_at=at(2))
    api = hook.model_copy(
        update={
            "origin": "api",
            "version": at(2) + timedelta(milliseconds=730),
            "version_precision": 3,
            "rescheduled_at": at(2) + timedelta(milliseconds=730),
        }
    )
    by_hook, by_api = history(snapshot(), hook), history(snapshot(), api)
    assert event_id(by_hook[-1]) == event_id(by_api[-1])
    assert history(snapshot(), hook, api) == by_hook


def test_back_and_forth_with_a_stale_reschedule_time_repeats_no_id() -> None:
    stale = at(2)
    facts = history(
        snapshot(),
        snapshot(start=TEN, version=at(2), rescheduled_at=stale),
        snapshot(start=ELEVEN, version=at(3), rescheduled_at=stale),
        snapshot(start=TEN, version=at(4), rescheduled_at=stale),
    )
    ids = [event_id(fact) for fact in facts]
    assert len(set(ids)) == len(ids) == 4
    assert facts[-1].booking.start == TEN


def test_back_and_forth_without_reschedule_times_repeats_no_id() -> None:
    days = [snapshot(start=start, version=at(n)) for n, start in enumerate([NOON, TEN, NOON, TEN])]
    ids = [event_id(fact) for fact in history(*days)]
    assert len(set(ids)) == 4


def test_a_guest_who_leaves_twice_is_two_facts() -> None:
    both, one = ("a1", "a2"), ("a1",)
    facts = history(*(snapshot(attendees=a, version=at(n)) for n, a in enumerate([both, one, both, one])))
    assert types(facts) == ["BookingCreated", "AttendeeRemoved", "AttendeeAdded", "AttendeeRemoved"]
    assert event_id(facts[1]) != event_id(facts[3])
    gone = facts[-1].booking.attendee("a2")
    assert gone is not None
    assert (gone.removed, gone.removals) == (True, 2)


def test_the_kind_of_a_webhook_cancels_nothing() -> None:
    assert types(history(snapshot(), snapshot(hint="booking_cancelled", version=at(1)))) == [
        "BookingCreated",
        "BookingDetailsChanged",
    ]


def test_a_late_old_payload_changes_nothing_because_the_version_was_kept() -> None:
    facts = history(
        snapshot(version=at(1)),
        snapshot(version=at(3)),
        snapshot(attendees=("a1", "a2"), version=at(2)),
    )
    assert [a.attendee_id for a in facts[-1].booking.present] == ["a1"]
    assert types(facts) == ["BookingCreated", "BookingDetailsChanged"]


def test_a_payload_cannot_bring_a_cancelled_booking_back() -> None:
    cancelled = fold(history(snapshot(cancelled=True, version=at(2))))
    active = snapshot(version=at(3))
    assert derive(cancelled, active) == ()
    assert unconfirmed(cancelled, active)
    assert not unconfirmed(cancelled, snapshot(version=at(1)))


def test_an_api_read_brings_it_back_and_nobody_is_charged() -> None:
    cancelled = fold(history(snapshot(cancelled=True, version=at(2))))
    facts = derive(cancelled, snapshot(origin="api", version=at(3)))
    assert types(facts) == ["BookingReinstated"]
    assert not facts[0].booking.attendees[0].cancelled


def test_a_cancel_detail_learnt_later_is_a_change_of_details() -> None:
    facts = history(
        snapshot(cancelled=True, version=at(2), cancel=None),
        snapshot(cancelled=True, version=at(3), cancel=Cancel(at=at(2), reason="ill")),
    )
    assert types(facts) == ["BookingCreated", "BookingCancelled", "BookingDetailsChanged"]
    assert facts[-1].booking.cancel == Cancel(at=at(2), reason="ill")


def test_a_no_show_unnoticed_by_the_version_is_seen_in_an_api_read() -> None:
    marked = snapshot(origin="api", attendees=(attendee("a1", no_show=True),))
    facts = history(snapshot(), marked)
    assert isinstance(facts[-1], AttendeeNoShow)
    assert facts[-1].occurred_at == marked.seen_at
    assert facts[-1].booking.no_show == "all"


def test_a_move_closes_a_mark_and_only_a_change_of_the_flag_counts_again() -> None:
    def shown(start: object, minute: int, flag: bool) -> BookingSnapshot:
        moved = {"rescheduled_at": at(2)} if minute >= 2 else {}
        return snapshot(start=start, version=at(minute), attendees=(attendee("a1", no_show=flag),), **moved)

    facts = history(
        shown(NOON, 1, True),
        shown(TEN, 2, True),
        shown(TEN, 3, False),
        shown(TEN, 4, True),
        shown(TEN, 5, False),
    )
    assert types(facts) == [
        "BookingCreated",
        "AttendeeNoShow",
        "BookingRescheduled",
        "AttendeeDetailsChanged",
        "AttendeeNoShow",
        "AttendeeNoShowReverted",
    ]
    assert [f.booking.no_show for f in facts] == ["none", "all", "none", "none", "all", "none"]
    assert [len(f.booking.attendees[0].marks) for f in facts] == [0, 1, 1, 1, 2, 1]
    assert isinstance(facts[-1], AttendeeNoShowReverted)
    assert facts[-1].start == TEN


def test_a_move_closes_the_mark_of_somebody_who_is_gone_and_comes_back() -> None:
    marked = attendee("a2", no_show=True, no_show_at=at(1))
    facts = history(
        snapshot(attendees=("a1", marked), version=at(1)),
        snapshot(attendees=("a1",), version=at(2)),
        snapshot(attendees=("a1",), version=at(3), start=TEN, rescheduled_at=at(3)),
        snapshot(attendees=("a1", marked), version=at(4), start=TEN, rescheduled_at=at(3)),
    )
    assert facts[-1].booking.no_show == "none"


def test_a_corrected_address_makes_another_contact() -> None:
    facts = history(snapshot(), snapshot(attendees=(attendee("a1", email="right@x.example"),), version=at(1)))
    assert types(facts) == ["BookingCreated", "AttendeeDetailsChanged"]
    corrected = facts[-1].booking.attendees[0]
    assert corrected.contact_id == "c-right@x.example"
    assert corrected.former_contact_ids == ("c-a1@kunde.example",)


def test_another_spelling_of_an_address_is_the_same_contact() -> None:
    facts = history(
        snapshot(), snapshot(attendees=(attendee("a1", email="A1@Kunde.example"),), version=at(1))
    )
    assert facts[-1].booking.attendees[0].former_contact_ids == ()


@pytest.mark.parametrize("cancelled_first", [True, False], ids=["cancel-first", "replacement-first"])
def test_a_replacement_continues_the_booking_in_both_orders(cancelled_first: bool) -> None:
    old = snapshot(attendees=("a1",))
    cancelled = snapshot(attendees=("a1",), cancelled=True, version=at(2), cancel=Cancel(at=at(2)))
    new = snapshot(
        provider_id="b2",
        replaces="b1",
        start=TEN,
        version=at(2),
        created_at=at(2),
        attendees=(attendee("a9", email="a1@kunde.example", name="Person a1"),),
    )
    former = fold(history(old, cancelled) if cancelled_first else history(old))
    assert former is not None
    facts = continue_chain(former, new)
    assert types(facts) == ["BookingContinues", "BookingRescheduled"]
    assert [fact.provider_id for fact in facts] == ["b2", "b1"]
    whole = facts[0].booking
    assert (whole.booking_id, whole.provider_ids, whole.status) == ("b1", ("b1", "b2"), "active")
    assert [(a.attendee_id, a.cancelled, a.reschedules) for a in whole.attendees] == [("a9", False, 1)]
    assert derive(whole, cancelled) == ()
    assert derive(whole, new) == ()
    assert not unconfirmed(whole, old)


def test_a_link_learnt_later_joins_nothing() -> None:
    facts = history(snapshot(), snapshot(replaces="b0", version=at(1)))
    assert facts[-1].booking.related == ("b0",)
    assert facts[-1].booking.booking_id == "b1"


def test_learning_that_a_member_is_empty_is_no_fact() -> None:
    facts = history(snapshot(), snapshot(origin="api", group=False, reschedule_count=0, notes=None))
    assert types(facts) == ["BookingCreated"]
