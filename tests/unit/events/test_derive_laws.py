"""The promises about deriving, as properties."""

from dataclasses import replace
from itertools import permutations
from math import factorial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events import Booking, BookingSnapshot
from events.derive import continue_chain, derive, fold
from events.ids import event_id
from tests.factories import at, attendee, history, snapshot
from tests.unit.events.strategies import Provider, any_snapshots, providers


def state_after(told: list[BookingSnapshot]) -> Booking | None:
    return fold(history(*told))


def seen(state: Booking | None) -> dict[str, Any]:
    assert state is not None
    return {
        "start": state.start,
        "status": state.status,
        "attendees": sorted(a.attendee_id for a in state.present),
        "marks": sorted(a.attendee_id for a in state.present if a.no_show),
    }


@given(before=st.lists(any_snapshots(), max_size=4), shown=any_snapshots())
def test_a_derivation_cut_off_anywhere_is_completed_by_the_same_snapshot(
    before: list[BookingSnapshot], shown: BookingSnapshot
) -> None:
    state = state_after(before)
    facts = derive(state, shown)
    for k in range(len(facts) + 1):
        reached = fold(facts[:k]) or state
        assert derive(reached, shown) == facts[k:], f"cut after {k} of {[f.event_type() for f in facts]}"


@given(told=st.lists(any_snapshots(), min_size=1, max_size=6))
def test_fact_ids_never_repeat_within_a_history(told: list[BookingSnapshot]) -> None:
    ids = [event_id(fact) for fact in history(*told)]
    assert len(set(ids)) == len(ids)


@given(provider=providers(apart=st.integers(1, 90)), data=st.data())
def test_any_order_and_duplication_of_webhooks_ends_in_what_the_provider_holds(
    provider: Provider, data: st.DataObject
) -> None:
    extra = data.draw(st.lists(st.sampled_from(provider.told), max_size=5))
    order = data.draw(st.permutations([*provider.told, *extra]))
    assert seen(state_after(order)) == provider.ends_in


def busy_life() -> Provider:
    """Created, moved, somebody joins, moved again, leaves, cancelled; the booker was missed meanwhile."""
    first = Provider()
    provider = replace(first, told=(first.show(),))
    for change in ("move a1", "join a2", "move a2", "no-show a1", "leave a2", "cancel a1"):
        action, who = change.split()
        told = provider.told
        provider = provider.change(action, who, 30)
        if action == "no-show":
            provider = replace(provider, told=told)
    return provider


def test_every_order_of_a_busy_life_ends_alike_with_and_without_duplicates() -> None:
    provider = busy_life()
    orders = list(permutations(provider.told))
    assert len(orders) == factorial(6)
    assert provider.ends_in["marks"] == ["a1"]
    for order, other in zip(orders, reversed(orders), strict=True):
        state = state_after(list(order))
        assert seen(state) == provider.ends_in
        # The same again, in another order: each of them twice, the second time to a state that knows all.
        assert all(derive(state, told) == () for told in other)
        assert seen(state_after([told for pair in zip(order, other, strict=True) for told in pair])) == seen(
            state
        )


@given(provider=providers(apart=st.integers(0, 1)), data=st.data())
def test_changes_within_one_second_end_alike_in_any_order(provider: Provider, data: st.DataObject) -> None:
    order = data.draw(st.permutations(provider.told))
    other = data.draw(st.permutations([*provider.told, *provider.told]))
    assert seen(state_after(order)) == seen(state_after(other))


@given(provider=providers(apart=st.integers(1, 90)))
def test_a_webhook_read_again_is_no_new_fact(provider: Provider) -> None:
    facts = history(*provider.told)
    assert history(*provider.told, *provider.told) == facts
    for told in provider.told:
        assert derive(fold(facts), told) == ()


@given(former=providers(apart=st.integers(1, 90)), shown=any_snapshots())
def test_a_replacement_cut_off_after_the_join_is_completed_by_the_same_snapshot(
    former: Provider, shown: BookingSnapshot
) -> None:
    new = shown.model_copy(update={"provider_id": "b2", "replaces": "b1"})
    root = state_after(list(former.told))
    assert root is not None
    continues, moved, *later = continue_chain(root, new)
    assert continues.booking == moved.booking
    assert tuple(later) == derive(continues.booking, new)
    assert derive(moved.booking, former.told[-1]) == ()
    assert (later or [moved])[-1].booking.settled


def test_unknown_members_never_differ() -> None:
    full = snapshot(attendees=(attendee("a1"),))
    bare = BookingSnapshot(
        **{
            name: getattr(full, name)
            for name in ("source", "provider_id", "origin", "seen_at", "start", "end")
        },
        cancelled=False,
        attendees=full.attendees,
        version=at(5),
    )
    (only,) = derive(state_after([full]), bare)
    assert only.model_dump(include={"changed"}) == {"changed": ("updated_at",)}
