"""What is wrong with a file that is not YAML, in words for people, and the one mistake worth repairing.

`title: {start:%H:%M} {title}` is a template without quotes, which YAML takes for a map. Such a value is
reported and put in quotes, so that one parse after it still finds everything else.
"""

import re
from dataclasses import dataclass

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from adapters.template_fields import find_field
from hub.errors import Problem
from hub.settings.nodes import Place

_FIELD = re.compile(r"\{([a-z_]+(?:\.[^\s{}|:,]+)?)(?=[}|]|:\S)")
_VALUE = re.compile(r"(?:^|[\s{,\[])(?:[^\s:{}\[\],'\"#]+:|-)[ \t]+")
_HINTS = (
    ("'\\t' that cannot start any token", "a tab; YAML is indented with spaces"),
    ("that cannot start any token", "a value that starts with this character has to stand in quotes"),
    (
        "mapping values are not allowed",
        'a ":" cannot stand here; quote a value that holds ": ", and put the keys of one map in one column',
    ),
    ("scanning an alias", "a text that begins with * has to stand in quotes"),
    ("quoted scalar", "this quote is never closed"),
    (
        "flow mapping",
        'this "{" is not closed by a "}", or a "," is missing; a template has to stand in quotes',
    ),
    ("flow sequence", 'this "[" is not closed by a "]", or a "," is missing'),
    ("block mapping", "this line fits none of the keys above it; look at the indentation"),
    ("simple key", 'a ":" is missing after this key'),
)


def undecodable(file: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    """Names the first byte that is not UTF-8."""
    before = data[: error.start].decode("utf-8", errors="replace")
    return _place(file, before, len(before)).problem((), f"not UTF-8: byte 0x{data[error.start]:02x}")


def describe_syntax_error(file: str, text: str, error: YAMLError) -> Problem:
    """The parser's complaint with its place, in plainer words where they are known."""
    if isinstance(error, ReaderError):
        return _place(file, text, error.position).problem(
            (), f"the character U+{error.character:04X} is not allowed in YAML"
        )
    if not isinstance(error, MarkedYAMLError):
        return Place(file, 1, 1).problem((), "not valid YAML")
    complaint = " ".join(filter(None, (error.context, error.problem)))
    opened = error.context_mark if "quoted" in complaint or "flow" in complaint else None
    mark = opened or error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    hint = next((hint for part, hint in _HINTS if part in complaint), complaint or "not valid YAML")
    return place.problem((), hint)


def _place(file: str, text: str, index: int) -> Place:
    before = text[:index]
    return Place(file, before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


@dataclass(frozen=True, slots=True)
class BareTemplate:
    """A template without quotes, and the file's text with quotes around it."""

    template: str
    line: int
    column: int
    repaired: str


def find_bare_template(text: str, error: YAMLError) -> BareTemplate | None:
    """The unquoted template that explains this syntax error, if there is one in the lines it names."""
    if not isinstance(error, MarkedYAMLError):
        return None
    lines = text.split("\n")
    marks = (error.problem_mark, error.context_mark)
    for number in dict.fromkeys(mark.line for mark in marks if mark and mark.line < len(lines)):
        span = _template_value(lines[number])
        if span is not None:
            start, end = span
            template = lines[number][start:end]
            quoted = "'" + template.replace("'", "''") + "'"
            lines[number] = lines[number][:start] + quoted + lines[number][end:]
            return BareTemplate(template, number + 1, start + 1, "\n".join(lines))
    return None


def _template_value(line: str) -> tuple[int, int] | None:
    """Where an unquoted value that holds a template's field starts and ends in this line."""
    for field in _FIELD.finditer(line):
        if find_field(field[1]) is None or _inside_quotes(line, field.start()):
            continue
        starts = [
            match.end() for match in _VALUE.finditer(line, 0, field.start()) if match.end() <= field.start()
        ]
        start = max((s for s in starts if not _inside_quotes(line, s)), default=None)
        if start is not None and line[start] not in "'\"|>&*":
            return start, _end_of_value(line, start)
    return None


def _inside_quotes(line: str, index: int) -> bool:
    quote = ""
    for character in line[:index]:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)


def _end_of_value(line: str, start: int) -> int:
    """Up to the bracket or comma that ends a value inside brackets, else to a comment or the line's end."""
    flow = sum(line[:start].count(bracket) for bracket in "{[") > sum(
        line[:start].count(bracket) for bracket in "}]"
    )
    depth = 0
    for index in range(start, len(line)):
        character = line[index]
        if character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif (flow and not depth and character in ",}]") or line[index : index + 2] == " #":
            return len(line[:index].rstrip())
    return len(line.rstrip())
