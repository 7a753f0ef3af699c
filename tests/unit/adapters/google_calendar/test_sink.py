"""Which parts there are, what would be written, and what a receipt means, without a call."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.api import AdapterContext, Receipt
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.entries import EntryKey
from adapters.google_calendar.sink import GoogleCalendarSink
from adapters.testing import sample_states
from events.state import Host

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()
NOBODY = "http://127.0.0.1:9/calendar/v3/"


def sink(**members: Any) -> GoogleCalendarSink:
    where = {} if members.get("per") == "host" else {"calendar": "team@studio.example"}
    base = {"base_url": NOBODY, "credentials": {"access_token": "x"}} | where
    context = AdapterContext(
        instance="team-calendar",
        installation_id="installation",
        clock=lambda: datetime(2026, 10, 20, tzinfo=UTC),
        timezone="Europe/Berlin",
    )
    return GoogleCalendarSink(GoogleCalendarConfig.model_validate(base | members), context)


def test_a_booking_has_one_part_or_one_per_host_with_an_address() -> None:
    hosts = (
        Host(id="h-1", email="mara@studio.example"),
        Host(id="h-2"),
        Host(id="h-3", email="jo@studio.example"),
        Host(id="h-1", email="mara@studio.example"),
    )
    booking = BOOKED.model_copy(update={"hosts": hosts})
    assert sink().parts(booking) == ("",)
    assert sink(per="host").parts(booking) == ("h-1", "h-3")


def test_the_preview_is_what_would_be_shown() -> None:
    shown = sink().preview(BOOKED, "")
    assert shown["summary"] == "Erstgespräch: Quendolin, Bo"
    assert (shown["start"], shown["transparency"]) == ("2026-10-23T08:00:00Z", "transparent")
    assert "calendar" not in shown
    assert sink(per="host").preview(BOOKED, "h-1") == shown | {"calendar": "mara@studio.example"}
    assert sink().preview(CANCELLED, "") == {}
    assert sink(on_cancel="mark").preview(CANCELLED, "")["summary"].startswith("Cancelled: ")
    assert sink(per="host").preview(BOOKED, "h-unknown") == {}


def test_another_calendar_or_address_is_another_target() -> None:
    targets = {
        sink().target(),
        sink(calendar="other@studio.example").target(),
        sink(base_url="http://127.0.0.1:10/calendar/v3/").target(),
        sink(per="host").target(),
    }
    assert len(targets) == 4


def test_the_place_of_a_hosts_entry_is_known_before_it_is_written() -> None:
    per_host = sink(per="host")
    intended = per_host.intended(BOOKED, "h-1")
    assert intended is not None
    key = EntryKey("installation", "mara@studio.example", "meetergo", "b-1001", "h-1")
    assert intended.external_id == key.entry_id(0)
    assert intended.data["calendar"] == "mara@studio.example"
    assert sink().intended(BOOKED, "") is None
    assert per_host.intended(CANCELLED, "h-1") is None


@pytest.mark.parametrize(
    "receipt",
    [
        None,
        Receipt(external_id="x", target="https://elsewhere/", data={"generation": 4}),
        Receipt(external_id="x", target=f"{NOBODY}calendars/team@studio.example", data={"odd": 1}),
    ],
    ids=["none", "of another target", "of another making"],
)
async def test_without_a_booking_and_a_receipt_of_ours_there_is_nothing_to_remove(
    receipt: Receipt | None,
) -> None:
    assert await sink().sync(None, "", receipt) is None
