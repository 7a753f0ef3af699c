"""Reads members of a foreign JSON object without trusting their types.

A member is absent (unknown), `null` (known to be empty), readable, or mistyped. A mistyped one counts
as unknown and its path is noted, so that one odd member never costs the whole booking. Paths are made
of names this adapter asks for, never of text from the payload.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar

YEARS = range(1970, 2200)
"""Years a booking or one of its times can lie in; outside of them the time counts as mistyped."""

_FRACTION = re.compile(r"\d{2}[.,](\d+)")
_LONGEST_ID = 200


class Unknown(Enum):
    """The one value of a member that was not given, or not in a readable form."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
T = TypeVar("T")
Maybe: TypeAlias = T | Literal[Unknown.UNKNOWN] | None


def known(value: Maybe[T]) -> T | None:
    """The value, with unknown and empty made one."""
    return None if value is UNKNOWN else value


def digits_of_second(text: str) -> int:
    """How precisely a time was written: 0, 3 or 6 digits of its second."""
    fraction = _FRACTION.search(text)
    if fraction is None:
        return 0
    return 3 if len(fraction[1]) <= 3 else 6


class Fields:
    """One JSON object, asked member by member; `mistyped` is shared by all objects of a payload."""

    def __init__(
        self, members: Mapping[str, Any], *, path: str = "", mistyped: list[str] | None = None
    ) -> None:
        self._members = members
        self._path = path
        self.mistyped: list[str] = [] if mistyped is None else mistyped

    def has(self, name: str) -> bool:
        """Whether the member was given, in whatever form."""
        return name in self._members

    def identifier(self, name: str) -> Maybe[str]:
        """An opaque id; whole numbers are ids too."""
        value = self._members.get(name, UNKNOWN)
        if type(value) is int and abs(value) < 10**_LONGEST_ID:
            return str(value)
        if isinstance(value, str) and not 0 < len(value) <= _LONGEST_ID:
            return self._odd(name)
        return self._typed(name, str)

    def text(self, name: str) -> Maybe[str]:
        """Text; an empty one is known to be empty."""
        value = self._typed(name, str)
        return value.strip() or None if isinstance(value, str) else value

    def flag(self, name: str) -> Maybe[bool]:
        return self._typed(name, bool)

    def count(self, name: str) -> Maybe[int]:
        value = self._typed(name, int)
        return self._odd(name) if isinstance(value, int) and not 0 <= value < 1_000_000 else value

    def amount(self, name: str) -> Maybe[str]:
        """Money as the provider wrote it, number or text."""
        value = self._members.get(name, UNKNOWN)
        return str(value) if type(value) in (int, float) else self.text(name)

    def moment(self, name: str) -> Maybe[datetime]:
        """An instant with its own offset; the provider's times are UTC where they name none."""
        text = self._typed(name, str)
        if not isinstance(text, str):
            return text
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return self._odd(name)
        if len(text) < len("YYYYMMDDTHHMM") or moment.year not in YEARS:
            return self._odd(name)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def precision(self, name: str) -> int:
        """With how many digits of a second a readable moment was written."""
        return digits_of_second(self._members[name])

    def document(self, name: str) -> Maybe[dict[str, Any]]:
        """A free JSON object, taken as it is."""
        return self._typed(name, dict)

    def object(self, name: str) -> "Maybe[Fields]":
        value = self._typed(name, dict)
        return self._below(name, value) if isinstance(value, dict) else value

    def objects(self, name: str) -> "Maybe[list[Fields]]":
        """A list of objects; one element of another type makes the whole list mistyped."""
        value = self._typed(name, list)
        if not isinstance(value, list):
            return value
        if not all(isinstance(element, dict) for element in value):
            return self._odd(name)
        return [self._below(f"{name}.{index}", element) for index, element in enumerate(value)]

    def identifiers(self, name: str) -> Maybe[list[str]]:
        value = self._typed(name, list)
        if not isinstance(value, list):
            return value
        numbered = Fields({str(index): element for index, element in enumerate(value)})
        ids = [known(numbered.identifier(str(index))) for index in range(len(value))]
        return self._odd(name) if None in ids else [text for text in ids if text]

    def addresses(self, name: str) -> Maybe[list[str]]:
        """Mail addresses, given as texts or as objects with an `email`."""
        value = self._typed(name, list)
        if not isinstance(value, list):
            return value
        given: list[Any] = [
            element.get("email") if isinstance(element, dict) else element for element in value
        ]
        if not all(isinstance(address, str) for address in given):
            return self._odd(name)
        return [address.strip() for address in given if address.strip()]

    def is_object(self, name: str) -> bool:
        return isinstance(self._members.get(name), dict)

    def odd(self, name: str) -> None:
        """Note a member that can be read but makes no sense."""
        self.mistyped.append(self._path + name)

    def _below(self, name: str, members: Mapping[str, Any]) -> "Fields":
        return Fields(members, path=f"{self._path}{name}.", mistyped=self.mistyped)

    def _typed(self, name: str, wanted: type[T]) -> Maybe[T]:
        value: Any = self._members.get(name, UNKNOWN)
        # `bool` is an `int` to isinstance, and `true` is no number here.
        if value is None or value is UNKNOWN or type(value) is wanted:
            return value
        return self._odd(name)

    def _odd(self, name: str) -> Literal[Unknown.UNKNOWN]:
        self.odd(name)
        return UNKNOWN
