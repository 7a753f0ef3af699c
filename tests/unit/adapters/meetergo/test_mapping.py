"""What meetergo's webhooks say, member by member."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.api import Reading
from adapters.meetergo.mapping import UNUSED_KINDS, check_webhook, read_webhook
from events import BookingSnapshot
from events.state import Cancel, Host
from tests.unit.adapters.meetergo.payloads import WEBHOOKS, created, payload

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def read(body: dict[str, Any]) -> Reading:
    """What the payload says; the quick check always comes to the same outcome."""
    reading = read_webhook(body, source="meetergo", received_at=NOW)
    quick = check_webhook(body, source="meetergo", received_at=NOW)
    assert (quick.outcome, quick.kind, quick.provider_id) == (
        reading.outcome,
        reading.kind,
        reading.provider_id,
    )
    if reading.snapshot is None:
        assert quick.reason == reading.reason
    else:
        assert quick.snapshot is not None
        assert quick.snapshot.version == reading.snapshot.version
    return reading


def shown(body: dict[str, Any]) -> BookingSnapshot:
    reading = read(body)
    assert reading.snapshot is not None, reading.reason
    return reading.snapshot


@pytest.mark.parametrize("name", WEBHOOKS)
def test_every_sample_of_a_booking_is_read_without_complaint(name: str) -> None:
    reading = read(payload(name))
    assert (reading.outcome, reading.reason) == ("booking", None)
    assert reading.snapshot is not None
    assert reading.provider_id == reading.snapshot.provider_id
    assert reading.snapshot.start.tzinfo is not None


@pytest.mark.parametrize(
    "kind", ["booking_created", "booking_cancelled", "booking_rescheduled"], ids=lambda kind: kind
)
def test_both_envelopes_say_the_same(kind: str) -> None:
    flat, wrapped = (shown(payload(f"webhook_{kind}.{style}.json")) for style in ("flat", "wrapped"))
    assert flat == wrapped
    assert flat.model_fields_set == wrapped.model_fields_set


def test_created_booking_shows_all_its_members() -> None:
    snapshot = shown(payload("webhook_booking_created.flat.json"))
    assert snapshot.provider_id == "6f1c2d3e-4b5a-4978-8c6d-7e8f9a0b1c2d"
    assert snapshot.start.isoformat() == "2026-10-23T10:00:00+02:00"
    assert snapshot.title == snapshot.meeting_type_name == "Erstgespräch"
    assert snapshot.meeting_type_slug == "erstgespraech"
    assert snapshot.link == "https://connect.meetings.example/r/erstgespraech-4711"
    assert snapshot.channel == "connect"
    assert snapshot.metadata == {"mandant": "nord", "kampagne": "herbst-2026"}
    assert snapshot.hosts == (
        Host(
            id="a4d1c7b2-91e0-4c53-8f0b-2b6f7c5d1e44",
            email="mara.lindqvist@studio.example",
            name="Mara Lindqvist",
        ),
    )
    assert (snapshot.origin, snapshot.hint, snapshot.seen_at) == ("payload", "booking_created", NOW)
    assert snapshot.attendees[0].name == "Ilse Brandvold"
    assert not snapshot.knows("cancel")
    assert not snapshot.knows("notes")
    assert snapshot.knows("location")


def test_moved_booking_is_nested_and_tells_its_old_start() -> None:
    snapshot = shown(payload("webhook_booking_rescheduled.flat.json"))
    assert snapshot.start.isoformat() == "2026-10-27T10:00:00+01:00"
    assert snapshot.previous_start is not None
    assert snapshot.previous_start.isoformat() == "2026-10-23T10:00:00+02:00"
    assert snapshot.rescheduled_at == datetime(2026, 10, 20, 14, 2, 55, tzinfo=UTC)


def test_moved_booking_at_the_top_level_is_read_too() -> None:
    nested = payload("webhook_booking_rescheduled.flat.json")
    flat = {**nested.pop("rescheduledAppointment"), **nested}
    assert shown(flat) == shown(payload("webhook_booking_rescheduled.flat.json"))


def test_time_of_cancellation_has_two_names() -> None:
    one = shown(payload("webhook_booking_cancelled.flat.json"))
    other = shown(payload("webhook_booking_cancelled.cancelledAt_variant.flat.json"))
    assert one.cancelled
    assert other.cancelled
    assert one.cancel == Cancel(
        at=datetime(2026, 10, 26, 16, 48, 30, tzinfo=UTC),
        actor="attendee",
        by="f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f",
        reason="Termin passt doch nicht, melde mich neu.",
    )
    assert other.cancel is not None
    assert other.cancel.at == one.cancel.at


def test_attendee_removed_from_a_group_leaves_the_booking_active() -> None:
    snapshot = shown(payload("webhook_booking_cancelled.group_attendee_removed.flat.json"))
    assert not snapshot.cancelled
    assert snapshot.knows("cancel")
    assert snapshot.cancel is None
    assert len(snapshot.attendees) == 2


@pytest.mark.parametrize(
    ("members", "cancelled"),
    [
        pytest.param({"isCancelled": True}, True, id="flag alone"),
        pytest.param(
            {"isCancelled": ..., "cancel": {"actionAt": "2026-10-20T10:00:00Z"}}, True, id="time alone"
        ),
        pytest.param(
            {"isCancelled": False, "cancel": {"cancelledAt": "2026-10-20T10:00:00Z"}}, True, id="time wins"
        ),
        pytest.param({"isCancelled": False, "cancel": {"reason": "x"}}, False, id="no time"),
        pytest.param({"isCancelled": False, "cancel": {"actionAt": 1792742400}}, False, id="mistyped time"),
        pytest.param(
            {"isCancelled": ..., "cancel": {"actionAt": 7, "cancelledAt": "2026-10-20T10:00:00Z"}},
            True,
            id="the other time",
        ),
        pytest.param({"isCancelled": ..., "cancel": None}, False, id="null cancel"),
        pytest.param({"isCancelled": None}, False, id="null flag"),
        pytest.param({"webhookType": "booking_cancelled"}, False, id="kind is no evidence"),
    ],
)
def test_cancelled_is_what_the_appointment_says(members: dict[str, Any], cancelled: bool) -> None:
    assert shown(created(**members)).cancelled is cancelled


def test_attendee_with_a_phone_only() -> None:
    (attendee,) = shown(payload("webhook_booking_created.phone_only.flat.json")).attendees
    assert attendee.knows("email")
    assert attendee.email is None
    assert attendee.phone == "+493023125441"


@pytest.mark.parametrize(
    ("members", "name"),
    [
        pytest.param({"fullname": "Ilse B.", "firstname": "Ilse"}, "Ilse B.", id="full name"),
        pytest.param(
            {"fullname": "", "firstname": "Ilse", "lastname": "Brandvold"}, "Ilse Brandvold", id="parts"
        ),
        pytest.param({"fullname": None, "lastname": "Brandvold"}, "Brandvold", id="last name"),
    ],
)
def test_name_is_the_full_one_or_its_parts(members: dict[str, Any], name: str) -> None:
    (attendee,) = shown(created(attendees=[{"id": "a1", **members}])).attendees
    assert attendee.name == name


def test_name_that_is_not_given_is_unknown() -> None:
    (attendee,) = shown(created(attendees=[{"id": "a1"}])).attendees
    assert not attendee.knows("name")


@pytest.mark.parametrize(
    ("members", "mark"),
    [
        pytest.param({}, None, id="not given"),
        pytest.param({"noShow": True}, True, id="noShow"),
        pytest.param({"isNoShow": True}, True, id="isNoShow"),
        pytest.param({"no_show": True}, True, id="no_show"),
        pytest.param({"noShowAt": "2026-10-23T11:00:00Z"}, True, id="time"),
        pytest.param({"noShowAt": None}, False, id="no time"),
        pytest.param({"status": "no-show"}, True, id="status"),
        pytest.param({"status": "confirmed"}, None, id="other status"),
        pytest.param({"noShow": False}, False, id="not marked"),
        pytest.param({"noShow": None}, False, id="null"),
        pytest.param({"noShow": "yes"}, None, id="mistyped"),
    ],
)
def test_no_show_has_many_names(members: dict[str, Any], mark: bool | None) -> None:
    (attendee,) = shown(created(attendees=[{"id": "a1", **members}])).attendees
    assert attendee.no_show is mark
    assert attendee.knows("no_show") is (mark is not None)


def test_replacement_names_what_it_replaced() -> None:
    linked = shown(payload("webhook_booking_created.replacement_with_link.flat.json"))
    assert linked.replaces == "74e2d0c9-8b1a-4f36-a5d7-e6c3b2a190f8"
    assert not shown(payload("webhook_booking_created.replacement.flat.json")).knows("replaces")


def test_guests_come_from_the_booking_and_its_attendees_once_each() -> None:
    attendees = [{"id": "a1", "guestEmails": ["Zoe@x.example", "amy@x.example "]}]
    snapshot = shown(created(attendees=attendees, guests=[{"email": "zoe@x.example"}]))
    assert [guest.email.lower() for guest in snapshot.guests] == ["zoe@x.example", "amy@x.example"]
    assert not shown(created()).knows("guests")


def test_more_guests_than_a_webhook_can_hold_count_as_unknown() -> None:
    reading = read(created(guests=[f"g{number}@x.example" for number in range(501)]))
    assert reading.reason == "mistyped, counted as unknown: guests"
    assert reading.snapshot is not None
    assert not reading.snapshot.knows("guests")


def test_notes_are_text_or_answers() -> None:
    assert shown(created(notes="Bitte klingeln")).notes == "Bitte klingeln"
    answers = shown(created(notes={"thema": "Umbau"}))
    assert answers.answers == {"thema": "Umbau"}
    assert not answers.knows("notes")


def test_payment_keeps_the_amount_as_written() -> None:
    payment = shown(created(payment={"id": 7, "status": "paid", "amount": 49.9, "currency": "EUR"})).payment
    assert payment is not None
    assert (payment.id, payment.status, payment.amount, payment.currency) == ("7", "paid", "49.9", "EUR")


def test_whole_numbers_are_ids_too() -> None:
    snapshot = shown(created(id=1873, attendees=[{"id": 5}], hosts=[{"id": 9}]))
    assert (snapshot.provider_id, snapshot.attendees[0].attendee_id, snapshot.hosts[0].id) == (
        "1873",
        "5",
        "9",
    )


@pytest.mark.parametrize(
    ("written", "instant", "precision"),
    [
        pytest.param("2026-10-12T07:31:09Z", "2026-10-12T07:31:09+00:00", 0, id="seconds"),
        pytest.param("2026-10-12T07:31:09.412Z", "2026-10-12T07:31:09.412000+00:00", 3, id="milliseconds"),
        pytest.param("2026-10-12T09:31:09.412345+02:00", "2026-10-12T09:31:09.412345+02:00", 6, id="offset"),
        pytest.param("2026-10-12T07:31:09", "2026-10-12T07:31:09+00:00", 0, id="no zone is UTC"),
        pytest.param(
            "2026-10-12T07:31:09.412345678Z", "2026-10-12T07:31:09.412345+00:00", 6, id="nanoseconds"
        ),
    ],
)
def test_version_is_updated_at_as_precise_as_written(written: str, instant: str, precision: int) -> None:
    snapshot = shown(created(updatedAt=written))
    assert snapshot.version is not None
    assert (snapshot.version.isoformat(), snapshot.version_precision) == (instant, precision)


def test_without_updated_at_the_latest_known_change_is_the_version() -> None:
    body = created(
        updatedAt=...,
        rescheduledAt="2026-10-13T00:00:00.5Z",
        isCancelled=True,
        cancel={"cancelledAt": "2026-10-14T00:00:00Z"},
    )
    assert shown(body).version == datetime(2026, 10, 14, tzinfo=UTC)
    body.pop("cancel")
    assert (shown(body).version_precision, shown(body).updated_at) == (3, None)
    assert shown(created(updatedAt=..., createdAt=..., rescheduledAt=...)).version is None


ABSURD = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "2026-10-23",
    "10 Uhr",
    "",
    "2026-13-40T99:99Z",
]


@pytest.mark.parametrize("written", [*ABSURD, 1792742400, None, [], {}])
def test_times_that_are_none_make_the_booking_unreadable(written: Any) -> None:
    assert read(created(start=written)).reason == "start is missing or mistyped"


@pytest.mark.parametrize("written", ABSURD)
def test_other_absurd_times_count_as_unknown(written: str) -> None:
    reading = read(created(createdAt=written))
    assert reading.reason == "mistyped, counted as unknown: createdAt"
    assert reading.snapshot is not None
    assert not reading.snapshot.knows("created_at")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({"id": ...}, "id is missing", id="no id"),
        pytest.param({"id": ""}, "id is missing", id="empty id"),
        pytest.param({"id": True}, "id is missing", id="boolean id"),
        pytest.param({"id": "x" * 201}, "id is missing", id="endless id"),
        pytest.param({"end": ...}, "end is missing", id="no end"),
        pytest.param({"end": "2020-01-01T00:00:00Z"}, "end lies before start", id="end first"),
        pytest.param({"attendees": ...}, "attendees is missing", id="no attendees"),
        pytest.param({"attendees": {}}, "attendees is missing", id="attendees no list"),
        pytest.param({"attendees": ["a1"]}, "attendees is missing", id="attendee no object"),
        pytest.param({"attendees": [{"email": "x"}]}, "attendees.0.id is missing", id="attendee without id"),
        pytest.param(
            {"attendees": [{"id": "a", "phone": "1"}, {"id": "a"}]}, "an id occurs twice", id="two attendees"
        ),
        pytest.param({"isCancelled": ...}, "isCancelled and cancel are missing", id="not said"),
        pytest.param({"isCancelled": "no"}, "isCancelled and cancel are missing", id="mistyped flag"),
        pytest.param(
            {"isCancelled": ..., "cancel": {"actionAt": 1792742400}},
            "isCancelled and the time of cancel",
            id="mistyped time alone",
        ),
        pytest.param({"attendees": [{"id": str(n)} for n in range(501)]}, "more than 500", id="a crowd"),
        pytest.param({"webhookType": "booking_exploded"}, "unknown type", id="unknown type"),
        pytest.param({"webhookType": 7}, "neither webhookType nor event and data", id="no type"),
    ],
)
def test_unreadable_payloads_say_why(members: dict[str, Any], reason: str) -> None:
    reading = read(created(**members))
    assert reading.outcome == "unreadable"
    assert reading.reason is not None
    assert reason in reading.reason


def test_the_same_attendee_listed_twice_is_one() -> None:
    attendee = {"id": "a1", "email": "a@x.example"}
    assert len(shown(created(attendees=[attendee, attendee])).attendees) == 1


@pytest.mark.parametrize("kind", sorted(UNUSED_KINDS))
def test_known_kinds_about_no_booking_are_ignored(kind: str) -> None:
    assert read({"webhookType": kind}).outcome == "ignored"
    assert read({"event": kind, "data": {}}).outcome == "ignored"


def test_samples_that_are_no_booking() -> None:
    assert read(payload("webhook_unknown_type.flat.json")).reason == "unknown type"
    assert read(payload("webhook_malformed.no_type.json")).outcome == "unreadable"
    assert read(payload("webhook_form_submission.minimal.flat.json")).outcome == "ignored"
    assert read(payload("webhook_new_employee.minimal.flat.json")).outcome == "ignored"


def test_mistyped_members_are_named_and_the_rest_counts() -> None:
    attendees = [{"id": "a1", "email": 42, "phone": "+49"}]
    reading = read(created(attendees=attendees, location=[], hosts="Mara", meetingInfo=3, cancel="no"))
    assert reading.reason == (
        "mistyped, counted as unknown: attendees.0.email, cancel, location, hosts, meetingInfo"
    )
    assert reading.snapshot is not None
    assert reading.snapshot.attendees[0].phone == "+49"
    for name in ("location", "hosts", "link", "cancel"):
        assert not reading.snapshot.knows(name)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON document."""
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places(member, (*path, key))
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, (*path, index))


WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "\ufffd",
    [],
    [None],
    {},
    {"id": []},
    [[{}]],
    "9" * 500,
]


@pytest.mark.parametrize("name", [n for n in WEBHOOKS if "flat" in n])
def test_wrong_type_in_any_place_never_raises_and_names_no_value(name: str) -> None:
    original = payload(name)
    for path in list(places(original))[1:]:
        for wrong in WRONG:
            body = deepcopy(original)
            inside = body
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = wrong
            reading = read(body)
            assert reading.outcome in ("booking", "unreadable")
            if reading.outcome == "unreadable":
                assert reading.reason
            if path[0] not in ("webhookType", "event", "data") and reading.reason:
                assert "9" * 20 not in reading.reason


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "webhookType",
                    "event",
                    "data",
                    "id",
                    "start",
                    "end",
                    "attendees",
                    "cancel",
                    "isCancelled",
                    "hosts",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=8), documents, max_size=5),
    st.sampled_from(["booking_created", "booking_cancelled", "booking_rescheduled", "other"]),
    st.booleans(),
)
def test_any_document_is_read_or_refused(body: dict[str, Any], kind: str, wrapped: bool) -> None:
    full = {"event": kind, "data": body} if wrapped else {**body, "webhookType": kind}
    assert read(full).outcome in ("booking", "unreadable")


@given(st.dictionaries(st.sampled_from(sorted(created())), documents, max_size=8))
def test_any_mutation_of_a_sample_is_read_or_refused(members: dict[str, Any]) -> None:
    reading = read({**created(), **members, "webhookType": "booking_created"})
    if reading.snapshot is not None:
        json.loads(reading.snapshot.model_dump_json())
        assert reading.snapshot.end - reading.snapshot.start >= timedelta()
