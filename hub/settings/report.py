"""How problems of a configuration are printed."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hub.errors import ConfigError, Problem

_PLACE_WIDTH = 5
_PATH_WIDTH = 35


def ordered(problems: Iterable[Problem], files: Sequence[Path]) -> tuple[Problem, ...]:
    """Each problem once, in the order of the files and their lines."""
    order = {str(file): index for index, file in enumerate(files)}
    return tuple(
        sorted(
            dict.fromkeys(problems),
            key=lambda p: (order.get(p.file, len(order)), p.file, p.line, p.column),
        )
    )


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def format_problems(problems: Sequence[Problem], *, noun: str = "problem") -> str:
    """One block per file: a headline with the count, then a line per problem."""
    places = {problem: f"{problem.line}:{problem.column}" for problem in problems}
    place_width = max((_PLACE_WIDTH, *map(len, places.values())))
    path_width = max((_PATH_WIDTH, *(len(printable(problem.path)) for problem in problems)))
    lines: list[str] = []
    for file in dict.fromkeys(problem.file for problem in problems):
        mine = [problem for problem in problems if problem.file == file]
        lines.append(printable(f"{file}: {len(mine)} {noun}{'' if len(mine) == 1 else 's'}"))
        for problem in mine:
            where = f"  {places[problem]:<{place_width}}  {printable(problem.path):<{path_width}}"
            lines.append(f"{where}  {printable(problem.message)}".rstrip())
    return "\n".join(lines)


def check_command(files: Sequence[Path]) -> str:
    """The command that checks these files again, ready to be pasted."""
    return " ".join(
        ["bookinghub", "config", "check", *(f"--config {shlex.quote(str(file))}" for file in files)]
    )


def config_error(problems: Iterable[Problem], files: Sequence[Path]) -> ConfigError:
    """The error for all problems of these files; its message is the whole report."""
    found = ordered(problems, files)
    return ConfigError(
        f"{format_problems(found)}\nnothing was started; check again with: {check_command(files)}", found
    )
