"""Reading stored entries, comparing them, and keeping what others added."""

from datetime import UTC, datetime

import pytest

from adapters.caldav.answers import Stored
from adapters.caldav.mapping import FoundEntry, document
from adapters.entry_texts import EntryTexts
from adapters.errors import PermanentError
from adapters.ical import EntryName, WantedEntry, entry_content
from adapters.testing import sample_states
from events import Booking

BOOKED, MOVED, *_ = sample_states()
NAME = EntryName("installation", "/dav/team/", "b-1001", "")
NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
ALARM = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:soon\r\nTRIGGER:-PT15M\r\nEND:VALARM"


def wanted(booking: Booking = BOOKED) -> WantedEntry:
    content = entry_content(booking, EntryTexts(), on_no_show="mark", timezone="Europe/Berlin")
    return WantedEntry(NAME, content, f"1:{booking.position}")


def written(booking: Booking = BOOKED, *, last: int | None = None, over: FoundEntry | None = None) -> str:
    return document(wanted(booking), position=booking.position, now=NOON, last=last, over=over).decode()


def found(text: str) -> FoundEntry:
    return FoundEntry.read(Stored("name.ics", '"1"', text.encode()), NAME.uid)


def with_lines(text: str, *lines: str) -> str:
    return text.replace("END:VEVENT", "\r\n".join((*lines, "END:VEVENT")))


def test_what_was_written_is_shown_and_needs_no_writing() -> None:
    entry = found(written())
    assert entry.shows(wanted())
    assert entry.equals(wanted())
    assert (entry.stamp, entry.sequence, entry.foreign) == ("1:11", 11, False)
    assert entry.fingerprint == wanted().content.fingerprint
    assert entry.edited_at is None


@pytest.mark.parametrize(
    "change",
    [
        ("SUMMARY:", "SUMMARY:mine "),
        ("DTSTART:20261023T08", "DTSTART:20261023T07"),
        ("DTEND:20261023T08", "DTEND:20261023T09"),
        ("STATUS:CONFIRMED", "STATUS:CANCELLED"),
        ("POSITION:1:11", "POSITION:1:10"),
    ],
    ids=["title", "start", "end", "status", "position"],
)
def test_done_means_that_the_entry_shows_it(change: tuple[str, str]) -> None:
    assert not found(written().replace(*change)).shows(wanted())


def test_a_server_that_drops_unknown_properties_shows_it_all_the_same() -> None:
    lines = [line for line in written().splitlines() if not line.startswith("X-BOOKINGHUB")]
    assert found("\r\n".join(lines)).shows(wanted())


def test_an_edit_by_hand_is_seen_with_its_time() -> None:
    edited = written().replace("SUMMARY:", "SUMMARY:mine ")
    edited = edited.replace("LAST-MODIFIED:20261020T120000Z", "LAST-MODIFIED:20261021T080000Z")
    assert found(edited).edited_at == datetime(2026, 10, 21, 8, 0, tzinfo=UTC)


def test_what_others_added_stays_and_what_they_changed_does_not() -> None:
    theirs = with_lines(
        written().replace("SUMMARY:", "SUMMARY:mine "),
        "CATEGORIES:Kunde",
        "ATTENDEE;CN=Kim:mailto:kim@studio.example",
        "X-ALT-DESC;FMTTYPE=text/html:<b>parkt im Hof</b>",
        "RRULE:FREQ=WEEKLY",
        ALARM,
    )
    before = found(theirs)
    assert before.foreign
    text = written(MOVED, last=before.sequence, over=before)
    after = found(text)
    assert after.equals(wanted(MOVED))
    assert after.foreign
    for kept in ("CATEGORIES:Kunde", "ATTENDEE;CN=Kim:mailto:kim@studio.example", "TRIGGER:-PT15M"):
        assert kept in text
    for gone in ("mine", "RRULE", "X-ALT-DESC"):
        assert gone not in text
    assert text.count("BEGIN:VEVENT") == text.count("UID:") == 1


def test_exceptions_of_a_series_that_somebody_made_of_it_are_dropped() -> None:
    extra = f"BEGIN:VEVENT\r\nUID:{NAME.uid}\r\nRECURRENCE-ID:20261030T080000Z\r\nSUMMARY:odd\r\nEND:VEVENT"
    series = written().replace("END:VCALENDAR", f"{extra}\r\nEND:VCALENDAR")
    assert "odd" not in written(MOVED, over=found(series))


def test_definitions_of_zones_stay_for_what_refers_to_them() -> None:
    zone = "BEGIN:VTIMEZONE\r\nTZID:Studio\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
    zone += "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT"
    edited = with_lines(written().replace("BEGIN:VEVENT", zone), "X-THEIRS;TZID=Studio:20261023T080000")
    text = written(MOVED, over=found(edited))
    assert "TZID:Studio" in text
    assert "X-THEIRS;TZID=Studio:20261023T080000" in text


def test_contents_nobody_can_read_are_replaced_as_a_whole() -> None:
    entry = found("BEGIN:VCALENDAR\r\nnonsense\r\nEND:VCALENDAR")
    assert not entry.equals(wanted())
    assert not entry.shows(wanted())
    assert found(written(over=entry)).equals(wanted())


def test_somebody_elses_entry_is_never_taken_for_ours() -> None:
    text = written().replace(NAME.uid, "theirs")
    with pytest.raises(PermanentError, match="somebody else"):
        found(text)
    copied = FoundEntry.read(Stored("copy.ics", '"1"', text.encode()))
    assert copied.origin("installation", "/dav/team/") is None
    own = found(written())
    assert own.origin("installation", "/dav/team/") == NAME
    assert own.origin("another", "/dav/team/") is None
