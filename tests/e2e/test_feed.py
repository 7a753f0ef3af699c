"""A feed of the installed hub: a webhook comes in, a calendar application reads it."""

import json
import random
from pathlib import Path

import httpx
from icalendar import Calendar, Event

from tests.e2e.harness import Hub, bytes_below, running_hub
from tests.e2e.life import Life

TOKEN = "a-token-of-the-feed-of-the-tests"
SINK = {"type": "ics_feed", "grace": "0s", "config": {"token": TOKEN}}


def entries(hub: Hub, address: str) -> list[Event]:
    answer = httpx.get(address, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    found = Calendar.from_ical(answer.content).walk("VEVENT")
    return [event for event in found if isinstance(event, Event)]


def test_a_calendar_application_follows_the_bookings(tmp_path: Path) -> None:
    with running_hub(tmp_path, sinks={"for-phones": SINK}) as hub:
        shown = json.loads(hub.cli("sinks", "show", "for-phones", "--json").stdout)
        address = shown["address"]
        assert address == f"{hub.url}/feeds/for-phones/{TOKEN}.ics"
        assert entries(hub, address) == []

        life = Life(1, random.Random(1))
        assert hub.post(life.created()).status_code == 200
        hub.settle()
        (entry,) = entries(hub, address)
        assert entry.start == life.start
        etag = httpx.get(address, timeout=60).headers["etag"]
        assert httpx.get(address, headers={"If-None-Match": etag}, timeout=60).status_code == 304

        hub.kill()
        hub.start()
        assert hub.post(life.moved()).status_code == 200
        hub.settle()
        (moved,) = entries(hub, address)
        assert (moved["UID"], moved.start) == (entry["UID"], life.start)
        assert int(moved["SEQUENCE"]) > int(entry["SEQUENCE"])
        assert hub.cli("rebuild", "--yes").returncode == 0
        (same,) = entries(hub, address)
        assert same.to_ical() == moved.to_ical()

        assert hub.post(life.cancelled()).status_code == 200
        hub.settle()
        assert entries(hub, address) == []

        assert httpx.get(address.replace(TOKEN, TOKEN[::-1]), timeout=60).status_code == 404
        hub.terminate()
        telling = [path for path, content in bytes_below(tmp_path) if TOKEN.encode() in content]
        assert telling == [hub.config]
