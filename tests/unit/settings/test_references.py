from pathlib import Path

import pytest

from hub.settings import load_settings
from tests.unit.settings.example_adapters import (
    ADAPTERS,
    ENVIRONMENT,
    SOUND,
    complaints,
    loaded,
    problems,
    written,
)


def labels(folder: Path, value: str, **variables: str) -> dict[str, str]:
    configuration = loaded(
        folder, SOUND, f"sinks: {{wall: {{config: {{labels: {{a: {value}}}}}}}}}", **variables
    )
    found: dict[str, str] = configuration.settings.sinks["wall"].config.labels
    return found


def refusal(folder: Path, value: str, **variables: str) -> str:
    text = f"sinks: {{wall: {{config: {{labels: {{a: {value}}}}}}}}}"
    return complaints(folder, SOUND, text, **variables)["sinks.wall.config.labels.a"]


@pytest.mark.parametrize(
    ("value", "result"),
    [
        pytest.param('"${NAME}"', "Ilse", id="variable"),
        pytest.param('"<${NAME}-${NAME}>"', "<Ilse-Ilse>", id="inside a text"),
        pytest.param('"${ABSENT:-none}"', "none", id="default"),
        pytest.param('"${EMPTY:-none}"', "none", id="default for an empty one"),
        pytest.param('"${EMPTY}"', "", id="empty"),
        pytest.param('"${ABSENT:-}"', "", id="empty default"),
        pytest.param('"${NAME:-none}"', "Ilse", id="default not needed"),
        pytest.param('"${NAME:?why}"', "Ilse", id="demanded"),
        pytest.param("$$${NAME}", "$Ilse", id="dollar sign"),
        pytest.param("$${NAME}", "${NAME}", id="no reference"),
        pytest.param("a$b$", "a$b$", id="lone dollar signs"),
        pytest.param("${SHAPE}", "{a: 1}\n# x: y", id="never parsed again"),
        pytest.param("${NULL}", "null", id="never null"),
    ],
)
def test_references_are_replaced_inside_scalars(tmp_path: Path, value: str, result: str) -> None:
    quoted = value if value.startswith('"') else f"'{value}'"
    found = labels(tmp_path, quoted, NAME="Ilse", EMPTY="", SHAPE="{a: 1}\n# x: y", NULL="null")
    assert found == {"a": result}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("${ABSENT}", "${ABSENT} is not set; looked in the environment and {env}", id="not set"),
        pytest.param("${ABSENT:?ask Jon}", "${ABSENT} is not set: ask Jon; looked in", id="demanded"),
        pytest.param("${EMPTY:?ask Jon}", "${EMPTY} is empty: ask Jon; looked in", id="demanded and empty"),
        pytest.param("${BYTES}", "${BYTES} is not UTF-8", id="bytes"),
        pytest.param("${sim:board}", "${sim:board}: board is not among simulator.types", id="simulator"),
        pytest.param("${open", '"${" is never closed', id="never closed"),
        pytest.param("${a b}", "${a b} is not a reference", id="no name"),
        pytest.param("${vault:x}", "${vault:x} is not a reference", id="unknown kind"),
        pytest.param("${generated:a/b}", '"a/b" cannot name a generated secret', id="bad name"),
        pytest.param("${file:absent}", "No such file", id="no file"),
        pytest.param("${file:.}", "Is a directory", id="folder"),
        pytest.param("${file:latin}", "not UTF-8", id="not text"),
        pytest.param("${file:large}", "larger than 64 KiB", id="large file"),
    ],
)
def test_a_reference_without_a_value_is_a_problem(tmp_path: Path, value: str, message: str) -> None:
    written(tmp_path, b"\xff", "latin")
    written(tmp_path, b"x" * 65537, "large")
    assert message.replace("{env}", str(tmp_path / "hub.env")) in refusal(
        tmp_path, f"'{value}'", EMPTY="", BYTES="\udcff"
    )


def test_a_failed_reference_is_the_only_complaint_about_its_key(tmp_path: Path) -> None:
    text = "sinks: {wall: {config: {lines: '${ABSENT}', shown_for: '${ABSENT}'}}}"
    assert [p.split(";")[0] for p in complaints(tmp_path, SOUND, text).values()] == [
        "${ABSENT} is not set"
    ] * 2


def test_a_file_counts_from_the_yaml_file_and_loses_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    written(tmp_path, "first\nsecond\n", "keys/a")
    assert labels(tmp_path, "'${file:keys/a}'") == {"a": "first\nsecond"}


def test_each_layer_reads_files_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    written(tmp_path, "lower", "key")
    written(tmp_path, "upper", "upper/key")
    below = written(tmp_path, SOUND, "a.yaml")
    above = written(
        tmp_path, "sinks: {wall: {config: {labels: {a: '${file:key}'}, logo: logo.png}}}", "upper/b.yaml"
    )
    config = load_settings([below, above], ENVIRONMENT, adapters=ADAPTERS).sinks["wall"].config
    assert config.labels == {"a": "upper"}
    assert config.logo == tmp_path / "upper" / "logo.png"


def test_the_environment_wins_over_hub_env(tmp_path: Path) -> None:
    written(
        tmp_path, "export A=one\n# B=no\nB = \"two\\n\" # why\nC='th#ree'\nD=four # five\nE=\n", "hub.env"
    )
    value = "'${A}|${B}|${C}|${D}|${E}'"
    assert labels(tmp_path, value) == {"a": "one|two\n|th#ree|four|"}
    assert labels(tmp_path, value, A="1", D="") == {"a": "1|two\n|th#ree||"}


def test_hub_env_is_checked_like_the_rest(tmp_path: Path) -> None:
    written(tmp_path, "A=1\n  B\nA=2\nC='x\n", "hub.env")
    found = [(p.file, p.line, p.column, p.path, p.message) for p in problems(tmp_path, SOUND)]
    file = str(tmp_path / "hub.env")
    assert found == [
        (file, 2, 3, "", "not an assignment; write NAME=value"),
        (file, 3, 1, "A", "set twice; it stands in line 1 already"),
        (file, 4, 1, "C", "the quotes around this value do not match"),
    ]
