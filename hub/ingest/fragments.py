"""Masks a body that does not parse, on its text.

Whatever looks like a secret member loses its value: in JSON cut off anywhere, JSON inside a string, a
form, XML. Masking more than needed costs nothing here, since such a body is only ever read by a person.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from hub.ingest.secret_values import MASK, MOST_VALUES, SHORTEST_VALUE, redact, spelled

_QUOTE = r"(?:\\*[\"']|%(?:25)*22|&quot;)"
_SEPARATOR = rf"(?:{_QUOTE}?\s*(?:[:=>]|%(?:25)*3[aAdD])\s*|[\"']\s*\r?\n\r?\n)"
_OPENING = re.compile(r"(\\*)([\"'])")
_BARE = re.compile(r"[^\s,;}\]&<>\"']*")
_TOKENS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}\[\]\"]", re.DOTALL)
_ID = re.compile(r"\"id\"\s*:\s*\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE | re.DOTALL)
_CUT_OFF = re.compile(r"[\w.~+/=-]{4,}")


def mask_fragment(body: bytes, *, secret_keys: Collection[str], dropped_keys: Collection[str] = ()) -> bytes:
    """The bytes with secret members masked by key and by value; bytes that are no text stay as they are."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        text = body.decode("utf-8", "surrogateescape")
        return mask_text(text, secret_keys=secret_keys, dropped_keys=dropped_keys).encode(
            "utf-8", "surrogateescape"
        )
    text = body.decode(encoding, "replace")
    return mask_text(text, secret_keys=secret_keys, dropped_keys=dropped_keys).encode("utf-8", "replace")


@dataclass(slots=True)
class _Found:
    """The values met under secret keys, and the beginnings of those that were cut off."""

    values: set[str] = field(default_factory=set)
    beginnings: set[str] = field(default_factory=set)


def mask_text(text: str, *, secret_keys: Collection[str], dropped_keys: Collection[str] = ()) -> str:
    """The text with every value taken out that stands where a secret member's value would."""
    found = _Found()
    text = _mask_members(text, _key_pattern(secret_keys), found)
    if dropped_keys:
        text = _mask_members(text, _key_pattern(dropped_keys, whole=True), _Found())
    ids = set(_ID.findall(text))
    values = {value for value in found.values if len(value) >= SHORTEST_VALUE} - ids
    if len(values) + len(found.beginnings) > MOST_VALUES:
        return MASK
    text = redact(text, values)
    for beginning in sorted(found.beginnings - ids, key=len, reverse=True):
        text = re.sub(rf"{re.escape(beginning)}[\w.~+/=-]*", MASK, text)
    return text


def _key_pattern(keys: Collection[str], *, whole: bool = False) -> re.Pattern[str]:
    names = "|".join("".join(spelled(char, any_case=True) for char in key) for key in sorted(keys))
    return re.compile(rf"{'(?<![A-Za-z0-9_])' if whole else ''}(?:{names}){_SEPARATOR}")


def _mask_members(text: str, key: re.Pattern[str], found: _Found) -> str:
    parts: list[str] = []
    position = 0
    while match := key.search(text, position):
        parts.append(text[position : match.end()])
        replacement, position = _value(text, match.end(), found)
        parts.append(replacement)
    return "".join((*parts, text[position:]))


def _value(text: str, start: int, found: _Found) -> tuple[str, int]:
    """What stands instead of the value that begins here, and where the text goes on."""
    opening = _OPENING.match(text, start)
    if opening:
        return _quoted(text, opening, found)
    if text[start : start + 1] in ("{", "["):
        return MASK, _end_of_nested(text, start, found)
    bare = _BARE.match(text, start)
    end = bare.end() if bare else start
    found.values.add(text[start:end])
    return MASK if end > start else "", end


def _quoted(text: str, opening: re.Match[str], found: _Found) -> tuple[str, int]:
    backslashes, quote = len(opening[1]), opening[2]
    inner = rf"(?:[^{quote}\\]|\\.)*" if not backslashes else ".*?"
    closing = rf"(?<!\\)\\{{{backslashes}}}{quote}" if backslashes else quote
    whole = re.compile(rf"({inner}){closing}", re.DOTALL).match(text, opening.end())
    if whole is None:
        _remember_beginning(text[opening.end() :], found)
        return f"{opening[0]}{MASK}", len(text)
    _remember(whole[1], found)
    return f"{opening[0]}{MASK}{opening[0]}", whole.end()


def _end_of_nested(text: str, start: int, found: _Found) -> int:
    depth = 0
    for token in _TOKENS.finditer(text, start):
        if token[0] == '"':
            _remember_beginning(text[token.end() :], found)
            return len(text)
        if len(token[0]) > 1:
            _remember(token[0][1:-1], found)
            continue
        depth += 1 if token[0] in "{[" else -1
        if depth == 0:
            return token.end()
    return len(text)


def _remember(value: str, found: _Found) -> None:
    found.values.add(value)
    try:
        found.values.add(str(json.loads(f'"{value}"', strict=False)))
    except ValueError:
        return


def _remember_beginning(rest: str, found: _Found) -> None:
    cut_off = _CUT_OFF.match(rest)
    if cut_off:
        found.beginnings.add(cut_off[0])
