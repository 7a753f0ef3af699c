"""Every command that a page shows or the program prints exists, with the options it is shown with."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from hub.cli.app import app
from tests.guards.reading import ROOT, code_of, name_of, own_files, pages

PROGRAM = re.compile(r"(?<![\w./-])(?:\.venv/bin/)?bookinghub((?: +[a-z-][^;|]*)?)$")
PRINTED = re.compile(r"(?<![\w./-])bookinghub ([a-z][^;,)`]*)")
MAKE = re.compile(r"(?<![\w./-])make ((?:[A-Z]+=\S+ +)*)([a-z][a-z -]*)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
NO_COMMAND = "bookinghub configuration"
"""The title of the schema."""

COMMANDS = typer.main.get_command(app)


def problem_with(words: list[str]) -> str | None:
    """What is wrong with these arguments of the program; None if it would take them."""
    command: Any = COMMANDS
    path = "bookinghub"
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"{path} has no command {name}"
        command, path = command.commands[name], f"{path} {name}"
    if hasattr(command, "commands") and not set(rest) <= {"--help"}:
        return f"{path} needs a command"
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in rest if word.startswith("--")]
    unknown = [option for option in given if option not in known]
    return f"{path} has no option {', '.join(unknown)}" if unknown else None


def words_of(arguments: str) -> list[str]:
    """The arguments as a shell would split them, a comment at the end left out."""
    return shlex.split(arguments.replace("…", ""), comments=True)


def shown_on(page: Path) -> Iterator[str]:
    for code in code_of(page):
        for match in PROGRAM.finditer(code.rstrip(" \\")):
            yield match[1]


def targets() -> set[str]:
    return set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


def texts_in(module: Path) -> Iterator[str]:
    """String literals of a module; of an f-string its literal beginning up to the first value."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(value.value) if isinstance(value, ast.Constant) else "VALUE" for value in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_the_readme_shows_commands_at_all() -> None:
    shown = list(shown_on(ROOT / "README.md"))
    assert {" why ilse", " status", " stop"} <= set(shown)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_on_a_page_exist(page: Path) -> None:
    problems = {f"bookinghub{shown}": problem_with(words_of(shown)) for shown in shown_on(page)}
    assert {shown: problem for shown, problem in problems.items() if problem} == {}


def test_commands_in_the_shipped_configuration_exist() -> None:
    for path in own_files(".yaml", ".yml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            for match in PRINTED.finditer(line):
                words = words_of(re.split(r"  |: |'|\"", match[1])[0])
                assert problem_with(words) is None, f"{name_of(path)}: {line.strip()}"


@pytest.mark.parametrize("module", [path for path in own_files(".py") if "hub" in path.parts], ids=name_of)
def test_commands_the_program_prints_exist(module: Path) -> None:
    for text in texts_in(module):
        for match in PRINTED.finditer(text.replace(NO_COMMAND, "")):
            words = [word for word in match[1].split() if word.islower() or word.startswith("--")]
            assert problem_with(words) is None, text


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_make_targets_on_a_page_exist(page: Path) -> None:
    known = targets()
    for code in code_of(page):
        for match in MAKE.finditer(code):
            assert set(match[2].split()) <= known, code


def test_make_targets_elsewhere_exist() -> None:
    known = targets()
    for path in (ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml", ROOT / "docker-compose.yml"):
        for match in re.finditer(
            r"^\s*(?:entry: )?make ([a-z ]+)$", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert set(match[1].split()) <= known


def test_every_target_is_described_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [target for target in sorted(targets()) if f"| `make {target}` |" not in readme] == []
