"""What every projection promises: from zero equals fed, in batches of any size equals one by one."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from events import ContactErased, Envelope
from events.contact import contribution, fold_contact, touched_contacts
from hub.projections import PROJECTIONS
from hub.projections.base import Projection, apply_all
from hub.projections.compare import differences
from hub.store.database import Database
from tests.contract.projections.kit import apply, forgotten, histories, many, recorded, rows

GENERATIONS = count(1)
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def one_by_one(session: Session, envelopes: list[Envelope], generation: int) -> None:
    for envelope in envelopes:
        for projection in PROJECTIONS:
            projection.apply(envelope, session, generation)


def stored(database: Database, generation: int) -> dict[str, list[dict[str, Any]]]:
    return database.read_now(lambda session: rows(session, generation))


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_a_projection_says_what_it_is(projection: Projection) -> None:
    assert projection.name
    assert projection.version >= 1
    assert projection.tables
    assert projection.handles


@QUICK
@given(envelopes=histories(forget=True), sizes=SIZES)
def test_batches_from_zero_give_what_single_events_gave(
    database: Database, envelopes: list[Envelope], sizes: list[int]
) -> None:
    """The second reading comes after the keys of forgotten people were deleted."""
    fed, rebuilt = next(GENERATIONS), next(GENERATIONS)
    database.write_now(lambda session: one_by_one(session, envelopes, fed))
    database.write_now(lambda session: apply(session, forgotten(envelopes), rebuilt, sizes=sizes))
    assert stored(database, fed) == stored(database, rebuilt)
    assert database.read_now(lambda session: differences(session, fed, rebuilt)) == []


@QUICK
@given(envelopes=histories(), sizes=SIZES)
def test_the_rows_are_the_folds_of_the_histories(
    database: Database, envelopes: list[Envelope], sizes: list[int]
) -> None:
    generation = next(GENERATIONS)
    database.write_now(lambda session: apply(session, envelopes, generation, sizes=sizes))
    found = stored(database, generation)

    assert [row["position"] for row in found["timeline"]] == [e.position for e in envelopes]
    assert {row["contact_id"]: row for row in found["contacts"]} == dict(_folded(envelopes))
    roots = {row["provider_id"]: row["booking_id"] for row in found["provider_ids"]}
    newest = {envelope.booking_id: envelope for envelope in envelopes}
    assert {row["booking_id"] for row in found["bookings"]} == set(newest)
    for row in found["bookings"]:
        envelope = newest[row["booking_id"]]
        state = envelope.booking
        assert state is not None
        assert row["position"] == envelope.position
        assert {roots[provider_id] for provider_id in state.provider_ids} == {row["booking_id"]}
        present = {a["attendee_id"] for a in found["attendees"] if a["booking_id"] == row["booking_id"]}
        assert present == {attendee.attendee_id for attendee in state.attendees}


def _folded(envelopes: list[Envelope]) -> Iterator[tuple[str, dict[str, object]]]:
    newest = {envelope.booking_id: envelope.booking for envelope in envelopes}
    states = [booking for booking in newest.values() if booking is not None]
    for contact_id in sorted(set().union(*(touched_contacts(state) for state in states))):
        mine = [contribution(s, contact_id) for s in states if contact_id in touched_contacts(s)]
        contact = fold_contact(contact_id, mine)
        assert contact is not None
        yield contact_id, contact.model_dump()


def test_a_large_batch_equals_small_ones(database: Database) -> None:
    envelopes = many(400, per_booking=3, people=1_100)
    small, large = next(GENERATIONS), next(GENERATIONS)
    database.write_now(lambda session: apply(session, envelopes, small, sizes=[50]))
    database.write_now(lambda session: apply_all(PROJECTIONS, envelopes, session, large))
    assert database.read_now(lambda session: differences(session, small, large)) == []


def test_a_difference_names_its_row_and_columns(database: Database) -> None:
    envelopes = many(3, per_booking=1)
    ours, theirs = next(GENERATIONS), next(GENERATIONS)
    database.write_now(lambda session: apply(session, envelopes, ours, sizes=[9]))
    database.write_now(lambda session: apply(session, envelopes[:2], theirs, sizes=[9]))
    found = database.read_now(lambda session: differences(session, ours, theirs))
    by_table = {difference.table: difference for difference in found}
    assert sorted(by_table) == ["attendees", "bookings", "contacts", "provider_ids", "timeline"]
    assert by_table["timeline"].key == (3,)
    assert by_table["timeline"].rebuilt is None


def test_a_forgotten_person_is_in_no_table(database: Database) -> None:
    generation = next(GENERATIONS)
    envelopes = many(6, per_booking=2, people=2)
    erased = ContactErased(occurred_at=envelopes[-1].occurred_at, contact_id="c-p1@kunde.example")
    last = recorded(erased, len(envelopes) + 1)
    database.write_now(lambda session: apply(session, [*envelopes, last], generation, sizes=[5]))
    found = stored(database, generation)
    shown = repr(found).replace("c-p1@kunde.example", "").lower()
    assert "p1@kunde.example" not in shown
    assert "person p1" not in shown
    assert "p0@kunde.example" in shown
    contact = next(row for row in found["contacts"] if row["contact_id"] == "c-p1@kunde.example")
    assert (contact["booking_count"], contact["email"], contact["name"]) == (3, None, None)
    assert contact["position"] == last.position
