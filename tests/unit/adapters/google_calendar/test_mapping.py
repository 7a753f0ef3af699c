"""From a booking to an entry and back, without any calendar."""

import re
from datetime import timedelta
from typing import Any

import pytest

from adapters.entry_texts import DESCRIPTION_LIMIT, TITLE_LIMIT
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.entries import Entry, EntryKey, Wanted
from adapters.google_calendar.mapping import entry_body
from adapters.testing import sample_booking, sample_states
from events import Attendee, Booking
from events.state import MeetingType

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()
KEY = EntryKey("installation", "team@studio.example", "meetergo", "b-1001", "")


def config(**members: Any) -> GoogleCalendarConfig:
    base = {"credentials": {"access_token": "x"}, "calendar": "team@studio.example"}
    return GoogleCalendarConfig.model_validate(base | members)


def body(booking: Booking, *, timezone: str = "Europe/Berlin", **members: Any) -> dict[str, Any]:
    return entry_body(booking, config(**members), timezone)


def shown(wanted: Wanted, generation: int = 0, **changes: Any) -> Entry:
    answer = wanted.resource(generation) | {"etag": '"1"', "kind": "calendar#event"} | changes
    entry = Entry.read(answer)
    assert entry is not None
    return entry


def wanted(booking: Booking = BOOKED, **members: Any) -> Wanted:
    return Wanted(key=KEY, body=body(booking, **members), stamp=f"1:{booking.position}")


def test_the_entry_says_what_the_defaults_say() -> None:
    assert body(BOOKED) == {
        "status": "confirmed",
        "summary": "Erstgespräch: Quendolin, Bo",
        "description": "parkt im Hof",
        "location": "https://connect.meetings.example/r/1",
        "start": {"dateTime": "2026-10-23T10:00:00+02:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-10-23T10:45:00+02:00", "timeZone": "Europe/Berlin"},
        "transparency": "transparent",
    }


def test_times_are_in_the_zone_of_the_hub_and_in_whole_seconds() -> None:
    late = BOOKED.model_copy(update={"start": BOOKED.start + timedelta(microseconds=999)})
    assert body(late, timezone="America/New_York")["start"] == {
        "dateTime": "2026-10-23T04:00:00-04:00",
        "timeZone": "America/New_York",
    }


def test_show_as_busy_takes_the_time_until_it_is_cancelled() -> None:
    assert body(BOOKED, event={"show_as": "busy"})["transparency"] == "opaque"
    assert body(CANCELLED, event={"show_as": "busy"})["transparency"] == "transparent"


def test_what_guests_wrote_is_no_markup_in_the_description() -> None:
    booking = BOOKED.model_copy(update={"notes": '<a href="http://evil.example">& click</a>'})
    written = body(booking, event={"description": "<b>Notes</b>\n{notes}", "title": "{notes}"})
    assert written["description"] == (
        '<b>Notes</b>\n&lt;a href="http://evil.example"&gt;&amp; click&lt;/a&gt;'
    )
    assert written["summary"] == '<a href="http://evil.example">& click</a>'


def test_a_title_is_one_line_without_control_characters() -> None:
    booking = BOOKED.model_copy(update={"notes": "a\r\n\tb\x00\x1b[31m\u202ec"})
    assert body(booking, event={"title": "{notes}"})["summary"] == "a b[31mc"


@pytest.mark.parametrize(
    ("meeting", "people", "title"),
    [
        ("Demo", (), "Demo"),
        (None, ("Ann",), "Ann"),
        (None, (), "Booking"),
        ("Demo", ("Ann", "Bo"), "Demo: Ann, Bo"),
    ],
    ids=["nobody", "no meeting type", "nothing", "all"],
)
def test_a_title_with_gaps_has_no_loose_ends(
    meeting: str | None, people: tuple[str, ...], title: str
) -> None:
    attendees = tuple(Attendee(attendee_id=n, contact_id=n, name=n) for n in people)
    kind = MeetingType(name=meeting) if meeting else None
    assert body(sample_booking(attendees=attendees, meeting_type=kind))["summary"] == title


def test_lines_whose_fields_are_empty_are_left_out() -> None:
    text = "Where: {location}\n\n\n\n{notes}\nMove: {reschedule_link}\nAlways here"
    assert body(BOOKED, event={"description": text})["description"] == "parkt im Hof\nAlways here"
    silent = BOOKED.model_copy(update={"notes": None})
    assert "description" not in body(silent)
    known = silent.model_copy(update={"company_slug": "studio"})
    assert body(known)["description"].startswith("Move or cancel: https://")


def test_texts_are_cut_to_what_google_takes() -> None:
    booking = BOOKED.model_copy(update={"notes": "&" * 20_000})
    written = body(
        booking, event={"title": "{notes}", "location": "{notes}", "description": "{notes}{notes}"}
    )
    assert len(written["summary"]) == TITLE_LIMIT
    assert len(written["location"]) == 1024
    assert len(written["description"]) <= DESCRIPTION_LIMIT
    assert re.fullmatch(r"(&amp;)+…?", written["description"])


def test_a_no_show_is_marked_by_title_colour_and_name() -> None:
    some = body(MISSED)
    assert some["summary"] == "No-show 1 of 2: Erstgespräch: Quendolin, Bo"
    assert some["description"] == "Did not show up: Quendolin"
    both = MISSED.model_copy(
        update={
            "attendees": tuple(
                a.marked(start=MISSED.start, at=a.added_at or MISSED.start, present=True)
                for a in MISSED.attendees
            )
        }
    )
    everybody = body(both)
    assert everybody["summary"] == "No-show: Erstgespräch: Quendolin, Bo"
    assert everybody["colorId"] != some["colorId"]
    assert body(MISSED, on_no_show="keep") == body(CHANGED)


