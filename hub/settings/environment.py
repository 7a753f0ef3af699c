"""The variables a configuration may refer to: the process environment and, behind it, `hub.env`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.errors import Problem
from hub.settings.nodes import Origin, Place

MAX_BYTES = 256 * 1024
_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'([^']*)'[ \t]*(?:#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Variables:
    """Looks a variable up; the environment wins over the file."""

    environ: Mapping[str, str]
    file: str
    from_file: Mapping[str, tuple[str, Place]]

    def get(self, name: str) -> tuple[str, Origin] | None:
        """The value and where it is from; None if it is not set anywhere."""
        if name in self.environ:
            return self.environ[name], Origin("variable", name)
        if name in self.from_file:
            value, place = self.from_file[name]
            return value, Origin("hub.env", name, place)
        return None

    @property
    def searched(self) -> str:
        """The places that were looked at, for messages."""
        return f"the environment and {self.file}"


def read_variables(environ: Mapping[str, str], file: Path, problems: list[Problem]) -> Variables:
    """Read `hub.env` if it is there; lines it cannot read are problems."""
    return Variables(environ, str(file), _read_file(file, problems))


def _read_file(file: Path, problems: list[Problem]) -> dict[str, tuple[str, Place]]:
    top = Place(str(file), 1, 1)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(top.problem((), f"cannot be read: {error.strerror}"))
        return {}
    except UnicodeDecodeError as error:
        problems.append(Place(str(file), data.count(b"\n", 0, error.start) + 1, 1).problem((), "not UTF-8"))
        return {}
    if len(data) > MAX_BYTES:
        problems.append(top.problem((), "larger than 256 KiB"))
        return {}
    return _read_lines(str(file), text, problems)


def _read_lines(file: str, text: str, problems: list[Problem]) -> dict[str, tuple[str, Place]]:
    found: dict[str, tuple[str, Place]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        place = Place(file, number, len(line) - len(line.lstrip()) + 1)
        assignment = _ASSIGNMENT.fullmatch(stripped)
        value = None if assignment is None else _value(assignment[2])
        if assignment is None:
            problems.append(place.problem((), "not an assignment; write NAME=value"))
        elif value is None:
            problems.append(place.problem((assignment[1],), "the quotes around this value do not match"))
        elif assignment[1] in found:
            first = found[assignment[1]][1].line
            problems.append(place.problem((assignment[1],), f"set twice; it stands in line {first} already"))
        else:
            found[assignment[1]] = value, place
    return found


def _value(written: str) -> str | None:
    """The value without its quotes; a comment needs a space before its `#`."""
    if written.startswith('"'):
        match = _DOUBLE_QUOTED.fullmatch(written)
        return match and re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
    if written.startswith("'"):
        match = _SINGLE_QUOTED.fullmatch(written)
        return match and match[1]
    return re.split(r"(?:^|\s)#", written, maxsplit=1)[0].rstrip()
