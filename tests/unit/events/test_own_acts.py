"""Facts of our own commands count once: what the provider shows later neither doubles nor undoes them."""

from events import Attendee, Booking, BookingReplacementRequested
from events.derive import derive, fold
from events.ids import event_id
from events.own_acts import missed, replacement_requested, showed_up
from tests.factories import NOON, at, attendee, history, snapshot


def known(**overrides: object) -> tuple[Booking, Attendee]:
    state = fold(history(snapshot(**overrides)))
    assert state is not None
    return state, state.attendees[0]


def shown(*, no_show: bool | None, minutes: float = 0) -> list[str]:
    """What a row of the API would add after our mark."""
    state, person = known()
    marked = missed(state, person, at=at(5)).booking
    members = {} if no_show is None else {"no_show": no_show}
    row = snapshot(origin="api", version=at(minutes), attendees=[attendee("a1", **members)])
    return [fact.event_type() for fact in derive(marked, row)]


def test_our_mark_stands_whether_or_not_the_provider_shows_one() -> None:
    state, person = known()
    fact = missed(state, person, at=at(5))
    assert (fact.start, fact.occurred_at, fact.ordinal) == (NOON, at(5), 1)
    assert fact.booking.attendees[0].no_show
    # A row from before our call shows none yet; one that never shows any says nothing.
    assert shown(no_show=False) == []
    assert shown(no_show=None) == []


def test_the_providers_mark_of_our_own_call_is_not_a_second_one() -> None:
    assert shown(no_show=True) == ["AttendeeDetailsChanged"]


def test_a_mark_taken_back_by_a_person_stays_so_until_the_provider_changes_its_own() -> None:
    row = snapshot(origin="api", attendees=[attendee("a1", no_show=True, no_show_at=at(1))])
    state = history(snapshot(), row)[-1].booking
    assert state.attendees[0].no_show
    undone = showed_up(state, state.attendees[0], at=at(9)).booking
    assert not undone.attendees[0].no_show
    assert undone.attendees[0].marks == ()
    assert derive(undone, row) == ()
    off = snapshot(origin="api", version=at(20), attendees=[attendee("a1", no_show=False)])
    (gone,) = derive(undone, off)
    assert gone.event_type() == "AttendeeDetailsChanged"
    on = snapshot(origin="api", version=at(30), attendees=[attendee("a1", no_show=True, no_show_at=at(30))])
    assert [fact.event_type() for fact in derive(gone.booking, on)] == ["AttendeeNoShow"]


def test_a_mark_of_ours_taken_back_before_the_provider_showed_it_is_not_brought_back_by_it() -> None:
    state, person = known()
    marked = missed(state, person, at=at(5)).booking
    undone = showed_up(marked, marked.attendees[0], at=at(6)).booking
    row = snapshot(origin="api", attendees=[attendee("a1", no_show=True)])
    assert derive(undone, row) == ()


def test_marking_twice_gives_two_facts_with_an_undo_between() -> None:
    state, person = known()
    first = missed(state, person, at=at(5))
    undone = showed_up(first.booking, first.booking.attendees[0], at=at(6))
    second = missed(undone.booking, undone.booking.attendees[0], at=at(7))
    assert len({event_id(fact) for fact in (first, undone, second)}) == 3
    assert len(second.booking.attendees[0].marks) == 1


def test_a_request_for_a_replacement_changes_nothing_but_the_history() -> None:
    state, _ = known()
    fact = replacement_requested(state, start=at(90), command_id="c_1", at=at(5))
    assert isinstance(fact, BookingReplacementRequested)
    assert fact.booking.model_copy(update={"ordinals": {}, "fact_at": None}) == state.model_copy(
        update={"ordinals": {}, "fact_at": None}
    )
    again = replacement_requested(fact.booking, start=at(90), command_id="c_2", at=at(6))
    assert event_id(fact) != event_id(again)
    later = snapshot(version=at(10), cancelled=True)
    assert [one.event_type() for one in derive(fact.booking, later)] == ["BookingCancelled"]
