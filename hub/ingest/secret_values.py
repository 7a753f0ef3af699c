"""Finds a secret's value in text, however it is spelled there, and takes it out.

A value can stand in a link percent-encoded, in a text that itself is JSON with backslashes, in HTML
with references, or in several of these at once. So text and secret are compared after undoing all of
them; where only that comparison finds it, its spelling is searched letter by letter, and if even that
misses, the whole text goes.
"""

import html
import re
from collections.abc import Callable, Collection
from urllib.parse import unquote

MASK = "***"
SHORTEST_VALUE = 8
"""Shorter values are masked under their key only: blind replacement would wreck the payload."""
MOST_VALUES = 64

_ROUNDS = 5
_LONGEST_PATTERN = 256
_BACKSLASHED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def redact(text: str, values: Collection[str]) -> str:
    """The text without any of the values, in whatever form they stand there."""
    ordered = sorted(values, key=len, reverse=True)
    text = _without_plain(text, ordered)
    if not _holds_spelled(text, values):
        return text
    for value in ordered:
        if len(value) <= _LONGEST_PATTERN:
            text = re.sub("".join(map(spelled, value)), MASK, text)
    text = _without_plain(text, ordered)
    return MASK if _holds_spelled(text, values) else text


def holds(text: str, values: Collection[str]) -> bool:
    """Whether any of the values stands in the text, in whatever form."""
    return any(value in text for value in values) or _holds_spelled(text, values)


def spelled(char: str, *, any_case: bool = False) -> str:
    """A pattern for one character in any of its spellings."""
    cases = sorted({char, char.lower(), char.upper()} if any_case else {char})
    return "(?:" + "|".join(pattern for case in cases for pattern in _spellings(case)) + ")"


def _spellings(char: str) -> list[str]:
    number = ord(char)
    units = char.encode("utf-16-be", "surrogatepass")
    escaped = "".join(rf"\\+u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2))
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode("utf-8", "surrogatepass"))
    names = [f"#0*{number}", f"#[xX]0*(?i:{number:x})", *([_ENTITIES[char]] if char in _ENTITIES else [])]
    patterns = [re.escape(char), percent, escaped, f"&(?:amp;)*(?:{'|'.join(names)});"]
    short = next((letter for letter, meant in _SHORT.items() if meant == char), None)
    if short or not char.isalnum():
        patterns.append(r"\\+" + re.escape(short or char))
    if number < 256:
        patterns.append(rf"\\+x(?i:{number:02x})")
    if char == " ":
        patterns.append(r"\+")
    return patterns


def _without_plain(text: str, values: Collection[str]) -> str:
    # Taking one out can put another together, hence again until none is left; each turn shortens the text.
    while found := [value for value in values if value in text]:
        for value in found:
            text = text.replace(value, MASK)
    return text


def _holds_spelled(text: str, values: Collection[str]) -> bool:
    spaces = any(" " in value or "+" in value for value in values)
    if not any(sign in text for sign in ("%\\&+" if spaces else "%\\&")):
        return False
    plain = _plain(text, spaces=spaces)
    return any(_plain(value, spaces=spaces) in plain for value in values)


def _plain(text: str, *, spaces: bool) -> str:
    """The text with all encodings undone, as often as they were applied."""
    for _ in range(_ROUNDS):
        before = text
        if spaces:
            text = text.replace("+", " ")
        for sign, decode in _DECODERS:
            if sign in text:
                text = decode(text)
        if text == before:
            break
    return text


def _unescape(text: str) -> str:
    return _joined(_BACKSLASHED.sub(_meant, text))


def _meant(match: re.Match[str]) -> str:
    number = match[1] or match[2]
    return chr(int(number, 16)) if number else _SHORT.get(match[3], match[3])


def _joined(text: str) -> str:
    """Surrogate pairs as the one character they stand for."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("%", unquote),
    ("&", html.unescape),
    ("\\", _unescape),
)
