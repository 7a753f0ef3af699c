"""What the log stores comes back as it was, or stops the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import BookingCreated, BookingSnapshot, ContactErased, Envelope
from events.booking import BookingRefunded
from events.catalogue import CATALOGUE, load
from events.errors import UnknownEventError, UpcastError
from events.ids import event_id, idempotency_key
from events.personal import personal_containers
from tests.factories import at, envelopes, history, snapshot
from tests.unit.events.strategies import any_snapshots


@given(told=st.lists(any_snapshots(), min_size=1, max_size=4))
def test_every_event_survives_the_way_through_the_log(told: list[BookingSnapshot]) -> None:
    for fact in history(*told):
        envelope = Envelope.of(fact, provenance="webhook", causation_id="r_1")
        stored = json.loads(json.dumps(envelope.to_message()))
        back = Envelope.from_message(stored)
        assert back == envelope
        assert event_id(back.event) == envelope.event_id


def test_null_inside_free_members_survives() -> None:
    (fact,) = history(snapshot(metadata={"kept": None}, answers={"q": None}))
    (back,) = envelopes([fact])
    assert back.booking is not None
    assert back.booking.metadata == {"kept": None}
    assert back.booking.answers == {"q": None}


def test_the_state_knows_its_position_and_the_event_does_not() -> None:
    (back,) = envelopes(history(snapshot()), first_position=41)
    assert back.booking is not None
    assert back.booking.position == 41
    assert "position" not in back.to_message()["data"]["booking"]


def test_an_unknown_type_or_a_newer_version_stops_the_reader() -> None:
    with pytest.raises(UnknownEventError, match="BookingTeleported"):
        load("BookingTeleported", 1, {})
    with pytest.raises(UnknownEventError, match="newer"):
        load("BookingCreated", 2, {})


def test_data_of_the_wrong_shape_stops_the_reader_without_repeating_it() -> None:
    with pytest.raises(UpcastError) as caught:
        load("BookingCreated", 1, {"booking": {"title": "Ilse Brandvold"}})
    assert "Ilse" not in str(caught.value)
    with pytest.raises(UpcastError, match="lacks"):
        Envelope.from_message({"id": "x"}, position=7)


def test_an_old_version_is_brought_up_step_by_step() -> None:
    (fact,) = history(snapshot())
    data = json.loads(json.dumps(fact.model_dump(mode="json", exclude_none=True)))
    data["was_called"] = data.pop("provider_id")

    def rename(old: dict[str, object]) -> dict[str, object]:
        return {"provider_id": old.pop("was_called"), **old}

    assert load("BookingCreated", 0, data, upcasters={("BookingCreated", 0): rename}) == fact
    with pytest.raises(UpcastError, match="no upcaster"):
        load("BookingCreated", 0, data)


def test_the_catalogue_names_every_event_by_its_class() -> None:
    assert all(name == event.__name__ for name, event in CATALOGUE.items())
    assert len(CATALOGUE) == 14


def test_ids_are_the_same_for_ever() -> None:
    (fact,) = history(snapshot())
    assert isinstance(fact, BookingCreated)
    assert event_id(fact) == "40375bb0-6955-5ef7-85c3-632be9ef9cf4"
    assert idempotency_key("e", "crm") == idempotency_key("e", "crm") != idempotency_key("e", "crm", "op_1")


def test_facts_that_no_snapshot_gives_have_an_id_too() -> None:
    (created,) = history(snapshot())
    refund = BookingRefunded(
        occurred_at=at(1),
        provider_id="b1",
        booking=created.booking,
        refund_id="re_1",
        amount=100,
        currency="eur",
    )
    erased = ContactErased(occurred_at=at(1), contact_id="c-1")
    assert len({event_id(refund), event_id(erased), event_id(created)}) == 3


def test_every_personal_member_has_an_owner() -> None:
    (fact,) = history(snapshot(notes="call me", location="at home", answers={"q": "a"}))
    data = fact.model_dump(mode="json", exclude_none=True)
    owned = {
        (c.owner, c.path, name) for c in personal_containers(data) for name in c.fields if name in c.members
    }
    assert owned == {
        ("c-a1@kunde.example", "booking.attendees.0", "email"),
        ("c-a1@kunde.example", "booking.attendees.0", "name"),
        ("c-a1@kunde.example", "booking", "notes"),
        ("c-a1@kunde.example", "booking", "answers"),
        ("c-a1@kunde.example", "booking", "location"),
    }
