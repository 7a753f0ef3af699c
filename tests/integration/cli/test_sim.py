"""`bookinghub sim …` against a served hub."""

import pytest

from tests.integration.cli.served import bookinghub
from tests.integration.web.test_sim import Playground
from tests.integration.web.world import World


@pytest.fixture
def playground(world: World) -> Playground:
    made = Playground()
    world.using(playground=made)
    return made


@pytest.fixture
def played(playground: Playground, hub: World) -> Playground:
    """The same, once the hub with it is served."""
    return playground


def test_acts_go_to_the_provider(played: Playground, hub: World) -> None:
    hub.booking()
    for arguments, asked in (
        (
            ("book", "--name", "Nora", "--email", "n@guests.example"),
            {"name": "Nora", "email": "n@guests.example"},
        ),
        (("move", "b1", "--to", "2026-12-01T09:00:00Z"), {"id": "b1", "start": "2026-12-01T09:00:00+00:00"}),
        (("cancel", "b1", "--reason", "ill"), {"id": "b1", "reason": "ill"}),
        (("no-show", "b1", "--attendee", "a1", "--undo"), {"id": "b1", "attendee": "a1", "undo": True}),
    ):
        ran = bookinghub("sim", *arguments)
        assert (ran.code, ran.out) == (0, ""), ran.err
        assert ran.err.startswith(f"{arguments[0]} at meetergo done: b1")
        assert played.asked.pop() == ("play", "meetergo", {"act": arguments[0]} | asked)


def test_with_json_the_object_is_printed(played: Playground, hub: World) -> None:
    shown = bookinghub("sim", "book", "--json").json
    assert set(shown) == {"act", "target", "asked", "done", "dry_run"}
    assert shown["done"]["id"] == "b1"


def test_breaking_and_healing(played: Playground, hub: World) -> None:
    assert bookinghub("sim", "break", "google_calendar", "--status", "500", "--times", "2").code == 0
    assert played.asked.pop() == ("break", "google_calendar", {"kind": "status", "status": 500, "times": 2})
    assert bookinghub("sim", "break", "meetergo", "--webhooks", "lost").code == 0
    assert played.asked.pop() == ("misplace", "meetergo", {"lost": 1})
    assert bookinghub("sim", "heal", "meetergo").code == 0
    assert played.asked == [("heal", "meetergo")]


def test_a_reset_asks_first(played: Playground, hub: World) -> None:
    ran = bookinghub("sim", "reset")
    assert (ran.code, played.asked) == (2, [])
    assert "--yes" in ran.err
    assert bookinghub("sim", "reset", typed="n\n").code == 0
    assert bookinghub("sim", "reset", "--dry-run").code == 0
    assert played.asked == []
    assert bookinghub("sim", "reset", "--yes").code == 0
    assert played.asked == [("reset",)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("break",),
        ("break", "moon"),
        ("break", "meetergo", "--webhooks", "lost", "--status", "500"),
        ("move", "--to", "soon"),
        ("no-show", "--attendee", "ilse"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_code_2_and_does_nothing(
    played: Playground, hub: World, arguments: tuple[str, ...]
) -> None:
    ran = bookinghub("sim", *arguments)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert played.asked == []


def test_a_hub_without_a_playground_says_so(hub: World) -> None:
    ran = bookinghub("sim", "book")
    assert ran.code == 1
    assert "bookinghub config explain simulator" in ran.err
