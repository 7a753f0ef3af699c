"""How answers look: JSON lines for programs, aligned columns and local times for people."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

SHORT = 8
SHORT_RECEIPT = len("r_") + 13
"""A receipt's id begins with its time, so a shorter beginning would be that of its neighbours too."""

UNKNOWN = "\N{EN DASH}"


def to_stdout(text: str) -> None:
    """One line of the answer."""
    sys.stdout.write(text + "\n")


def to_stderr(text: str) -> None:
    """One line beside the answer."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """One object, one line."""
    to_stdout(json.dumps(value, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, indent: str = "") -> None:
    """Columns as wide as they have to be; nothing at all without rows."""
    lines = [[text(cell) for cell in row] for row in rows]
    if not lines:
        return
    table = [list(header), *lines] if any(header) else lines
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        to_stdout(indent + "  ".join(padded).rstrip())


def print_members(shown: Mapping[str, Any], *, timezone: str) -> None:
    """One object for people: a member per line, what is unknown left out."""
    rows = [
        (name, _member(value, timezone)) for name, value in shown.items() if value not in (None, [], {}, "")
    ]
    print_table(("", ""), rows)


def text(value: Any) -> str:
    """A cell: nothing for what is unknown, control characters taken out."""
    if value is None:
        return UNKNOWN
    written = value if isinstance(value, str) else str(value)
    return "".join(character if character.isprintable() else " " for character in written)


def when(moment: str | None, timezone: str, form: str = "%d %b %Y %H:%M:%S") -> str:
    """A time of the API as local time."""
    if moment is None:
        return UNKNOWN
    return local(moment, timezone).strftime(form)


def local(moment: str, timezone: str) -> datetime:
    """A time of the API in the hub's zone."""
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(timezone))


def short(id: str | None) -> str:
    """The beginning of an id, which commands take for the whole."""
    if id is None:
        return UNKNOWN
    return id[:SHORT_RECEIPT] if id.startswith("r_") else id[:SHORT]


def counted(count: int, one: str, many: str) -> str:
    """`1 booking`, `2 bookings`."""
    return f"{count} {one if count == 1 else many}"


def _member(value: Any, timezone: str) -> str:
    if isinstance(value, str) and _is_time(value):
        return when(value, timezone)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _is_time(value: str) -> bool:
    return (
        len(value) >= 20 and value[4:5] == value[7:8] == "-" and value[10:11] == "T" and value.endswith("Z")
    )
