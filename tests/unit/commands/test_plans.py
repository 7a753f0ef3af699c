"""What commands come to for a booking: the requests, whom the provider writes to, and refusals beforehand."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.provider import Scope
from events import Booking, GuestSnapshot
from events.derive import fold
from hub.commands import new_bookings, plans
from hub.commands.calls import Cancellation, GuestAdded, GuestRemoved, Move, NoShowMark, Note
from hub.commands.errors import RefusedCommandError
from hub.commands.new_bookings import Sought
from hub.commands.plans import NOTHING, Plan
from tests.factories import CREATED, ILSE, JON, NOON, at, attendee, history, snapshot

LATER = NOON + timedelta(days=1)


def booking(**overrides: Any) -> Booking:
    state = fold(history(snapshot(**{"attendees": [ILSE]} | overrides)))
    assert state is not None
    return state


def group(**overrides: Any) -> Booking:
    return booking(attendees=[ILSE, JON], group=True, **overrides)


def brought(*emails: str) -> Booking:
    """With people who come along."""
    guests = tuple(GuestSnapshot(email=email, contact_id=f"c-{email}") for email in emails)
    return booking(guests=guests)


def code_of(plan: Callable[[], Plan]) -> str:
    with pytest.raises(RefusedCommandError) as refused:
        plan()
    return refused.value.code


def test_a_move_writes_to_everybody_and_knows_itself_in_the_booking() -> None:
    before = brought("gast@kunde.example")
    plan = plans.reschedule(before, start=LATER)
    assert plan.calls == (Move("b1", LATER),)
    assert plan.mailed == ("ilse@kunde.example", "gast@kunde.example")
    assert not plan.calls[0].has_happened(before)
    moved = history(snapshot(), snapshot(version=at(1), start=LATER, rescheduled_at=at(1)))[-1].booking
    assert plan.calls[0].has_happened(moved)
    assert plans.reschedule(before, start=NOON).effect == NOTHING


def test_a_group_has_to_say_whom_a_cancellation_concerns() -> None:
    assert code_of(lambda: plans.cancel(group())) == "group-needs-scope"
    assert code_of(lambda: plans.cancel(booking(attendees=[ILSE, JON]))) == "group-needs-scope"
    assert code_of(lambda: plans.cancel(group(), attendee="jon", everybody=True)) == "invalid"
    (whole,) = plans.cancel(group(), everybody=True, reason="krank").calls
    assert whole == Cancellation("b1", "krank", Scope(everybody=True))
    one = plans.cancel(group(), attendee="jon")
    assert one.calls == (Cancellation("b1", None, Scope(attendee_id="a2")),)
    assert one.mailed == ("jon@kunde.example",)


def test_one_who_has_left_cannot_be_cancelled_again() -> None:
    left = history(snapshot(attendees=[ILSE, JON]), snapshot(version=at(1), attendees=[ILSE]))[-1].booking
    assert code_of(lambda: plans.cancel(left, attendee="a2")) == "already-cancelled"
    assert Cancellation("b1", None, Scope(attendee_id="a2")).has_happened(left)
    assert not Cancellation("b1", None, Scope(attendee_id="a1")).has_happened(left)


@pytest.mark.parametrize(
    "plan",
    [
        lambda gone: plans.reschedule(gone, start=LATER),
        lambda gone: plans.cancel(gone),
        lambda gone: plans.no_show(gone, attendee=None),
        lambda gone: plans.add_guests(gone, emails=["x@kunde.example"]),
        lambda gone: plans.remove_guest(gone, email="x@kunde.example"),
        lambda gone: new_bookings.replacement(gone, start=LATER),
    ],
    ids=["reschedule", "cancel", "no-show", "add-guest", "remove-guest", "replacement"],
)
def test_what_makes_no_sense_for_a_cancelled_booking(plan: Callable[[Booking], Plan]) -> None:
    assert code_of(lambda: plan(booking(cancelled=True))) == "already-cancelled"


@pytest.mark.parametrize(
    ("named", "expected"),
    [("a2", "a2"), ("JON@kunde.example", "a2"), ("ekdal", "a2"), ("ilse", "a1")],
    ids=["id", "mail", "name part", "another"],
)
def test_an_attendee_is_named_by_id_mail_or_name(named: str, expected: str) -> None:
    plan = plans.no_show(group(), attendee=named)
    assert plan.calls == (NoShowMark(expected),)


@pytest.mark.parametrize("named", [None, "nobody", "kunde", ""])
def test_an_attendee_who_is_not_clear_is_never_guessed(named: str | None) -> None:
    assert code_of(lambda: plans.no_show(group(), attendee=named)) == "invalid"


def test_a_mark_that_stands_is_not_made_again_nor_one_taken_back_that_does_not() -> None:
    marked = booking(attendees=[attendee("a1", no_show=True)])
    assert plans.no_show(marked, attendee=None).effect == NOTHING
    assert plans.no_show(booking(), attendee=None, undo=True).effect == NOTHING
    undo = plans.no_show(marked, attendee=None, undo=True)
    assert (undo.calls, undo.attendee_id) == ((), "a1")


def test_a_note_is_replaced_or_gets_longer() -> None:
    noted = booking(notes="kommt mit Hund")
    assert plans.note(noted, text="neu").calls == (Note("b1", "neu"),)
    assert plans.note(noted, text="neu", append=True).calls == (Note("b1", "kommt mit Hund\nneu"),)
    assert plans.note(booking(), text="neu", append=True).calls == (Note("b1", "neu"),)
    assert plans.note(noted, text="kommt mit Hund").effect == NOTHING


def test_guests_come_once_and_go_by_their_address() -> None:
    here = brought("gast@kunde.example")
    plan = plans.add_guests(here, emails=["Gast@kunde.example", "neu@kunde.example", "neu@kunde.example"])
    assert plan.calls == (GuestAdded("b1", "a1", "neu@kunde.example"),)
    assert plan.mailed == ("neu@kunde.example",)
    gone = plans.remove_guest(here, email="GAST@kunde.example")
    assert gone.calls == (GuestRemoved("b1", "a1", "gast@kunde.example"),)
    assert plans.remove_guest(here, email="wer@kunde.example").effect == NOTHING
    unlisted = plans.remove_guest(brought(), email="Wer@kunde.example", listed=False)
    assert unlisted.calls == (GuestRemoved("b1", "a1", "Wer@kunde.example"),)


def test_a_new_booking_is_for_the_same_person_host_and_kind() -> None:
    new = new_bookings.rebook(booking(cancelled=True), start=LATER).new
    assert new is not None
    assert (new.meeting_type_id, new.start, new.host_ids, new.replaces) == ("mt1", LATER, ("h1",), None)
    assert (new.person.name, new.person.email) == ("Ilse Brandvold", "ilse@kunde.example")
    replacing = new_bookings.replacement(booking(), start=LATER).new
    assert replacing is not None
    assert replacing.replaces == "b1"


@pytest.mark.parametrize(
    "lacking",
    [booking(meeting_type_id=None), booking(attendees=[attendee("a1", email=None, phone=None)])],
    ids=["meeting type", "address and phone"],
)
def test_nothing_is_booked_without_what_a_booking_needs(lacking: Booking) -> None:
    assert code_of(lambda: new_bookings.rebook(lacking, start=LATER)) == "not-supported"


def test_groups_are_not_replaced() -> None:
    assert code_of(lambda: new_bookings.replacement(group(), start=LATER)) == "not-supported"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, True),
        ({"attendees": [attendee("x", email="ILSE@kunde.example ")]}, True),
        ({"start": NOON}, False),
        ({"attendees": [JON]}, False),
        ({"cancelled": True}, False),
        ({"provider_id": "b1"}, False),
        ({"created_at": CREATED - timedelta(hours=1)}, False),
        ({"created_at": CREATED - timedelta(minutes=9)}, True),
    ],
    ids=["same", "spelling", "time", "person", "cancelled", "itself", "older", "clocks apart"],
)
def test_the_booking_that_was_asked_for_is_known_by_person_and_time(
    members: dict[str, Any], expected: bool
) -> None:
    sought = Sought(LATER, booking().attendees[0], CREATED, "b1")
    shown = snapshot(**{"provider_id": "b2", "start": LATER, "attendees": [ILSE]} | members)
    assert sought.may_be(shown) is expected


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("+49 (30) 123-4567", True), ("+49301234567", True), ("+49301234568", False), (None, False)],
    ids=["spelling", "bare", "number", "none"],
)
def test_who_has_no_mail_is_known_by_phone_however_it_is_spelled(phone: str | None, expected: bool) -> None:
    caller = booking(attendees=[attendee("a1", email=None, phone="+49 30 1234567")]).attendees[0]
    there = snapshot(provider_id="b2", start=LATER, attendees=[attendee("x", email=None, phone=phone)])
    assert Sought(LATER, caller, CREATED, "b1").may_be(there) is expected


def test_a_preview_names_the_act_and_the_state() -> None:
    first = plans.reschedule(booking(), start=LATER)
    assert first.preview == plans.reschedule(booking(), start=LATER).preview
    moved_on = booking().model_copy(update={"position": 7})
    others = [
        plans.reschedule(booking(), start=LATER + timedelta(hours=1)),
        plans.reschedule(booking(), start=LATER, ignore_availability=True),
        plans.reschedule(moved_on, start=LATER),
        plans.cancel(booking()),
    ]
    assert len({first.preview, *(one.preview for one in others)}) == 5