def test_a_marked_cancellation_frees_the_time_and_hides_the_no_show() -> None:
    cancelled = body(CANCELLED, on_cancel="mark")
    assert cancelled["summary"] == "Cancelled: Erstgespräch: Quendolin, Bo"
    assert cancelled["transparency"] == "transparent"
    assert cancelled["colorId"] == "8"
    assert "description" not in cancelled


def test_entry_ids_are_legal_and_differ_in_every_member() -> None:
    keys = {
        KEY,
        EntryKey("other", "team@studio.example", "meetergo", "b-1001", ""),
        EntryKey("installation", "other", "meetergo", "b-1001", ""),
        EntryKey("installation", "team@studio.example", "calcom", "b-1001", ""),
        EntryKey("installation", "team@studio.example", "meetergo", "b-1002", ""),
        EntryKey("installation", "team@studio.example", "meetergo", "b-1001", "h-1"),
        EntryKey("installation", "team@studio.example", "meetergo:b", "1001", ""),
    }
    ids = {key.entry_id(generation) for key in keys for generation in range(3)}
    assert len(ids) == len(keys) * 3
    assert all(re.fullmatch("[0-9a-v]{40}", entry_id) for entry_id in ids)


def test_entry_ids_stay_what_they_are() -> None:
    """An id that changes between versions of the hub would double every entry."""
    assert KEY.entry_id(0) == "pe0283i6prtarlpjku9aqgl89ach3sm07f60el7r"
    assert KEY.entry_id(1) == "l1i18om30u2hg9s41dhveh7gjqj0dksi7t6ii2k8"


def test_the_fingerprint_covers_the_contents_and_nothing_else() -> None:
    assert wanted().fingerprint == wanted(BOOKED.model_copy(update={"position": 99})).fingerprint
    assert wanted().fingerprint != wanted(MOVED).fingerprint
    assert wanted().fingerprint != wanted(event={"show_as": "busy"}).fingerprint


def test_all_private_properties_are_sent_every_time() -> None:
    properties = wanted().resource(2)["extendedProperties"]["private"]
    assert properties == {
        "hub": "meetergo:b-1001",
        "hub_position": "1:11",
        "hub_installation": "installation",
        "hub_generation": "2",
        "hub_fingerprint": wanted().fingerprint,
    }


def test_what_others_put_on_an_entry_survives_a_change() -> None:
    theirs = {
        "attendees": [{"email": "kim@studio.example"}],
        "colorId": "3",
        "location": "by hand",
        "sequence": 4,
        "extendedProperties": {"shared": {"a": "b"}, "private": {"other": "c", "hub_position": "1:1"}},
    }
    quiet = wanted(event={"location": "", "title": "{title}"})
    sent = quiet.resource(0, over=shown(wanted(), **theirs))
    assert sent["attendees"] == theirs["attendees"]
    assert sent["sequence"] == 4
    assert "colorId" not in sent
    assert "location" not in sent
    assert sent["extendedProperties"]["shared"] == {"a": "b"}
    assert sent["extendedProperties"]["private"]["other"] == "c"
    assert sent["extendedProperties"]["private"]["hub_position"] == "1:11"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "cancelled"},
        {"status": "tentative"},
        {"id": "another"},
        {"summary": "edited"},
        {"start": {"dateTime": "2026-10-23T11:00:00+02:00"}},
        {"end": {"date": "2026-10-24"}},
        {"start": {"dateTime": "never"}},
        {"extendedProperties": {"private": {"hub_position": "1:10"}}},
        {"extendedProperties": {}},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items())[:40],
)
def test_done_means_that_the_answer_shows_it(changes: dict[str, Any]) -> None:
    assert shown(wanted()).shows(wanted(), 0)
    assert not shown(wanted(), **changes).shows(wanted(), 0)
    assert not shown(wanted(), 1).shows(wanted(), 0)


def test_the_same_moment_in_another_zone_is_the_same() -> None:
    entry = shown(wanted(), start={"dateTime": "2026-10-23T08:00:00Z"})
    assert entry.shows(wanted(), 0)
    local = shown(wanted(), start={"dateTime": "2026-10-23T10:00:00", "timeZone": "Europe/Berlin"})
    assert local.shows(wanted(), 0)


def test_an_entry_that_differs_in_an_unchecked_member_is_written_again() -> None:
    assert shown(wanted()).equals(wanted(), 0)
    for changes in (
        {"description": "edited"},
        {"colorId": "4"},
        {"transparency": "opaque"},
        {"location": None},
    ):
        entry = shown(wanted(), **changes)
        assert entry.shows(wanted(), 0)
        assert not entry.equals(wanted(), 0), changes


@pytest.mark.parametrize(
    ("changes", "foreign"),
    [
        ({}, False),
        ({"reminders": {"useDefault": True}, "htmlLink": "x", "eventType": "default"}, False),
        ({"reminders": {"useDefault": False}}, True),
        ({"attendees": []}, True),
        ({"extendedProperties": {"shared": {"a": "b"}}}, True),
        ({"extendedProperties": {"private": {"other": "b"}}}, True),
    ],
    ids=["ours", "Google's", "reminders", "attendees", "shared property", "private property"],
)
def test_additions_of_others_are_noticed(changes: dict[str, Any], foreign: bool) -> None:
    assert shown(wanted(), **changes).foreign is foreign


@pytest.mark.parametrize("answer", ['{"id": "cut', None, [], {}, {"id": 5}], ids=str)
def test_an_answer_that_is_no_entry_is_none(answer: object) -> None:
    assert Entry.read(answer) is None
