"""Masks a body that does not parse, on its text.

Whatever looks like a secret member loses its value: in JSON cut off anywhere, JSON inside a string, a
form, XML. Masking more than needed costs nothing here, since such a body is only ever read by a person.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from hub.ingest.secret_values import MASK, MOST_VALUES, SHORTEST_VALUE, SecretValues

_ENCODED_QUOTE = r"%(?:25)*2[27]|&(?:amp;)*(?:quot|apos|#0*3[49]|#[xX]0*2[27]);"
_QUOTE = rf"(?:\\*[\"']|{_ENCODED_QUOTE})"
_COLON = r"(?:[:=>]|%(?:25)*3[aAdDeE]|&(?:amp;)*(?:gt|#0*(?:58|6[12])|#[xX]0*3[aAdDeE]);)"
_SEPARATOR = rf"(?:{_QUOTE}?\s*(?:{_COLON}\s*)+|[\"']\s*\r?\n\r?\n)"
_NOT_INSIDE_BACKSLASHES = r"(?!(?<=\\)\\)"
"""Without it every character of a long run of them would be tried as the first one."""

_OPENING = re.compile(rf"(?:[bBfFrRuU]{{1,2}}(?=[\"'])|[(\s]+)?(?:(\\*)([\"'])|({_ENCODED_QUOTE}))")
_BARE = re.compile(r"[^\s,;}\]&<>\"']*")
_TOKENS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}\[\]\"]", re.DOTALL)
_ID = re.compile(r"\"id\"\s*:\s*\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE | re.DOTALL)
_SHORTEST_BEGINNING, _LONGEST_BEGINNING = 4, 1000
_CUT_OFF = re.compile(rf"[\w.~+/=-]{{{_SHORTEST_BEGINNING},}}")
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def mask_fragment(body: bytes, *, secret_keys: Collection[str], dropped_keys: Collection[str] = ()) -> bytes:
    """The bytes with secret members masked by key and by value; without any they stay as they are."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        text = body.decode("utf-8", "surrogateescape")
        if "\0" in text and _key_pattern(frozenset(secret_keys)).search(text.replace("\0", "")):
            text = text.replace("\0", "")
    else:
        text = body.decode(encoding, "replace")
    masked = mask_text(text, secret_keys=secret_keys, dropped_keys=dropped_keys)
    # Bytes that are no UTF-8 come back from "surrogateescape"; half characters of UTF-16 do not.
    return body if masked == text else masked.encode("utf-8", _keep_bytes(encoding))


def _keep_bytes(encoding: str) -> str:
    return "surrogateescape" if encoding.startswith("utf-8") else "replace"


@dataclass(slots=True)
class _Found:
    """The values met under secret keys, and the beginnings of those that were cut off."""

    values: set[str] = field(default_factory=set)
    beginnings: set[str] = field(default_factory=set)


def mask_text(text: str, *, secret_keys: Collection[str], dropped_keys: Collection[str] = ()) -> str:
    """The text with every value taken out that stands where a secret member's value would."""
    found = _Found()
    text = _mask_members(text, _key_pattern(frozenset(secret_keys)), found)
    if dropped_keys:
        text = _mask_members(text, _key_pattern(frozenset(dropped_keys), whole=True), _Found())
    ids = set(_ID.findall(text))
    values = {value for value in found.values if len(value) >= SHORTEST_VALUE} - ids
    if len(values) + len(found.beginnings) > MOST_VALUES:
        return MASK
    text = SecretValues(values, beginnings=found.beginnings - ids).redact(text)
    return _without_cut_off_end(text, values)


def embedded_pattern(keys: Collection[str]) -> re.Pattern[str]:
    """Finds what is certainly a member inside a text: of JSON, plain or encoded, or of a query."""
    names = "|".join(map(re.escape, sorted(keys))) or "(?!)"
    quoted = rf"(?:[\"']|{_ENCODED_QUOTE})(?:{names}){_QUOTE}\s*{_COLON}"
    return re.compile(rf"(?:^|[?&;#])(?:{names})=|{quoted}", re.IGNORECASE)


def _without_cut_off_end(text: str, values: Collection[str]) -> str:
    """The end of a body may be the beginning of a value."""
    for value in values:
        for length in range(min(len(value) - 1, _LONGEST_BEGINNING), _SHORTEST_BEGINNING - 1, -1):
            if text.endswith(value[:length]):
                return text[:-length] + MASK
    return text


@lru_cache(maxsize=32)
def _key_pattern(keys: frozenset[str], *, whole: bool = False) -> re.Pattern[str]:
    names = "|".join("".join(map(_spelled, key)) for key in sorted(keys)) or "(?!)"
    before = r"(?<![A-Za-z0-9_])" if whole else ""
    return re.compile(rf"{_NOT_INSIDE_BACKSLASHES}{before}(?:{names}){_SEPARATOR}")


def _spelled(char: str) -> str:
    """A pattern for one character of a key in any case and any spelling."""
    cases = sorted({char, char.lower(), char.upper()})
    return "(?:" + "|".join(pattern for case in cases for pattern in _spellings(case)) + ")"


def _spellings(char: str) -> list[str]:
    number = ord(char)
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode())
    names = [f"#0*{number}", f"#[xX]0*(?i:{number:x})", *([_ENTITIES[char]] if char in _ENTITIES else [])]
    return [
        re.escape(char),
        percent,
        rf"\\+(?:u(?i:{number:04x})|x(?i:{number:02x}))",
        f"&(?:amp;)*(?:{'|'.join(names)});",
    ]


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
    whole = _up_to_closing(opening).match(text, opening.end())
    if whole is None:
        _remember_beginning(text[opening.end() :], found)
        return f"{opening[0]}{MASK}", len(text)
    _remember(whole[1], found)
    return f"{opening[0]}{MASK}{whole[2]}", whole.end()


def _up_to_closing(opening: re.Match[str]) -> re.Pattern[str]:
    backslashes, quote, encoded = opening.groups()
    if encoded:
        return re.compile(rf"(.*?)({re.escape(encoded)})", re.DOTALL)
    if backslashes:
        return re.compile(rf"(.*?)((?<!\\)\\{{{len(backslashes)}}}{quote})", re.DOTALL)
    return re.compile(rf"((?:[^{quote}\\]|\\.)*)({quote})", re.DOTALL)


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
