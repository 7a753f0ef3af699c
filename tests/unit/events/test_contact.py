"""Counters are derived: absolute, in any order, right for both sides of a correction."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from events.contact import contribution, fold_contact, touched_contacts
from events.derive import fold
from events.state import Cancel
from tests.factories import at, attendee, history, snapshot
from tests.unit.events.strategies import Provider, providers

ILSE = "c-ilse@x.example"


def ilse(**overrides: object) -> object:
    return attendee("a1", email="ilse@x.example", **overrides)


def test_counters_are_right_in_any_order_of_bookings() -> None:
    lives = [
        history(snapshot(provider_id="b1", attendees=(ilse(),))),
        history(
            snapshot(provider_id="b2", attendees=(ilse(),)),
            snapshot(provider_id="b2", attendees=(ilse(no_show=True, no_show_at=at(5)),), version=at(5)),
        ),
        history(
            snapshot(provider_id="b3", attendees=(ilse(no_show=True, no_show_at=at(4)),)),
            snapshot(provider_id="b3", attendees=(ilse(no_show=False),), version=at(5)),
        ),
        history(
            snapshot(provider_id="b4", attendees=(ilse(),)),
            snapshot(
                provider_id="b4",
                attendees=(ilse(),),
                version=at(6),
                cancelled=True,
                cancel=Cancel(at=at(6), reason="ill"),
            ),
        ),
        history(
            snapshot(provider_id="b5", attendees=(ilse(), "a2")),
            snapshot(provider_id="b5", attendees=("a2",), version=at(7)),
        ),
    ]
    states = [fold(life) for life in lives]
    parts = [contribution(state, ILSE) for state in states if state]
    contacts = {fold_contact(ILSE, order) for order in permutations(parts)}
    assert len(contacts) == 1
    (contact,) = contacts
    assert contact is not None
    assert contact.booking_count == 5
    assert contact.no_show_count == 1
    assert contact.cancellation_count == 2
    assert contact.last_no_show_at == at(5)
    assert contact.last_cancellation_reason == "ill"


def test_a_corrected_address_hands_the_counts_over() -> None:
    state = fold(
        history(
            snapshot(attendees=(attendee("a1", no_show=True, no_show_at=at(1)),)),
            snapshot(attendees=(ilse(no_show=True),), version=at(2)),
        )
    )
    assert state is not None
    assert touched_contacts(state) == {"c-a1@kunde.example", ILSE}
    old = fold_contact("c-a1@kunde.example", [contribution(state, "c-a1@kunde.example")])
    new = fold_contact(ILSE, [contribution(state, ILSE)])
    assert old is not None
    assert new is not None
    assert (old.booking_count, old.no_show_count) == (0, 0)
    assert (new.booking_count, new.no_show_count) == (1, 1)


def test_nobody_is_no_contact() -> None:
    assert fold_contact("c-x", []) is None


@given(provider=providers(apart=st.integers(1, 90)))
def test_a_cancelled_booking_counts_once_for_everybody_who_was_there(provider: Provider) -> None:
    state = fold(history(*provider.told))
    assert state is not None
    for attendee_id in (a.attendee_id for a in state.attendees):
        mine = contribution(state, f"c-{attendee_id}@kunde.example")
        there = attendee_id in provider.people
        known = state.attendee(attendee_id)
        assert known is not None
        assert mine.cancellations == known.removals + (provider.cancelled_at is not None and there)
        assert mine.no_shows == (attendee_id in provider.marks)
