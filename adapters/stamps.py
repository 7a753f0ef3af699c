"""The mark an object at a target carries, `<epoch>:<position>`: which state of the log it shows.

`AdapterContext.stamp` writes it. Targets that know no conditional write are kept in order by it.
"""

import re


def is_newer(stamp: str | None, than: str) -> bool:
    """Whether one stamp is a later position of the same epoch; another epoch never blocks."""
    mine, theirs = _parts(than), _parts(stamp)
    return mine is not None and theirs is not None and mine[0] == theirs[0] and theirs[1] > mine[1]


def stamp_position(stamp: str | None) -> int:
    """The position in a stamp; 0 if it is none of ours."""
    parts = _parts(stamp)
    return parts[1] if parts else 0


def _parts(stamp: str | None) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", stamp or "")
    return (int(match[1]), int(match[2])) if match else None
