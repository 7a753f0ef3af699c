"""The pure parts: what of a batch counts, what a row shows, what a forgotten person leaves."""

from datetime import UTC, datetime, timedelta

import pytest

from events import BookingDetailsChanged, BookingEvent
from events.snapshot import GuestSnapshot
from events.state import Cancel, Host
from hub.projections import PROJECTIONS
from hub.projections.base import Batch
from hub.projections.bookings import search_text, without
from hub.projections.bulk import to_json_text
from hub.projections.rebuild import Progress
from hub.projections.sinks import SinkRegistration
from hub.projections.timeline import is_hidden, timeline_values
from tests.contract.projections.kit import Shown, logged
from tests.factories import NOON, at, attendee, history, snapshot


def facts() -> list[BookingEvent]:
    return history(
        snapshot(notes="call me", guests=(GuestSnapshot(email="g@kunde.example", contact_id="c-g"),)),
        snapshot(version=at(1), start=NOON + timedelta(days=1), reason="a cold"),
        snapshot(
            version=at(2),
            start=NOON + timedelta(days=1),
            cancelled=True,
            cancel=Cancel(at=at(2), by="somebody", actor="attendee", reason="still ill"),
        ),
    )


def test_of_several_events_of_a_booking_the_newest_state_counts() -> None:
    envelopes = logged(
        [
            Shown("b1", snapshot(provider_id="b1")),
            Shown("b2", snapshot(provider_id="b2")),
            Shown("b1", snapshot(provider_id="b1", version=at(1), cancelled=True)),
            Shown("b1", snapshot(provider_id="b1", version=at(2), cancelled=True, title="Other")),
        ]
    )
    newest = Batch(envelopes).newest
    assert set(newest) == {"b1", "b2"}
    assert newest["b1"].position == 4
    assert newest["b1"].booking.title == "Other"
    assert newest["b1"].cancelled_position == 3
    assert newest["b2"].cancelled_position is None


@pytest.mark.parametrize(
    ("changed", "hidden"), [(("updated_at",), True), (("updated_at", "title"), False), (("title",), False)]
)
def test_only_a_change_of_nothing_but_the_version_is_hidden(changed: tuple[str, ...], hidden: bool) -> None:
    booking = facts()[0].booking
    event = BookingDetailsChanged(occurred_at=at(1), provider_id="b1", booking=booking, changed=changed)
    assert is_hidden(event) is hidden


def test_the_timeline_tells_what_happened_and_nothing_personal() -> None:
    created, moved, cancelled = logged(
        [
            Shown("b1", snapshot()),
            Shown("b1", snapshot(version=at(1), start=NOON + timedelta(days=1), reason="a cold")),
            Shown(
                "b1",
                snapshot(
                    version=at(2),
                    start=NOON + timedelta(days=1),
                    cancelled=True,
                    cancel=Cancel(at=at(2), by="somebody", actor="attendee", reason="still ill"),
                ),
            ),
        ]
    )
    shown = [timeline_values(envelope, generation=1) for envelope in (created, moved, cancelled)]
    assert shown[0]["detail"] == "{}"
    assert '"previous_start":"2026-10-23T08:00:00Z"' in shown[1]["detail"]
    assert '"start":"2026-10-24T08:00:00Z"' in shown[1]["detail"]
    assert '"actor":"attendee"' in shown[2]["detail"]
    for row in shown:
        for personal in ("kunde.example", "Person", "a cold", "still ill", "somebody"):
            assert personal not in repr(row)


def test_a_booking_is_found_by_titles_names_addresses_and_numbers_in_small_letters() -> None:
    shown = snapshot(
        title="Beratung ",
        attendees=(attendee("a1", name="Ilse Brandvold", phone="+49 30 1"),),
        hosts=(Host(id="h1", email="Mara@Studio.example", name=" "),),
        guests=(GuestSnapshot(email="G@kunde.example", contact_id="c-g"),),
    )
    words = search_text(history(shown)[0].booking).split("\n")
    assert words == [
        "beratung",
        "erstgespräch",
        "ilse brandvold",
        "a1@kunde.example",
        "+49 30 1",
        "mara@studio.example",
        "g@kunde.example",
    ]


def test_a_forgotten_booker_leaves_neither_address_nor_words() -> None:
    booking = facts()[-1].booking
    booker = booking.booker
    assert booker is not None
    left = without(booking, booker)
    assert (left.attendees[0].email, left.attendees[0].name, left.notes, left.last_reason) == (None,) * 4
    assert left.cancel is not None
    assert (left.cancel.reason, left.cancel.actor) == (None, "attendee")
    assert left.guests[0].email == "g@kunde.example"
    assert left.attendees[0].contact_id == booker
    assert without(booking, "c-g").guests[0].email is None
    assert without(booking, "c-unknown") == booking


@pytest.mark.parametrize(
    ("sink", "acts"),
    [
        (SinkRegistration("m", "booking", handles=frozenset()), True),
        (SinkRegistration("m", "contact", events=frozenset({"BookingCreated"})), True),
        (SinkRegistration("r", "reactor"), True),
        (SinkRegistration("r", "reactor", handles=frozenset({"BookingMoved"})), False),
        (SinkRegistration("r", "reactor", handles=frozenset({"BookingCancelled"})), True),
        (SinkRegistration("r", "reactor", events=frozenset({"BookingCreated"})), False),
    ],
)
def test_a_mirror_follows_every_event_and_a_reactor_its_own(sink: SinkRegistration, acts: bool) -> None:
    assert sink.acts_on("BookingCancelled") is acts


def test_progress_knows_what_remains() -> None:
    assert Progress(done=200, total=1_000, rate_per_second=400.0).remaining_seconds == 2.0
    assert Progress(done=0, total=1_000, rate_per_second=0.0).remaining_seconds is None


def test_json_text_passes_and_documents_become_text() -> None:
    assert to_json_text('{"a":1}') == '{"a":1}'
    assert to_json_text(["ä", datetime(2026, 1, 1, tzinfo=UTC)]) == '["ä","2026-01-01T00:00:00Z"]'


def test_every_table_belongs_to_one_projection() -> None:
    tables = [table.__tablename__ for projection in PROJECTIONS for table in projection.tables]
    assert sorted(tables) == ["attendees", "bookings", "contacts", "provider_ids", "timeline"]
