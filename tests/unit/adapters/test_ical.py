"""From a booking to an iCalendar entry and back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Event

from adapters.entry_texts import DESCRIPTION_LIMIT, TITLE_LIMIT, EntryTexts
from adapters.ical import (
    BOOKING,
    FINGERPRINT,
    INSTALLATION,
    MOST_SEQUENCE,
    PART,
    POSITION,
    EntryContent,
    EntryName,
    WantedEntry,
    entry_content,
    is_foreign,
    mark_of,
    new_calendar,
    next_sequence,
    read_content,
    sequence_of,
    uid_prefix,
)
from adapters.testing import sample_booking, sample_states
from events import Booking

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()
NAME = EntryName("installation", "/dav/team/", "b-1001", "")
NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)


def content(booking: Booking, *, on_no_show: Any = "mark", **texts: Any) -> EntryContent:
    return entry_content(
        booking, EntryTexts.model_validate(texts), on_no_show=on_no_show, timezone="Europe/Berlin"
    )


def event(booking: Booking = BOOKED, *, name: EntryName = NAME, sequence: int = 11, **texts: Any) -> Event:
    """The entry as a reader gets it."""
    wanted = WantedEntry(name, content(booking, **texts), f"1:{booking.position}")
    calendar = new_calendar()
    calendar.add_component(wanted.event(sequence=sequence, now=NOON))
    (found,) = type(calendar).from_ical(calendar.to_ical()).walk("VEVENT")
    assert isinstance(found, Event)
    return found


def test_the_entry_says_what_the_defaults_say() -> None:
    assert content(BOOKED).fields() == {
        "title": "Erstgespräch: Quendolin, Bo",
        "description": "parkt im Hof",
        "location": "https://connect.meetings.example/r/1",
        "start": "2026-10-23T08:00:00Z",
        "end": "2026-10-23T08:45:00Z",
        "status": "confirmed",
        "show_as": "free",
        "colour": "",
        "recurrence": "",
    }


@pytest.mark.parametrize("state", sample_states(), ids=lambda state: str(state.position))
def test_a_reader_sees_what_was_written(state: Booking) -> None:
    assert read_content(event(state)) == content(state)


@given(text=st.text(max_size=300))
def test_every_text_survives_the_way_there_and_back(text: str) -> None:
    odd = sample_booking(title=text, notes=text)
    texts = {"title": "{title}", "description": "{notes}\n{title}", "location": "{notes}"}
    assert read_content(event(odd, **texts)) == content(odd, **texts)


@given(ids=st.tuples(*[st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)] * 3))
def test_every_id_survives_the_way_there_and_back(ids: tuple[str, str, str]) -> None:
    name = EntryName(ids[0], "/dav/team/", ids[1], ids[2])
    found = event(name=name)
    assert [mark_of(found, mark) for mark in (INSTALLATION, BOOKING, PART)] == list(ids)


def test_times_are_in_utc_and_in_whole_seconds() -> None:
    text = event(BOOKED.model_copy(update={"start": BOOKED.start + timedelta(microseconds=999)})).to_ical()
    assert b"DTSTART:20261023T080000Z\r\n" in text
    assert b"TZID" not in text


def test_marks_say_what_it_is_and_who_wrote_it() -> None:
    found = event()
    assert {name: mark_of(found, name) for name in (POSITION, INSTALLATION, BOOKING, PART)} == {
        POSITION: "1:11",
        INSTALLATION: "installation",
        BOOKING: "b-1001",
        PART: "",
    }
    assert mark_of(found, FINGERPRINT) == content(BOOKED).fingerprint
    unmarked = WantedEntry(NAME, content(BOOKED), "").event(sequence=1, now=NOON, marked=False)
    assert "X-BOOKINGHUB" not in unmarked.to_ical().decode()


def test_a_cancellation_and_a_no_show_are_to_be_seen() -> None:
    cancelled, missed = content(CANCELLED), content(MISSED)
    assert (cancelled.title, cancelled.status) == ("Cancelled: Erstgespräch: Quendolin, Bo", "cancelled")
    assert (cancelled.show_as, cancelled.colour) == ("free", "dimgray")
    assert missed.title == "No-show 1 of 2: Erstgespräch: Quendolin, Bo"
    assert missed.description == "Did not show up: Quendolin"
    assert missed.colour == "orange"
    assert content(MISSED, on_no_show="keep") == content(CHANGED)


def test_busy_is_busy_until_it_is_cancelled() -> None:
    assert content(BOOKED, show_as="busy").show_as == "busy"
    assert content(CANCELLED, show_as="busy").show_as == "free"


def test_guests_write_no_markup_and_nothing_without_end() -> None:
    evil = sample_booking(notes='<a href="http://evil.example">Join</a>' + "x" * 20_000)
    shown = content(evil, title="{notes}")
    assert "<" not in shown.description
    assert "http://evil.example" in shown.description
    assert (len(shown.title), len(shown.description)) == (TITLE_LIMIT, DESCRIPTION_LIMIT)


def test_uids_differ_in_every_member_and_are_found_by_their_installation() -> None:
    names = {
        NAME,
        EntryName("other", "/dav/team/", "b-1001", ""),
        EntryName("installation", "/dav/other/", "b-1001", ""),
        EntryName("installation", "/dav/team/", "b-1002", ""),
        EntryName("installation", "/dav/team/", "b-1001", "h-1"),
    }
    uids = {name.uid for name in names}
    assert len(uids) == len(names)
    mine = [name.uid.startswith(uid_prefix("installation")) for name in names]
    assert mine.count(True) == len(names) - 1


def test_uids_stay_what_they_are() -> None:
    """A UID that changes between versions of the hub would double every entry."""
    assert NAME.uid == "bookinghub-f1fc47b9bda7-2b21f9f7ba8228083b4746cd586c8c0c52cf9b7d"


@pytest.mark.parametrize(
    ("position", "last", "sequence"),
    [(11, None, 11), (15, 11, 15), (11, 11, 12), (3, 99, 100), (2**40, None, MOST_SEQUENCE)],
    ids=["first", "later", "the same position again", "after a recovery", "beyond 31 bits"],
)
def test_revisions_only_rise(position: int, last: int | None, sequence: int) -> None:
    assert next_sequence(position, last) == sequence


@pytest.mark.parametrize(
    ("added", "foreign"),
    [
        ("", False),
        ("CREATED:20261001T000000Z", False),
        ("X-ALT-DESC;FMTTYPE=text/html:<p>x</p>", False),
        ("CATEGORIES:a,b", True),
        ("ATTENDEE:mailto:kim@studio.example", True),
        ("X-MOZ-LASTACK:20261001T000000Z", True),
        ("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM", True),
    ],
    ids=["nothing", "created", "same text in HTML", "categories", "attendee", "client", "alarm"],
)
def test_additions_of_others_are_noticed(added: str, foreign: bool) -> None:
    text = event().to_ical().decode()
    edited = text.replace("END:VEVENT", f"{added}\r\nEND:VEVENT") if added else text
    found = Event.from_ical(edited)
    assert isinstance(found, Event)
    assert is_foreign(found) is foreign


@pytest.mark.parametrize(
    ("property", "seen"),
    [
        ("DTSTART:20261023T100000", {"start": "2026-10-23T10:00:00"}),
        ("DTSTART;VALUE=DATE:20261023", {"start": "2026-10-23"}),
        ("DTSTART:never", {"start": ""}),
        ("RRULE:FREQ=WEEKLY;COUNT=3", {"recurrence": "RRULE:FREQ=WEEKLY;COUNT=3"}),
        ("TRANSP:OPAQUE", {"show_as": "busy"}),
        ("STATUS:TENTATIVE", {"status": "tentative"}),
    ],
    ids=["no zone", "whole day", "nonsense", "a series", "busy", "tentative"],
)
def test_what_a_person_changed_is_seen(property: str, seen: dict[str, str]) -> None:
    fields = edited(property).fields()
    assert {key: fields[key] for key in seen} == seen
    assert fields != content(BOOKED).fields()


def test_the_same_moment_in_another_zone_is_the_same() -> None:
    assert edited("DTSTART;TZID=Europe/Berlin:20261023T100000") == content(BOOKED)


def edited(property: str) -> EntryContent:
    """What is seen once a calendar program has put this property in the place of ours."""
    name = property.partition(":")[0].partition(";")[0]
    lines = [line for line in event().to_ical().decode().splitlines() if not line.startswith(name)]
    found = Event.from_ical("\r\n".join([*lines[:-1], property, lines[-1]]))
    assert isinstance(found, Event)
    return read_content(found)


def test_a_revision_that_is_no_number_is_none() -> None:
    found = event()
    assert sequence_of(found) == 11
    del found["SEQUENCE"]
    assert sequence_of(found) is None
