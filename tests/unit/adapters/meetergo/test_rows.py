"""What an appointment of the API says, and that it never disagrees with a webhook of the same state."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.meetergo.mapping import read_row, read_webhook
from events import BookingSnapshot
from events.derive import derive, fold
from events.state import Cancel, Host
from tests.unit.adapters.meetergo.payloads import payload
from tests.unit.adapters.meetergo.test_mapping import WRONG, places

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WHOLE = ["appointment_detail.json", "appointment_detail.group.json", "cancel_response.json"]
PAGES = ["appointments_page_0.json", "appointments_page_0.before_no_show.json"]


def samples() -> dict[str, dict[str, Any]]:
    """Every appointment among the sample answers, by where it stands."""
    found = {name: payload(name) for name in WHOLE}
    found["reschedule_response.json"] = payload("reschedule_response.json")["appointment"]
    for name in PAGES:
        found |= {f"{name} {index}": row for index, row in enumerate(payload(name)["appointments"])}
    return found


SAMPLES = samples()


def shown(row: dict[str, Any]) -> BookingSnapshot:
    reading = read_row(row, source="meetergo", seen_at=NOW)
    assert reading.snapshot is not None, reading.reason
    return reading.snapshot


def webhook(name: str) -> BookingSnapshot:
    reading = read_webhook(payload(f"webhook_booking_{name}.flat.json"), source="meetergo", received_at=NOW)
    assert reading.snapshot is not None
    return reading.snapshot


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_is_read_without_complaint(name: str) -> None:
    reading = read_row(SAMPLES[name], source="meetergo", seen_at=NOW)
    assert (reading.outcome, reading.kind, reading.reason) == ("booking", "appointment", None)
    assert reading.snapshot is not None
    assert (reading.snapshot.origin, reading.snapshot.hint) == ("api", None)
    assert reading.provider_id == reading.snapshot.provider_id
    assert reading.snapshot.version_precision == 3
    assert "NOT-A-REAL-SECRET" not in repr(reading)


def test_an_appointment_shows_all_its_members() -> None:
    snapshot = shown(SAMPLES["appointment_detail.json"])
    assert snapshot.title == snapshot.meeting_type_name == "Erstgespräch"
    assert snapshot.meeting_type_id == "d27b9c40-58fe-4a1b-8c3d-6e0f1a2b3c4d"
    assert snapshot.link == "https://connect.meetings.example/r/erstgespraech-4711"
    assert (snapshot.channel, snapshot.group, snapshot.reschedule_count) == ("connect", False, 1)
    assert snapshot.rescheduled_at == datetime(2026, 10, 20, 14, 2, 55, 730000, tzinfo=UTC)
    assert snapshot.hosts == (
        Host(
            id="a4d1c7b2-91e0-4c53-8f0b-2b6f7c5d1e44",
            email="mara.lindqvist@studio.example",
            name="Mara Lindqvist",
        ),
    )
    assert snapshot.knows("cancel")
    assert not snapshot.cancelled
    for unknown in ("metadata", "meeting_type_slug", "previous_start", "notes", "guests", "payment"):
        assert not snapshot.knows(unknown), unknown


def test_a_cancelled_appointment_says_who_and_why() -> None:
    snapshot = shown(SAMPLES["cancel_response.json"])
    assert snapshot.cancelled
    assert snapshot.cancel == Cancel(
        at=datetime(2026, 10, 26, 16, 48, 30, 208000, tzinfo=UTC),
        actor="attendee",
        by="f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f",
        reason="Termin passt doch nicht, melde mich neu.",
    )


def test_a_no_show_is_seen_by_attendee_and_not_by_the_version() -> None:
    before, after = (shown(SAMPLES[f"{name} 2"]) for name in reversed(PAGES))
    assert before.version == after.version
    assert [attendee.knows("no_show") for attendee in before.attendees] == [False, False]
    assert [attendee.no_show for attendee in after.attendees] == [False, True]
    facts = derive(fold(derive(None, before)), after)
    assert [(fact.event_type(), getattr(fact, "attendee_id", None)) for fact in facts] == [
        ("AttendeeNoShow", "48d9eafb-0c1d-4e2f-8a3b-4c5d6e7f8091")
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({"notes": "Bitte klingeln"}, {"notes": "Bitte klingeln"}, id="notes"),
        pytest.param({"note": "Bitte klingeln"}, {"notes": "Bitte klingeln"}, id="note"),
        pytest.param({"notes": None, "note": "old"}, {"notes": None}, id="notes come first"),
        pytest.param({"notes": {"Thema": "Umbau"}}, {"answers": {"Thema": "Umbau"}}, id="answers"),
        pytest.param(
            {"notes": {"Thema": "Umbau"}, "note": "Bitte klingeln"},
            {"answers": {"Thema": "Umbau"}, "notes": "Bitte klingeln"},
            id="a note beside answers",
        ),
        pytest.param({"companySlug": "studio"}, {"company_slug": "studio"}, id="company"),
        pytest.param({"meetingTypeSlug": "erst"}, {"meeting_type_slug": "erst"}, id="slug"),
        pytest.param({"rescheduledFromId": "b0"}, {"replaces": "b0"}, id="replaced"),
        pytest.param({"hostingInfo": {"meetingLink": None}}, {"link": None}, id="no link"),
    ],
)
def test_members_that_only_some_answers_have(members: dict[str, Any], expected: dict[str, Any]) -> None:
    snapshot = shown(SAMPLES["appointment_detail.json"] | members)
    assert {name: getattr(snapshot, name) for name in expected} == expected
    assert all(snapshot.knows(name) for name in expected)


def test_people_brought_along_stand_with_their_attendee() -> None:
    row = deepcopy(SAMPLES["appointment_detail.json"])
    row["attendees"][0]["bringalongEmails"] = ["kim@kunde.example"]
    assert [guest.email for guest in shown(row).guests] == ["kim@kunde.example"]


def test_a_row_with_less_leaves_the_rest_unknown() -> None:
    row = {
        name: SAMPLES["appointment_detail.json"][name]
        for name in ("id", "start", "end", "attendees", "isCancelled")
    }
    snapshot = shown(row)
    for unknown in ("title", "link", "channel", "group", "hosts", "location", "reschedule_count", "cancel"):
        assert not snapshot.knows(unknown), unknown
    assert (snapshot.version, snapshot.updated_at) == (None, None)


SAME_STATE = [
    pytest.param(["created", "rescheduled"], "appointment_detail.json", id="moved"),
    pytest.param(["created", "rescheduled", "cancelled"], "cancel_response.json", id="cancelled"),
    pytest.param(
        ["created", "rescheduled", "cancelled.cancelledAt_variant"], "cancel_response.json", id="at"
    ),
]


@pytest.mark.parametrize(("webhooks", "row"), SAME_STATE)
def test_after_its_webhooks_the_api_has_nothing_to_add(webhooks: list[str], row: str) -> None:
    state = None
    for name in webhooks:
        state = fold(derive(state, webhook(name))) or state
    facts = derive(state, shown(SAMPLES[row]))
    told = [(fact.event_type(), getattr(fact, "changed", ())) for fact in facts]
    # A cancellation in the older wording does not say who, so the API does.
    learnt = [("BookingDetailsChanged", ("cancel",))] if "cancelledAt" in webhooks[-1] else []
    assert told == learnt


@pytest.mark.parametrize(("webhooks", "row"), SAME_STATE)
def test_after_the_api_a_webhook_adds_only_what_the_api_does_not_show(webhooks: list[str], row: str) -> None:
    state = fold(derive(None, shown(SAMPLES[row])))
    facts = derive(state, webhook(webhooks[-1]))
    assert facts == ()
    later = webhook(webhooks[-1]).model_copy(update={"version": NOW, "updated_at": NOW})
    assert [getattr(fact, "changed", None) for fact in derive(state, later)] == [("meeting_type", "metadata")]


def test_a_group_whose_attendee_left_is_the_same_from_both_sides() -> None:
    state = None
    for name in (
        "created.group_first_attendee",
        "created.group_further_attendees",
        "cancelled.group_attendee_removed",
    ):
        state = fold(derive(state, webhook(name))) or state
    (learnt,) = derive(state, shown(SAMPLES["appointment_detail.group.json"]))
    assert (learnt.event_type(), getattr(learnt, "changed", ())) == ("BookingDetailsChanged", ("group",))
    assert derive(learnt.booking, webhook("cancelled.group_attendee_removed")) == ()


@pytest.mark.parametrize("name", ["appointment_detail.json", "appointments_page_0.json 2"])
def test_wrong_type_in_any_place_never_raises_and_names_no_value(name: str) -> None:
    original = SAMPLES[name]
    for path in list(places(original))[1:]:
        for wrong in WRONG:
            row = deepcopy(original)
            inside: Any = row
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = wrong
            reading = read_row(row, source="meetergo", seen_at=NOW)
            assert reading.outcome in ("booking", "unreadable")
            assert reading.outcome == "booking" or reading.reason
            assert "9" * 20 not in (reading.reason or "")


@given(
    st.dictionaries(st.sampled_from(sorted(SAMPLES["appointment_detail.json"])), st.none() | st.integers())
)
def test_any_mutation_of_a_row_is_read_or_refused(members: dict[str, Any]) -> None:
    row = SAMPLES["appointment_detail.json"] | members
    assert read_row(row, source="meetergo", seen_at=NOW).outcome in ("booking", "unreadable")
