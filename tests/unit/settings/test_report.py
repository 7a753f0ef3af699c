from pathlib import Path

import pytest

from hub.errors import ConfigError, Problem
from hub.settings import load
from hub.settings.report import config_error, format_problems
from tests.unit.settings.example_adapters import ADAPTERS, SOUND, written


def test_the_report_has_a_line_per_problem_and_a_command_to_paste() -> None:
    problems = [
        Problem(
            "config/live.yaml", 44, 14, "sinks.crm.config.token", "${T} is not set; looked in the environment"
        ),
        Problem("config/live.yaml", 12, 5, "sources.meetergo.webhok", "unknown key; did you mean webhook?"),
        Problem("config/live.yaml", 18, 13, "sources.meetergo.poll.every", '"5" is not a duration'),
    ]
    assert str(config_error(problems, [Path("config/live.yaml")])) == (
        "config/live.yaml: 3 problems\n"
        "  12:5   sources.meetergo.webhok              unknown key; did you mean webhook?\n"
        '  18:13  sources.meetergo.poll.every          "5" is not a duration\n'
        "  44:14  sinks.crm.config.token               ${T} is not set; looked in the environment\n"
        "nothing was started; check again with: bookinghub config check --config config/live.yaml"
    )


def test_with_layers_each_problem_stands_under_its_file() -> None:
    problems = [Problem("b c.yaml", 1, 1, "x", "later"), Problem("a.yaml", 2, 1, "y", "first")]
    report = str(config_error(problems, [Path("a.yaml"), Path("b c.yaml")])).splitlines()
    assert [line.split()[0] for line in report] == ["a.yaml:", "2:1", "b", "1:1", "nothing"]
    assert report[0] == "a.yaml: 1 problem"
    assert report[-1].endswith("--config a.yaml --config 'b c.yaml'")


def test_a_problem_is_reported_once() -> None:
    problem = Problem("a.yaml", 1, 1, "x", "wrong")
    assert config_error([problem, problem], [Path("a.yaml")]).problems == (problem,)


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    report = format_problems([Problem("a.yaml", 1, 1, "a\nb", "\x1b[31m\ud800\u202e")])
    assert report.splitlines()[1].split() == ["1:1", "a\\nb", "\\x1b[31m\\ud800\\u202e"]


def test_all_kinds_of_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
hub: {timezone: Mars}
sources:
  front:
    type: desk
    webhok: {token: x}
    webhook: {token: "${ABSENT}"}
    webhook: {}
    silence: 3h
sinks:
  wall:
    type: board
    grace: 5
    hand_edits: revert
    config:
      board: main
      texts: {title: {title}: {notes}}
  wall2:
    type: bord
"""
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load([file], {}, adapters=ADAPTERS)
    assert [(p.line, p.message.split(";")[0][:32]) for p in caught.value.problems] == [
        (1, '"Mars" is not a time zone'),
        (5, "unknown key"),
        (6, "${ABSENT} is not set"),
        (7, "duplicate key"),
        (8, "needs the credentials of the pro"),
        (12, '"5" is not a duration'),
        (13, '"revert" is not one of report, r'),
        (16, "a template has to stand in quote"),
        (18, '"bord" is not an installed adapt'),
    ]
    assert str(caught.value).startswith(f"{file}: 9 problems\n")


def test_a_problem_of_a_merged_key_names_the_file_it_stands_in(tmp_path: Path) -> None:
    lower = written(tmp_path, SOUND + "    max_age: 1\n", "lower.yaml")
    upper = written(tmp_path, "sinks: {wall: {grace: 2, config: {logo: '${ABSENT}'}}}", "upper.yaml")
    with pytest.raises(ConfigError) as caught:
        load([lower, upper], {"FRONT_TOKEN": "x" * 16}, adapters=ADAPTERS)
    assert [(Path(p.file).name, p.path) for p in caught.value.problems] == [
        ("lower.yaml", "sinks.gong.max_age"),
        ("upper.yaml", "sinks.wall.grace"),
        ("upper.yaml", "sinks.wall.config.logo"),
    ]


@pytest.mark.parametrize("kind", ["absent", "folder", "unnameable"])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    file = {"absent": tmp_path / "no.yaml", "folder": tmp_path / "folder", "unnameable": tmp_path / "a\0b"}[
        kind
    ]
    with pytest.raises(ConfigError) as caught:
        load([file], {})
    expected = "there is no such file" if kind == "absent" else "cannot be read"
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (1, 1)
    assert problem.message.startswith(expected)


def test_all_unreadable_layers_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load([written(tmp_path, "a: [", "a.yaml"), written(tmp_path, "", "b.yaml")], {})
    assert [Path(p.file).name for p in caught.value.problems] == ["a.yaml", "b.yaml"]
