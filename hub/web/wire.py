"""How values look on the wire: one-line JSON, times in RFC 3339 with Z."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator

Moment = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time in an object that is sent: whatever zone it was written in, Z is what programs see."""

LONGEST = 500


def dump(value: Any) -> str:
    """One line of JSON; raises TypeError on what has no place in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_encode)


def encode(value: Any) -> bytes:
    """The same as bytes; half a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
    return dump(value).encode("utf-8", "replace")


def is_text(value: str) -> bool:
    """Whether a database takes this as text: neither empty nor endless, no NUL, no half characters."""
    return 0 < len(value) <= LONGEST and is_whole(value)


def is_whole(value: str) -> bool:
    """Whether every system can take these characters: no NUL, no half ones."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)


def instant(moment: datetime | None) -> str | None:
    """The moment as RFC 3339 with Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
