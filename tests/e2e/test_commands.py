"""Commands of the installed hub: at the provider over HTTP, a calendar follows, and a kill in between."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.meetergo.simulated.company import PLATFORM_KEY
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, MONDAY, StandIn
from tests.e2e.harness import (
    WEBHOOK_TOKEN,
    CalendarStandIn,
    Hub,
    calendar_stand_in,
    instant,
    running_hub,
    wait_until,
)


@pytest.fixture
def meetergo(meetergo: StandIn) -> StandIn:
    """The stand-in, its clock set to the present."""
    meetergo.advance((datetime.now(UTC) - MONDAY).total_seconds())
    return meetergo


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[CalendarStandIn]:
    with calendar_stand_in(tmp_path) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path, meetergo: StandIn, calendar: CalendarStandIn) -> Iterator[Hub]:
    source = {
        "type": "meetergo",
        "webhook": {"token": WEBHOOK_TOKEN},
        "config": {"base_url": meetergo.url, "key": PLATFORM_KEY},
    }
    sinks = {"team-calendar": calendar.sink, "console": {"type": "console_log"}}
    with running_hub(tmp_path / "hub", sources={"meetergo": source}, sinks=sinks) as made:
        endpoint = {"endpoint": made.door, "eventTypes": list(BOOKING_EVENTS)}
        meetergo.send("POST", "/webhooks", **endpoint).raise_for_status()
        yield made


def hour(number: int) -> datetime:
    """A working hour of next week's Tuesday."""
    today = datetime.now(UTC)
    tuesday = today + timedelta(days=(1 - today.weekday()) % 7 + 7)
    return tuesday.replace(hour=number, minute=0, second=0, microsecond=0)


def heard(hub: Hub, meetergo: StandIn) -> None:
    """All webhooks of the provider have come and are worked."""
    meetergo.deliver(everything=True)
    hub.settle()


def acted(hub: Hub, *arguments: str) -> dict[str, Any]:
    """One command on a booking."""
    done: dict[str, Any] = json.loads(hub.cli("bookings", *arguments, "--yes", "--json").stdout)
    return done


def starts(calendar: CalendarStandIn) -> list[float]:
    return [instant(entry["start"]["dateTime"]) for entry in calendar.entries()]


def told(hub: Hub) -> list[str]:
    """What reactors were given, by type."""
    rows = hub.items("deliveries", sink="console")
    return [row["event_type"] for row in rows if row["state"] == "delivered"]


def test_the_story_of_a_group(hub: Hub, meetergo: StandIn, calendar: CalendarStandIn) -> None:
    for who in ("Ilse", "Jon", "Berit"):
        booked = meetergo.book(hour(10), kind="sprechstunde-gruppe", who=who)
    ref, (ilse, _, _) = booked["id"], booked["attendees"]
    heard(hub, meetergo)
    assert starts(calendar) == [hour(10).timestamp()]

    assert acted(hub, "cancel", ref, "--attendee", "jon@kunde.example")["facts"] == ["AttendeeRemoved"]
    assert acted(hub, "no-show", ref, "--attendee", ilse)["facts"] == ["AttendeeNoShow"]
    refused = hub.cli("bookings", "cancel", ref, "--yes", "--json", check=False)
    assert (refused.returncode, json.loads(refused.stderr)["code"]) == (1, "group-needs-scope")
    heard(hub, meetergo)
    assert starts(calendar) == [hour(10).timestamp()]

    acted(hub, "cancel", ref, "--all", "--reason", "Raum gesperrt")
    heard(hub, meetergo)
    assert starts(calendar) == []
    kinds = [event["type"] for event in hub.items("events", booking=ref)]
    shown = [kind for kind in reversed(kinds) if kind not in ("BookingDetailsChanged", "AttendeeAdded")]
    assert shown == ["BookingCreated", "AttendeeRemoved", "AttendeeNoShow", "BookingCancelled"]
    assert kinds.count("AttendeeAdded") in (0, 2)
    counters = {
        contact["email"].partition("@")[0]: (
            contact["booking_count"],
            contact["cancellation_count"],
            contact["no_show_count"],
        )
        for contact in hub.items("contacts")
    }
    assert counters == {"ilse": (1, 1, 1), "jon": (1, 1, 0), "berit": (1, 1, 0)}


@pytest.mark.parametrize("heard_first", [True, False], ids=["webhook comes first", "webhook is lost"])
def test_a_replacement_killed_in_the_middle_stays_one_meeting(
    hub: Hub, meetergo: StandIn, calendar: CalendarStandIn, heard_first: bool
) -> None:
    ref = meetergo.book(hour(10))["id"]
    heard(hub, meetergo)
    meetergo.fault(kind="delay", on="booking", seconds=1.5)
    asking = threading.Thread(target=replaced_in_vain, args=(hub, ref))
    asking.start()
    wait_until(lambda: "booking" in meetergo.made(), what="the request for a new booking")
    hub.kill()
    asking.join()
    wait_until(lambda: len(meetergo.objects()) == 2, what="the new booking at the provider")
    if heard_first:
        hub.start()
        meetergo.deliver(everything=True)
    else:
        meetergo.switch(lost=1)
        hub.start()
    wait_until(lambda: meetergo.objects()[ref]["cancelled"], what="the old half's end")
    heard(hub, meetergo)

    (booking,) = hub.items("bookings")
    assert (booking["booking_id"], booking["status"], len(booking["provider_ids"])) == (ref, "active", 2)
    assert starts(calendar) == [hour(12).timestamp()]
    assert meetergo.made().count("booking") == 1
    assert "BookingCancelled" not in told(hub)
    assert sum(not one["cancelled"] for one in meetergo.objects().values()) == 1
    why = hub.cli("why", ref).stdout
    assert "BookingReplacementRequested" in why
    assert "goes on as" in why
    assert "replacement_half_done" not in hub.cli("issues", "list").stdout


def replaced_in_vain(hub: Hub, ref: str) -> None:
    """A replacement that is asked for and whose answer never comes."""
    with suppress(httpx.TransportError):
        httpx.post(
            f"{hub.url}/api/v1/bookings/{ref}/reschedule",
            json={"to": hour(12).isoformat(), "by_replacement": True},
            headers={"Authorization": f"Bearer {hub.token}"},
            timeout=60,
        )
