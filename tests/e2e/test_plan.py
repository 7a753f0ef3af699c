"""What people did in the calendar is found and exactly that repaired; a stranger's entries stay."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.google_calendar.entries import EntryKey
from tests.contract.google_calendar.my_world import OWNER, MyWorld, World
from tests.e2e.harness import CALENDAR, CalendarStandIn, Hub, calendar_stand_in, running_hub, wait_until
from tests.e2e.life import Life

SINK = "team-calendar"


class Place:
    """A calendar system over HTTP, and the hands of a person in it."""

    def __init__(self, url: str, token: str, calendar: str) -> None:
        self.url, self.token, self.calendar = url, token, calendar

    @property
    def sink(self) -> dict[str, Any]:
        return {
            "type": "google_calendar",
            "grace": "100ms",
            "config": {
                "base_url": self.url,
                "credentials": {"access_token": self.token},
                "calendar": self.calendar,
            },
        }

    def by_hand(self, method: str, entry_id: str = "", **members: Any) -> Any:
        below = f"/{entry_id}" if entry_id else ""
        answer = httpx.request(
            method,
            f"{self.url}calendars/{self.calendar}/events{below}",
            json=members or None,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        ).raise_for_status()
        return answer.json() if answer.content else None

    def entries(self) -> dict[str, dict[str, Any]]:
        """What a person sees, by id."""
        return {
            entry["id"]: entry for entry in self.by_hand("GET")["items"] if entry["status"] != "cancelled"
        }


@pytest.fixture(params=["stand-in", "myworld"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "stand-in":
        with calendar_stand_in(tmp_path) as calendar:
            yield place_of(calendar)
        return
    server = MyWorld(tmp_path)
    world = World(server)
    yield Place(world.url, world.token, OWNER)
    world.close()
    server.stop()


def place_of(calendar: CalendarStandIn) -> Place:
    return Place(f"{calendar.url}/calendar/v3/", "an-access-token-of-the-tests", CALENDAR)


def booked(hub: Hub, count: int) -> list[Life]:
    """So many bookings at the provider, each with its entry."""
    lives = [Life(number, random.Random(number)) for number in range(count)]
    for life in lives:
        assert hub.post(life.created()).status_code == 200
    hub.settle()
    return lives


def entry_of(place: Place, life: Life) -> dict[str, Any]:
    (entry,) = [one for one in place.entries().values() if _booking_of(one) == life.booking_id]
    return entry


def planned(hub: Hub, *arguments: str) -> tuple[int, list[tuple[str, str, str]], dict[str, int]]:
    ran = hub.cli("plan", SINK, "--json", "--exit-code", *arguments, check=False)
    *items, last = [json.loads(line) for line in ran.stdout.splitlines()]
    found = [
        (item["booking_id"], item["action"], item["cause"]) for item in items if item["action"] != "none"
    ]
    return ran.returncode, found, last["counts"]


def test_what_people_did_is_found_and_exactly_that_repaired(place: Place, tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub", sinks={SINK: place.sink}) as hub:
        lives = booked(hub, 6)
        deleted, edited, cancelled, *untouched = lives
        before = {life.booking_id: entry_of(place, life) for life in lives}
        when = {name: before[edited.booking_id][name] for name in ("start", "end")}
        stranger = place.by_hand("POST", summary="Lunch", **when)
        copied = {name: before[edited.booking_id][name] for name in ("summary", "extendedProperties")}
        copy = place.by_hand("POST", **copied, **when)
        assert planned(hub)[:2] == (0, [])

        outlived = orphan(place, before[cancelled.booking_id])
        place.by_hand("DELETE", before[deleted.booking_id]["id"])
        place.by_hand("PATCH", before[edited.booking_id]["id"], summary="Mine now")
        code, found, counts = planned(hub)
        assert code == 3
        assert sorted(found) == sorted(
            [
                (deleted.booking_id, "create", "deleted_by_hand"),
                (edited.booking_id, "change", "edited_by_hand"),
                ("a-booking-nobody-knows", "remove", "unknown_booking"),
            ]
        )
        assert (counts["in_step"], counts["compared"]) == (4, 6)
        shown = hub.cli("plan", SINK).stdout
        assert "summary  Mine now → Demo: Ada 1" in shown
        assert "1 to create, 1 to change, 1 to remove, 4 in step." in shown

        refused = hub.cli("apply", SINK, check=False)
        assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
        assert outlived in place.entries()
        applied = hub.cli("apply", SINK, "--yes")
        assert "3 done of 3 objects" in applied.stderr
        assert planned(hub)[:2] == (0, [])
        assert "All 6 in step." in hub.cli("plan", SINK).stdout

        after = place.entries()
        assert outlived not in after
        assert entry_of_all(place, lives, without=copy["id"]) == [life.booking_id for life in lives]
        for entry in (stranger, copy, *(before[life.booking_id] for life in untouched)):
            assert after[entry["id"]]["etag"] == entry["etag"], "nobody touched it"
        restored = [one for one in after.values() if _booking_of(one) == edited.booking_id]
        assert {one["summary"] for one in restored if one["id"] != copy["id"]} == {"Demo: Ada 1"}


def test_an_entry_put_back_after_its_booking_was_cancelled_is_removed(tmp_path: Path) -> None:
    with (
        calendar_stand_in(tmp_path) as calendar,
        running_hub(tmp_path / "hub", sinks={SINK: place_of(calendar).sink}) as hub,
    ):
        place = place_of(calendar)
        (life,) = booked(hub, 1)
        entry = entry_of(place, life)
        assert hub.post(life.cancelled()).status_code == 200
        wait_until(lambda: not place.entries(), what="the removal")
        hub.settle()
        place.by_hand("PATCH", entry["id"], status="confirmed")
        assert planned(hub)[:2] == (3, [(life.booking_id, "remove", "outlived")])
        assert "(cancelled)" in hub.cli("plan", SINK, "--booking", life.booking_id).stdout
        hub.cli("apply", SINK, "--booking", life.booking_id, "--yes")
        assert place.entries() == {}
        assert planned(hub)[:2] == (0, [])


def test_a_written_plan_refuses_what_changed_since(tmp_path: Path) -> None:
    with (
        calendar_stand_in(tmp_path) as calendar,
        running_hub(tmp_path / "hub", sinks={SINK: place_of(calendar).sink}) as hub,
    ):
        place = place_of(calendar)
        lives = booked(hub, 2)
        for life in lives:
            place.by_hand("PATCH", entry_of(place, life)["id"], summary="Mine now")
        file = tmp_path / "plan.jsonl"
        assert planned(hub, "--out", str(file))[0] == 3
        place.by_hand("PATCH", entry_of(place, lives[1])["id"], summary="Mine again")
        applied = hub.cli("apply", str(file), "--yes", "--json", check=False)
        assert applied.returncode == 4
        *told, last = [json.loads(line) for line in applied.stdout.splitlines()]
        assert {one["booking_id"]: one["result"] for one in told if one["result"] != "done"} == {
            lives[1].booking_id: "refused"
        }
        assert last["counts"] == {"done": 1, "refused": 1, "failed": 0, "waiting": 0}
        assert [entry_of(place, life)["summary"] for life in lives] == ["Demo: Ada 0", "Mine again"]


def test_a_check_by_schedule_reports_or_repairs(tmp_path: Path) -> None:
    with calendar_stand_in(tmp_path) as calendar:
        place = place_of(calendar)
        reporting = place.sink | {"drift": {"every": "400ms"}}
        with running_hub(tmp_path / "hub", sinks={SINK: reporting}) as hub:
            (life,) = booked(hub, 1)
            place.by_hand("PATCH", entry_of(place, life)["id"], summary="Mine now")

            def issues() -> list[str]:
                return [issue["code"] for issue in hub.items("issues")]

            wait_until(lambda: issues() == ["drift_found"], what="the issue")
            assert hub.api(f"bookings/{life.booking_id}")["in_step"] == {SINK: "drifted"}
            assert hub.api("status")["sinks"][SINK]["out_of_step"] == 1
            assert entry_of(place, life)["summary"] == "Mine now"
            hub.cli("apply", "--yes")
            wait_until(lambda: issues() == [], what="its end")
            assert entry_of(place, life)["summary"] == "Demo: Ada 0"
            assert hub.terminate() == 0
        repairing = place.sink | {"drift": {"every": "400ms", "repair": True}}
        hub = Hub(tmp_path / "hub", sinks={SINK: repairing})
        try:
            hub.start()
            place.by_hand("DELETE", entry_of(place, life)["id"])
            wait_until(lambda: place.entries(), what="the entry put back")
            assert entry_of(place, life)["summary"] == "Demo: Ada 0"
            (row,) = [row for row in hub.items("operations") if row["kind"] == "drift"][:1]
            assert row["done"] == 1 or row["state"] == "running"
        finally:
            hub.close()


def orphan(place: Place, like: dict[str, Any]) -> str:
    """An entry that this installation could have made for a booking that no log knows."""
    private = dict(like["extendedProperties"]["private"])
    installation, generation = private["hub_installation"], int(private["hub_generation"])
    key = EntryKey(installation, place.calendar, "meetergo", "a-booking-nobody-knows", "")
    private["hub"] = key.hub
    made = place.by_hand(
        "POST",
        id=key.entry_id(generation),
        summary="Left behind",
        extendedProperties={"private": private},
        start=like["start"],
        end=like["end"],
    )
    return str(made["id"])


def entry_of_all(place: Place, lives: list[Life], *, without: str) -> list[str]:
    """The bookings that are shown, each as often as it is."""
    known = {life.booking_id for life in lives}
    shown = [_booking_of(entry) for id, entry in place.entries().items() if id != without]
    return sorted(booking for booking in shown if booking in known)


def _booking_of(entry: dict[str, Any]) -> str:
    private = entry.get("extendedProperties", {}).get("private", {})
    return str(private.get("hub", "")).removeprefix("meetergo:")
