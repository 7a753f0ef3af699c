"""What meetergo answers beside appointments: all documented shapes, and whatever else may come."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import TransientError
from adapters.meetergo.answers import (
    account_of,
    availability_of,
    booked_of,
    page_of,
    row_of,
    scrubbed,
    subscription_of,
    subscriptions_of,
)
from adapters.provider import Availability, Booked, Slot
from tests.unit.adapters.meetergo.payloads import document, payload

GROUP = "b3a7e5c1-0d2f-4e68-9a14-c5d7f8e90b12"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_free_times_in_the_current_shape() -> None:
    assert availability_of(payload("availability.current.json")) == Availability(
        slots=(
            Slot(utc("2026-11-05T16:00"), appointment_id=GROUP, places=4),
            Slot(utc("2026-11-05T17:00")),
            Slot(utc("2026-11-06T08:00")),
        ),
        timezone="Europe/Berlin",
    )


def test_free_times_in_the_older_shapes() -> None:
    by_day = availability_of(payload("availability.legacy_slots.json"))
    assert by_day.slots == tuple(
        Slot(utc(text)) for text in ("2026-11-05T16:00", "2026-11-05T17:00", "2026-11-06T08:00")
    )
    assert by_day.timezone == "Europe/Berlin"
    assert availability_of(payload("availability.legacy_available_slots.json")).slots == (
        Slot(utc("2026-11-05T16:00"), end=utc("2026-11-05T17:00")),
        Slot(utc("2026-11-06T08:00"), end=utc("2026-11-06T08:45")),
    )


def spots(*members: dict[str, Any]) -> tuple[Slot, ...]:
    return availability_of({"dates": [{"date": "2026-11-05", "spots": list(members)}]}).slots


def test_a_time_that_is_taken_is_not_free() -> None:
    start = {"startTime": "2026-11-05T17:00:00+01:00"}
    assert spots(start | {"unavailabilityEvents": [{"type": "busy"}]}) == ()
    assert spots(start | {"appointment": {"id": "g", "totalSpots": 6, "takenSpots": 6}}) == ()
    assert spots(start | {"appointment": {"id": "g", "totalSpots": 6, "takenSpots": 7}}) == ()
    assert [slot.places for slot in spots(start | {"appointment": {"id": "g"}})] == [None]


def test_a_time_shown_twice_is_one_and_an_unreadable_one_none() -> None:
    shown = spots(
        {"startTime": "2026-11-05T17:00:00+01:00"},
        {"startTime": "2026-11-05T16:00:00Z"},
        {"startTime": "five"},
        {},
    )
    assert shown == (Slot(utc("2026-11-05T16:00")),)


@pytest.mark.parametrize("body", [None, [], {}, "x", {"dates": None}, {"slots": {}}, {"availableSlots": 1}])
def test_something_else_is_no_availability(body: Any) -> None:
    with pytest.raises(TransientError):
        availability_of(body)


@pytest.mark.parametrize(
    ("name", "booked"),
    [
        ("standard", Booked(provider_id="9c0b1a2d-3e4f-4a5b-8c6d-7e8f90a1b2c3")),
        (
            "double_opt_in",
            Booked(provisional_id="8a9bacbd-cedf-4e01-8a23-b4c5d6e7f809", waits_for="double-opt-in"),
        ),
        (
            "double_opt_in_capitalised",
            Booked(provisional_id="8a9bacbd-cedf-4e01-8a23-b4c5d6e7f809", waits_for="double-opt-in"),
        ),
        (
            "host_confirmation",
            Booked(provisional_id="97a8b9ca-dbec-4fd0-91e2-f3a4b5c6d7e8", waits_for="host-confirmation"),
        ),
    ],
)
def test_what_a_booking_came_to(name: str, booked: Booked) -> None:
    answer = payload(f"booking_response.{name}.json")
    assert booked_of(answer) == booked
    assert "NOT-A-REAL-SECRET" not in repr(booked_of(answer))


def test_a_booking_that_says_less_or_nothing() -> None:
    assert booked_of({"bookingType": "somethingNew"}) == Booked(waits_for="unknown")
    assert booked_of({"id": 17}) == Booked(provider_id="17")
    for body in ({}, None, [], {"appointmentId": ["x"]}):
        assert booked_of(body) is None


def test_rows_lose_what_nobody_may_keep() -> None:
    page = page_of(payload("appointments_page_0.json"), number=0)
    assert (len(page.rows), page.total, page.number) == (3, 3, 0)
    for shown in (page, row_of(payload("reschedule_response.json")), row_of(payload("cancel_response.json"))):
        assert shown is not None
        assert "NOT-A-REAL-SECRET" not in repr(shown)
        assert "VCALENDAR" not in repr(shown)
    assert scrubbed({"a": [{"Secret": "x", "b": 1}], "ICS": 2}) == {"a": [{"b": 1}]}


def test_an_empty_page_is_a_page() -> None:
    page = page_of(payload("appointments_page_1_empty.json"), number=1)
    assert (page.rows, page.total) == ((), 3)


@pytest.mark.parametrize("total", [None, "3", -1, True, 1.5, {}])
def test_an_odd_total_is_unknown(total: Any) -> None:
    assert page_of({"appointments": [], "total": total}, number=0).total is None


@pytest.mark.parametrize("body", [None, [], {}, {"appointments": None}, {"appointments": ["a"]}])
def test_something_else_is_no_page(body: Any) -> None:
    with pytest.raises(TransientError):
        page_of(body, number=0)


def test_the_row_of_an_answer_stands_in_it_or_below_it() -> None:
    for name in ("reschedule_response", "cancel_response", "appointment_detail"):
        row = row_of(payload(f"{name}.json"))
        assert row is not None
        assert row["id"] == "6f1c2d3e-4b5a-4978-8c6d-7e8f9a0b1c2d"
    for body in (None, [], {}, {"appointment": {}}, {"id": ""}):
        assert row_of(body) is None


def test_webhooks_have_opaque_ids_and_keep_their_address_to_themselves() -> None:
    first, second = subscriptions_of(document("webhook_subscriptions_list.json"))
    assert (first.id, second.id) == ("4be0a1d2-93c4-4f5e-8a6b-7c8d9e0f1a2b", "1873")
    assert first == subscription_of(payload("webhook_subscription.json"))
    assert first.endpoint == "https://hub.studio.example/in/meetergo/opaque-path-token"
    assert second.event_types == ("form_submission",)
    assert "opaque-path-token" not in repr(first)
    assert subscriptions_of([{"endpoint": "x"}, 5]) == ()
    with pytest.raises(TransientError):
        subscriptions_of({"items": []})


def test_a_user_has_one_of_two_spellings_of_a_name() -> None:
    one = account_of(
        {"id": "u1", "email": "m@x.example", "firstName": "Mara", "lastName": "L", "companyId": "c"}
    )
    other = account_of(
        {"id": "u1", "email": "m@x.example", "givenName": "Mara", "familyName": "L", "companyId": "c"}
    )
    assert one == other
    assert one.name == "Mara L"
    for body in (None, {}, {"id": None}, []):
        with pytest.raises(TransientError):
            account_of(body)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "dates",
                        "spots",
                        "startTime",
                        "appointment",
                        "slots",
                        "times",
                        "availableSlots",
                        "start",
                    ),
                    *(
                        "id",
                        "total",
                        "appointments",
                        "bookingType",
                        "appointmentId",
                        "eventTypes",
                        "endpoint",
                    ),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(documents)
def test_any_document_is_read_or_refused(body: Any) -> None:
    for reader in (availability_of, booked_of, row_of, subscription_of, subscriptions_of, account_of):
        try:
            reader(body)
        except TransientError:
            continue
    try:
        page_of(body, number=0)
    except TransientError:
        return
