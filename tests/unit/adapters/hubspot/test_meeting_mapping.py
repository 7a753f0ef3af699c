"""From a booking to a meeting on each attendee's contact, without any HubSpot."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hubspot.config import HubSpotMeetingsConfig, MeetingSettings
from adapters.hubspot.mapping import normalised
from adapters.hubspot.meeting_mapping import (
    KINDS,
    TITLE_LIMIT,
    addressable,
    meeting_definitions,
    meeting_id,
    meeting_values,
)
from adapters.testing import sample_booking, sample_states
from events import Attendee, Booking

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()


def values(booking: Booking, contact: str = "c-1", **members: Any) -> dict[str, str]:
    return meeting_values(booking, contact, MeetingSettings.model_validate(members), "Europe/Berlin")


def outcomes(booking: Booking, **members: Any) -> list[str]:
    return [values(booking, contact, **members)["hs_meeting_outcome"] for contact in ("c-1", "c-2")]


def with_first(booking: Booking, **members: Any) -> Booking:
    return booking.with_attendee(booking.attendees[0].model_copy(update=members))


def test_a_meeting_says_what_the_booking_says() -> None:
    assert values(BOOKED) == {
        "hs_timestamp": "2026-10-23T08:00:00Z",
        "hs_meeting_title": "Erstgespräch",
        "hs_meeting_body": "parkt im Hof",
        "hs_meeting_location": "",
        "hs_meeting_external_url": "https://connect.meetings.example/r/1",
        "hs_meeting_start_time": "2026-10-23T08:00:00Z",
        "hs_meeting_end_time": "2026-10-23T08:45:00Z",
        "hs_meeting_outcome": "SCHEDULED",
    }
    assert values(BOOKED).keys() == KINDS.keys()
    assert normalised(values(BOOKED), KINDS) == values(BOOKED)


def test_each_attendee_has_an_outcome_of_their_own() -> None:
    assert outcomes(BOOKED) == ["SCHEDULED", "SCHEDULED"]
    assert outcomes(MOVED) == ["SCHEDULED", "SCHEDULED"]
    assert outcomes(MISSED) == ["NO_SHOW", "SCHEDULED"]
    assert outcomes(CANCELLED) == ["CANCELED", "CANCELED"]
    assert outcomes(with_first(BOOKED, removed=True)) == ["CANCELED", "SCHEDULED"]


def test_an_account_may_have_outcomes_of_its_own() -> None:
    assert outcomes(MOVED, outcomes={"moved": "RESCHEDULED"}) == ["RESCHEDULED", "RESCHEDULED"]
    assert outcomes(CANCELLED, outcomes={"cancelled": "LATE_CANCEL"}) == ["LATE_CANCEL", "LATE_CANCEL"]


def test_somebody_who_is_in_it_twice_is_missing_if_one_of_the_two_is() -> None:
    twice = Attendee(attendee_id="a-3", contact_id="c-1", email="quendolin@kunde.example")
    assert outcomes(MISSED.with_attendee(twice))[0] == "NO_SHOW"
    assert outcomes(with_first(MISSED, removed=True).with_attendee(twice))[0] == "SCHEDULED"


def test_only_who_has_an_address_has_a_meeting() -> None:
    assert addressable(BOOKED) == {"c-1": "quendolin@kunde.example", "c-2": "bo@kunde.example"}
    assert list(addressable(with_first(BOOKED, email=None))) == ["c-2"]
    assert list(addressable(with_first(BOOKED, email=" "))) == ["c-2"]
    assert list(addressable(with_first(BOOKED, removed=True))) == ["c-1", "c-2"]


def test_what_guests_wrote_is_harmless_and_cut() -> None:
    typed = BOOKED.model_copy(
        update={"notes": '<a href="x">\nhere & \u202enow', "title": "T\r\nwo" + "x" * 999}
    )
    shown = values(typed, title="{title}")
    assert shown["hs_meeting_body"] == '&lt;a href="x"&gt;<br>here &amp; now'
    assert shown["hs_meeting_title"].startswith("T wo")
    assert len(shown["hs_meeting_title"]) == TITLE_LIMIT


def test_an_identity_tells_meetings_apart() -> None:
    other = sample_booking(booking_id="b-2")
    identities = {
        meeting_id("i-1", BOOKED, "c-1"),
        meeting_id("i-1", BOOKED, "c-2"),
        meeting_id("i-2", BOOKED, "c-1"),
        meeting_id("i-1", other, "c-1"),
    }
    assert len(identities) == 4
    assert meeting_id("i-1", MOVED, "c-1") == meeting_id("i-1", BOOKED, "c-1")


def test_what_has_to_be_there_is_the_hubs_own() -> None:
    needed = [(one.name, one.kind, one.unique) for one in meeting_definitions(MeetingSettings())]
    assert needed == [("hub_meeting", "string", True), ("hub_position", "string", False)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meeting": {"identity": "hub_position"}}, "two properties"),
        ({"meeting": {"outcomes": {"moved": "was moved"}}}, "match pattern"),
        ({"meeting": {"title": "{contact.name}"}}, "not available"),
        ({"contact": {}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HubSpotMeetingsConfig.model_validate({"token": "x"} | changes)
