"""`/api/v1/sim/…`: what people do at the playground, through the hub."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hub.errors import HubError
from tests.factories import attendee
from tests.integration.web.world import World


class Playground:
    """Notes what it was asked."""

    def __init__(self) -> None:
        self.types: tuple[str, ...] = ("meetergo", "google_calendar")
        self.asked: list[tuple[str, ...] | tuple[str, str, Mapping[str, Any]]] = []
        self.refusal: str | None = None

    async def play(self, type_name: str, act: Mapping[str, Any]) -> dict[str, Any]:
        if self.refusal:
            raise HubError(self.refusal)
        self.asked.append(("play", type_name, dict(act)))
        return {"id": "b1", "start": "2026-10-24T08:00:00.000Z"}

    async def break_down(self, type_name: str, fault: Mapping[str, Any]) -> None:
        self.asked.append(("break", type_name, dict(fault)))

    async def misplace(self, type_name: str, mishap: str, *, share: float) -> None:
        self.asked.append(("misplace", type_name, {mishap: share}))

    async def heal(self, type_name: str) -> None:
        self.asked.append(("heal", type_name))

    async def reset(self) -> None:
        self.asked.append(("reset",))


@pytest.fixture
def playground(world: World) -> Playground:
    made = Playground()
    sinks = dict(world.settings.sinks)
    sinks["team-calendar"] = sinks["team-calendar"].model_copy(update={"type": "google_calendar"})
    world.using(playground=made, settings=replace(world.settings, sinks=sinks))
    return made


async def post(world: World, act: str, **asked: Any) -> Any:
    return await world.client("operate").post(f"/api/v1/sim/{act}", json=asked)


async def test_a_booking_is_moved_by_what_people_call_it(world: World, playground: Playground) -> None:
    world.booking(attendees=[attendee("a1", name="Ilse Brandvold")])
    answer = await post(world, "move", booking="ilse", start="2026-10-27 10:00")
    assert answer.status_code == 200, answer.text
    asked = {"act": "move", "id": "b1", "start": "2026-10-27T09:00:00+00:00"}
    assert playground.asked == [("play", "meetergo", asked)]
    assert answer.json() == {
        "act": "move",
        "target": "meetergo",
        "asked": asked,
        "done": {"id": "b1", "start": "2026-10-24T08:00:00.000Z"},
        "dry_run": False,
    }


async def test_without_a_booking_the_provider_chooses(world: World, playground: Playground) -> None:
    for act, asked in (
        ("book", {"name": "Nora", "email": "n@guests.example"}),
        ("cancel", {"reason": "ill"}),
    ):
        assert (await post(world, act, **asked)).status_code == 200
        assert playground.asked.pop() == ("play", "meetergo", {"act": act, **asked})
    assert (await post(world, "no-show", undo=True)).status_code == 200
    assert playground.asked.pop() == ("play", "meetergo", {"act": "no-show", "undo": True})


async def test_a_guest_is_found_in_the_booking(world: World, playground: Playground) -> None:
    people = [attendee("a1", name="Ilse Brandvold"), attendee("a2", name="Jon Ekdal")]
    world.booking(attendees=people)
    for named in ("a2", "ekdal", "a2@kunde.example"):
        assert (await post(world, "no-show", booking="b1", attendee=named)).status_code == 200
        asked = {"act": "no-show", "id": "b1", "attendee": "a2", "undo": False}
        assert playground.asked.pop() == ("play", "meetergo", asked)
    assert (await post(world, "no-show", booking="b1", attendee="hedda")).status_code == 404
    assert (await post(world, "no-show", attendee="jon")).status_code == 422


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        ({"target": "team-calendar"}, ("break", {"kind": "status", "status": 503, "times": None})),
        (
            {"target": "google_calendar", "kind": "lost-reply", "times": 2},
            ("break", {"kind": "lost_reply", "status": 503, "times": 2}),
        ),
        (
            {"target": "google_calendar", "status": 429},
            ("break", {"kind": "status", "status": 429, "times": None}),
        ),
    ],
    ids=["sink", "type", "status"],
)
async def test_a_target_breaks(
    world: World, playground: Playground, asked: dict[str, Any], done: tuple[str, dict[str, Any]]
) -> None:
    assert (await post(world, "break", **asked)).status_code == 200
    assert playground.asked == [(done[0], "google_calendar", done[1])]


async def test_webhooks_go_astray_and_all_is_healed(world: World, playground: Playground) -> None:
    assert (await post(world, "break", target="meetergo", webhooks="lost")).status_code == 200
    assert playground.asked.pop() == ("misplace", "meetergo", {"lost": 1})
    assert (await post(world, "heal")).status_code == 200
    assert playground.asked == [("heal", "meetergo"), ("heal", "google_calendar")]
    assert (await post(world, "reset")).status_code == 200
    assert playground.asked[-1] == ("reset",)


@pytest.mark.parametrize(
    ("act", "asked"),
    [
        ("break", {}),
        ("break", {"target": "crm"}),
        ("break", {"target": "google_calendar", "kind": "earthquake"}),
        ("break", {"target": "google_calendar", "status": 700}),
        ("break", {"target": "google_calendar", "times": 0}),
        ("break", {"target": "google_calendar", "times": True}),
        ("break", {"target": "meetergo", "webhooks": "eaten"}),
        ("break", {"target": "meetergo", "webhooks": "lost", "status": 500}),
        ("move", {"start": "tomorrow"}),
        ("move", {"reason": "none"}),
        ("book", {"booking": 7}),
        ("no-show", {"undo": "yes"}),
        ("heal", {"target": "moon"}),
        ("reset", {"target": "meetergo"}),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_done(
    world: World, playground: Playground, act: str, asked: dict[str, Any]
) -> None:
    answer = await post(world, act, **asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert playground.asked == []


async def test_a_dry_run_does_nothing(world: World, playground: Playground) -> None:
    for act in ("book", "heal", "reset"):
        answer = await post(world, act, dry_run=True)
        assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert playground.asked == []


async def test_a_refusal_of_the_other_side_is_told(world: World, playground: Playground) -> None:
    playground.refusal = "the stand-in for meetergo refuses: slot-occupied"
    answer = await post(world, "book")
    assert (answer.status_code, answer.json()["code"]) == (502, "provider-refused")
    assert "slot-occupied" in answer.json()["detail"]


async def test_unknown_acts_and_small_scopes(world: World, playground: Playground) -> None:
    assert (await post(world, "dance")).status_code == 404
    assert (await world.client("read").post("/api/v1/sim/book", json={})).status_code == 403
    assert playground.asked == []


async def test_a_hub_without_a_playground_says_so(world: World) -> None:
    answer = await post(world, "book")
    assert (answer.status_code, answer.json()["code"]) == (501, "not-supported")
    assert "simulator" in answer.json()["detail"]


async def test_a_source_that_is_real_is_not_played_with(world: World, playground: Playground) -> None:
    playground.types = ("google_calendar",)
    answer = await post(world, "book")
    assert (answer.status_code, answer.json()["code"]) == (501, "not-supported")
    assert playground.asked == []
