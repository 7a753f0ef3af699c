import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from hub.cli.config import app

ROOT = Path(__file__).parents[3]
EMPTY = "hub: {timezone: Europe/Berlin}\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def sound(tmp_path: Path) -> str:
    file = tmp_path / "live.yaml"
    file.write_text(EMPTY)
    return str(file)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    file = tmp_path / "bad.yaml"
    file.write_text("hubb: {}\nhttp: {listen: 1}\n")
    return str(file)


def test_check_says_that_all_is_well(sound: str) -> None:
    result = run("check", "--config", sound)
    assert result.exit_code == 0
    assert result.stdout.endswith(f"{sound}: no problems\n")
    assert f"{sound}: 2 warnings\n" in result.stdout


def test_strict_makes_warnings_problems(sound: str) -> None:
    result = run("check", "--strict", "--config", sound)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{sound}: 2 problems\n")
    assert result.stdout == ""


def test_check_reports_every_problem_on_stderr(bad: str) -> None:
    result = run("check", "--config", bad)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == f"{bad}: 2 problems"
    assert lines[1].split(maxsplit=2)[:2] == ["1:1", "hubb"]
    assert lines[-1] == f"nothing was started; check again with: bookinghub config check --config {bad}"


def test_check_gives_one_json_object(sound: str, bad: str) -> None:
    fine, wrong = run("check", "--json", "--config", sound), run("check", "--json", "--config", bad)
    assert (fine.exit_code, wrong.exit_code) == (0, 2)
    assert (fine.stderr, wrong.stderr) == ("", "")
    assert json.loads(fine.stdout)["ok"] is True
    assert len(json.loads(fine.stdout)["warnings"]) == 2
    found = json.loads(wrong.stdout)
    assert (found["ok"], found["files"]) == (False, [bad])
    assert found["problems"][0] == {
        "file": bad,
        "line": 1,
        "column": 1,
        "path": "hubb",
        "message": "unknown key; did you mean hub?",
    }
    assert wrong.stdout.count("\n") == 1
    strict = run("check", "--json", "--strict", "--config", sound)
    assert strict.exit_code == 2
    assert len(json.loads(strict.stdout)["problems"]) == 2


def test_the_default_file_is_the_one_here_else_that_of_the_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("check").stdout.endswith(f"{ROOT / 'config' / 'hub.yaml'}: no problems\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hub.yaml").write_text("hubb: {}\n")
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith("config/hub.yaml: 1 problem\n")


def test_a_file_that_is_not_there_is_a_problem() -> None:
    result = run("check", "--config", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml: 1 problem\n" in result.stderr
    assert "there is no such file" in result.stderr


def test_show_prints_what_is_in_effect(sound: str, tmp_path: Path) -> None:
    upper = tmp_path / "upper.yaml"
    upper.write_text("store: {url: 'postgresql://joe:hush@h/d'}\nhttp: {listen: 0.0.0.0:1}\n")
    result = run("show", "--config", sound, "--config", str(upper))
    assert result.exit_code == 0
    assert "  timezone: Europe/Berlin\n" in result.stdout
    assert "  listen: 0.0.0.0:1\n" in result.stdout
    assert "  url: postgresql://joe:***@h/d\n" in result.stdout
    as_json = json.loads(run("show", "--json", "--config", sound).stdout)
    assert list(as_json) == ["hub", "http", "nats", "store", "logging", "simulator", "sources", "sinks"]


def test_show_of_a_bad_configuration_is_a_problem_object(bad: str) -> None:
    result = run("show", "--json", "--config", bad)
    assert (result.exit_code, result.stdout) == (2, "")
    problem = json.loads(result.stderr)
    assert problem["code"] == "invalid"
    assert [error["pointer"] for error in problem["errors"]] == ["hubb", "http.listen"]
    assert problem["next"] == f"bookinghub config check --config {bad}"


def test_explain_answers_for_people_and_programs(sound: str) -> None:
    result = run("explain", "hub.timezone", "--config", sound)
    assert result.exit_code == 0
    assert result.stdout.startswith("hub.timezone\n  time zone (IANA)")
    assert f"  origin    {sound}:1\n" in result.stdout
    assert "  applies   after a reload\n" in result.stdout
    found = json.loads(run("explain", "hub.timezone", "--json", "--config", sound).stdout)
    assert (found["value"], found["default"], found["applies"]) == ("Europe/Berlin", "UTC", "reload")


def test_explain_of_an_unknown_key_is_a_usage_error(sound: str) -> None:
    result = run("explain", "hub.timezon", "--config", sound)
    assert result.exit_code == 2
    assert result.stderr == 'there is no key "hub.timezon"; did you mean hub.timezone?\n'
    assert json.loads(run("explain", "x", "--json", "--config", sound).stderr)["code"] == "invalid"


def test_fields_and_schema_are_listed() -> None:
    assert "attendees.names " in run("fields").stdout
    lines = run("fields", "--json").stdout.splitlines()
    assert {"field": "title", "meaning": "title of the booking"} in map(json.loads, lines)
    assert json.loads(run("schema").stdout) == json.loads(run("schema", "--json").stdout)
    assert run("schema", "--json").stdout.count("\n") == 1


@pytest.mark.parametrize("command", [["check"], ["show"], ["explain", "hub"], ["fields"], ["schema"]])
def test_the_common_options_stand_after_every_command(command: list[str], sound: str) -> None:
    common = ["--config", sound, "--url", "http://127.0.0.1:1", "--yes", "--json"]
    assert run(*command, *common).exit_code == 0


def test_no_command_makes_a_file(sound: str) -> None:
    Path(sound).write_text(EMPTY + "hub2: ~\n")
    for command in (["check"], ["show"], ["explain", "hub"]):
        run(*command, "--config", sound)
    assert [entry.name for entry in Path(sound).parent.iterdir()] == ["live.yaml"]
