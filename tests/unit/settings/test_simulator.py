"""`simulator:` and `${sim:TYPE}`: addresses that stay the same, and what is refused."""

import json
from pathlib import Path

import pytest

from hub.errors import ConfigError
from hub.settings import load
from hub.settings.changes import applies_after
from hub.settings.stand_ins import StandIns
from tests.unit.settings.example_adapters import ADAPTERS, ENVIRONMENT, SOUND, complaints, loaded, written

PLAYGROUND = "simulator: {types: [meetergo, notify]}\nhub: {data_dir: data}\n"
WALL = "sinks: {wall: {config: {board: '${sim:meetergo}/v4'}}}"


def board(configuration: object) -> str:
    return str(configuration.settings.sinks["wall"].config.board)  # type: ignore[attr-defined]


def test_a_reference_is_the_address_of_a_stand_in(tmp_path: Path) -> None:
    found = loaded(tmp_path, SOUND, PLAYGROUND, WALL)
    port = found.settings.simulator_ports["meetergo"]
    assert board(found) == f"http://127.0.0.1:{port}/v4"
    assert set(found.settings.simulator_ports) == {"meetergo", "notify"}
    assert len(set(found.settings.simulator_ports.values())) == 2


def test_some_write_addresses_in_a_way_of_their_own(tmp_path: Path) -> None:
    found = loaded(tmp_path, SOUND, PLAYGROUND, "sinks: {wall: {config: {board: '${sim:notify}/team'}}}")
    second = found.settings.simulator_second_ports["notify"]
    assert board(found) == f"mailto://127.0.0.1:{second}/team"
    assert second not in found.settings.simulator_ports.values()


def test_addresses_stay_the_same_from_one_start_to_the_next(tmp_path: Path) -> None:
    files = [written(tmp_path, text, f"{n}.yaml") for n, text in enumerate((SOUND, PLAYGROUND, WALL))]
    first = load(files, ENVIRONMENT, generate=True, adapters=ADAPTERS)
    assert json.loads((tmp_path / "data" / "sim.json").read_text()) == {
        **{name: str(port) for name, port in first.settings.simulator_ports.items()},
        "notify:2": str(first.settings.simulator_second_ports["notify"]),
    }
    for generate in (True, False):
        again = load(files, ENVIRONMENT, generate=generate, adapters=ADAPTERS)
        assert again.settings.simulator_ports == first.settings.simulator_ports
        assert again.settings.simulator_second_ports == first.settings.simulator_second_ports
        assert board(again) == board(first)


def test_looking_at_a_configuration_keeps_nothing(tmp_path: Path) -> None:
    loaded(tmp_path, SOUND, PLAYGROUND, WALL)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("simulator: {types: [meetrgo]}", "simulator.types[0]", "did you mean meetergo?"),
        ("simulator: {types: [caldav]}", "simulator.types[0]", "has no stand-in for a playground"),
        ("simulator: {types: [notify, notify]}", "simulator.types[1]", "stands here twice"),
        ("simulator: {types: []}", "simulator.types", ""),
        ("simulator: {}", "simulator.types", ""),
        ("simulator: {types: [notify], every: 4}", "simulator.every", "is not a duration"),
        ("simulator: {types: [notify], misbehave: perhaps}", "simulator.misbehave", ""),
        ("simulator: {types: [notify], speed: 3}", "simulator.speed", "unknown key"),
    ],
    ids=lambda value: value[:40],
)
def test_a_wrong_simulator_is_a_problem(tmp_path: Path, text: str, path: str, message: str) -> None:
    found = complaints(tmp_path, SOUND, text)
    assert list(found) == [path]
    assert message in found[path]


def test_an_address_of_what_is_not_started_is_a_problem(tmp_path: Path) -> None:
    found = complaints(tmp_path, SOUND, "simulator: {types: [notify]}", WALL)
    assert "meetergo is not among simulator.types" in found["sinks.wall.config.board"]


def test_the_data_folder_cannot_hang_on_a_stand_in(tmp_path: Path) -> None:
    found = complaints(tmp_path, SOUND, "simulator: {types: [notify]}\nhub: {data_dir: '${sim:notify}'}")
    assert "kept in this folder" in found["hub.data_dir"]


@pytest.mark.parametrize("content", ["[]", "{", '{"notify": "many", "meetergo": "1"}'])
def test_ports_that_cannot_be_read_are_a_problem(tmp_path: Path, content: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sim.json").write_text(content)
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, SOUND, PLAYGROUND)
    assert "sim.json" in str(raised.value)


def test_it_takes_effect_with_the_next_start() -> None:
    assert applies_after(("simulator", "every")) == "restart"


def test_two_stand_ins_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([20_001, 20_001, 20_002])
    monkeypatch.setattr("hub.settings.stand_ins.free_port", lambda: next(ports))
    assert StandIns(None, ("meetergo", "notify")).all_ports() == {"meetergo": 20_001, "notify": 20_002}
