"""What the YAML of a resources sink may say, and where each mistake is reported."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.resources import adapter
from adapters.resources.config import ResourcesConfig
from hub.errors import ConfigError
from hub.settings import load

MINIMAL: dict[str, Any] = {
    "pools": {"room": ["Atelier"]},
    "assign": [{"meeting_type": "*", "needs": {"room": 1}}],
}


def test_pools_and_needs_are_enough() -> None:
    config = ResourcesConfig.model_validate(MINIMAL)
    (entry,) = config.assign
    assert (entry.setup, entry.teardown, config.release_on) == (timedelta(0), timedelta(0), ("cancelled",))
    assert entry.meeting_type == ("*",)


def test_the_first_entry_that_fits_any_name_of_the_type_counts() -> None:
    rules = [
        {"meeting_type": "vor-ort-beratung", "needs": {"room": 1}},
        {"meeting_type": ["vor-ort-*", "mt-7"], "needs": {"room": 1}, "setup": "10m"},
    ]
    config = ResourcesConfig.model_validate(MINIMAL | {"assign": rules})
    assert config.assignment(["Vor-Ort-Beratung"]) is config.assign[0]
    assert config.assignment(["x", "vor-ort-tag"]) is config.assign[1]
    assert config.assignment(["MT-7"]) is config.assign[1]
    assert config.assignment(["online"]) is None
    assert config.assignment([]) is None


@pytest.mark.parametrize(
    "names", [[""], ["a" * 61], ["two\nlines"], [" "]], ids=["empty", "long", "lines", "blank"]
)
def test_a_unit_has_a_name_people_can_read(names: list[str]) -> None:
    with pytest.raises(ValidationError, match="is not a name"):
        ResourcesConfig.model_validate(MINIMAL | {"pools": {"room": names}})


def test_the_adapter_is_a_sink_of_this_config() -> None:
    assert adapter.sink_config is ResourcesConfig
    assert adapter.source is None


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "hub.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load([file], {})
    found = caught.value.problems
    assert len({(problem.line, problem.column) for problem in found}) == len(found)
    return [f"{problem.line}:{problem.column} {problem.path}: {problem.message}" for problem in found]


def test_wrong_kinds_and_sizes_are_reported_at_their_place(tmp_path: Path) -> None:
    text = """\
sinks:
  rooms:
    type: resources
    config:
      pools: {room: [], beamer: Beamer}
      assign:
        - {meeting_type: "", needs: {room: 0}, setup: 25h}
        - {meeting_type: [], needs: {}}
        - {needs: {room: 1}, teardown: soon}
      release_on: [never]
"""
    assert problems(tmp_path, text) == [
        "5:21 sinks.rooms.config.pools.room: the list is empty; leave it out or name something",
        '5:33 sinks.rooms.config.pools.beamer: a list is wanted here, such as [A, B], not "Beamer"',
        "7:26 sinks.rooms.config.assign[0].meeting_type: an empty pattern fits nothing; write * for anything",
        '7:44 sinks.rooms.config.assign[0].needs.room: "0" is too little; the least is 1',
        "7:55 sinks.rooms.config.assign[0].setup: is longer than 24h",
        "8:26 sinks.rooms.config.assign[1].meeting_type: the list is empty; leave it out or name something",
        "8:37 sinks.rooms.config.assign[1].needs: the list is empty; leave it out or name something",
        "9:11 sinks.rooms.config.assign[2].meeting_type: missing; id, slug or name of the meeting type, "
        "* stands for anything; a list is any of them",
        '9:40 sinks.rooms.config.assign[2].teardown: "soon" is not a duration; write 5m, 2h or 7d',
        '10:20 sinks.rooms.config.release_on[0]: "never" is not one of cancelled, no_show',
    ]


def test_what_does_not_fit_together_is_reported_at_each_place_at_once(tmp_path: Path) -> None:
    text = """\
sinks:
  rooms:
    type: resources
    config:
      pools:
        room: [Atelier, Galerie, atelier]
        beamer: [Beamer 1, Galerie]
      assign:
        - {meeting_type: vor-ort-*, needs: {rom: 1, beamer: 3}}
        - {meeting_type: [demo, VOR-ORT-beratung], needs: {room: 1, x: 9}}
        - {meeting_type: demo, needs: {room: 4}}
      release_on: [no_show]
"""
    assert problems(tmp_path, text) == [
        "6:34 sinks.rooms.config.pools.room[2]: atelier is named already above in this pool",
        "7:28 sinks.rooms.config.pools.beamer[1]: Galerie is named already in the pool room",
        "9:45 sinks.rooms.config.assign[0].needs.rom: there is no pool rom; did you mean room?",
        "9:61 sinks.rooms.config.assign[0].needs.beamer: 3 are needed, the pool beamer has 2",
        "10:33 sinks.rooms.config.assign[1].meeting_type[1]: "
        "never reached: vor-ort-* in entry 1 takes it all; put it first",
        "10:69 sinks.rooms.config.assign[1].needs.x: there is no pool x; known: beamer, room",
        "11:26 sinks.rooms.config.assign[2].meeting_type: "
        "never reached: demo in entry 2 takes it all; put it first",
        "11:46 sinks.rooms.config.assign[2].needs.room: 4 are needed, the pool room has 3",
        "12:19 sinks.rooms.config.release_on: "
        "cancelled cannot be left out: what does not take place needs no room",
    ]


def test_two_sinks_with_the_same_pools_get_a_warning(tmp_path: Path) -> None:
    sink = "{type: resources, config: {pools: {room: [A]}, assign: [{meeting_type: x, needs: {room: 1}}]}}"
    file = tmp_path / "hub.yaml"
    file.write_text(f"sinks:\n  rooms: {sink}\n  halls: {sink}\n")
    warnings = [problem.message for problem in load([file], {}).settings.warnings]
    assert "the sink rooms writes to the same pools" in warnings
