"""Finds secrets' values in text, however they are spelled there, and takes them out.

A value can stand in a link percent-encoded, in a text that itself is JSON with backslashes, in HTML
with references, or in several of these at once. So a text is decoded one encoding at a time, every
step of it is searched, and what is found goes where it came from. The time this takes is linear in the
text, whatever was sent: no pattern here starts over at every character of a run.
"""

import html
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

MASK = "***"
SHORTEST_VALUE = 8
"""Shorter values are masked under their key only: blind replacement would wreck the payload."""
MOST_VALUES = 256

_WORD = r"[\w.~+/=-]*"
_ROUNDS = 6
_TURNS = 3
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

Span = tuple[int, int]


class _EndlessError(Exception):
    """Encoded more often than anybody does; what it says cannot be known."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """One way to write characters: `sign` stands in every token, `decode` tells what one means."""

    sign: str
    token: re.Pattern[str]
    decode: Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class _Traced:
    """A decoded text that knows for each of its characters where it came from."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


class SecretValues:
    """The values that must stand nowhere; of those that were cut off the beginnings are known only."""

    def __init__(self, values: Collection[str], *, beginnings: Collection[str] = ()) -> None:
        self._values = frozenset(value for value in values if len(value) >= SHORTEST_VALUE)
        self._beginnings = [re.compile(re.escape(begun) + _WORD) for begun in beginnings]
        spaces = any(" " in value or "+" in value for value in (*self._values, *beginnings))
        self._encodings = (*_ENCODINGS, _PLUS) if spaces else _ENCODINGS
        # Decoding a text decodes the value in it too, should it hold signs of an encoding itself.
        decoded = {form for value in self._values for form in _some_steps(value, self._encodings)}
        self._forms = self._values | {form for form in decoded if len(form) >= SHORTEST_VALUE}

    def __bool__(self) -> bool:
        return bool(self._values or self._beginnings)

    def redact(self, text: str) -> str:
        """The text without any of the values, in whatever form they stand there."""
        if not self:
            return text
        for _ in range(_TURNS):
            try:
                found = self._found(text)
            except _EndlessError:
                return MASK
            if not found:
                return text
            text = _without(text, found)
        # Taking one out put another together, again and again: the text was made to do that.
        return MASK

    def held_by(self, text: str) -> bool:
        """Whether any of the values stands in the text, in whatever form."""
        try:
            return self._stands_in(text, self._values) or self._encoded_in(text)
        except _EndlessError:
            return True

    def _encoded_in(self, text: str) -> bool:
        if not any(encoding.sign in text for encoding in self._encodings):
            return False
        return any(self._stands_in(step, self._forms) for step in _steps(text, self._encodings))

    def _stands_in(self, text: str, forms: Iterable[str]) -> bool:
        return any(form in text for form in forms) or any(begun.search(text) for begun in self._beginnings)

    def _found(self, text: str) -> list[Span]:
        """Where the values stand; the way back is traced only in a text that holds an encoded one."""
        found = self._occurrences(text, self._values)
        # The plain ones are taken out first, or each of them would be found in every step again.
        if not self._encoded_in(_without(text, found)):
            return found
        for step in _traced_steps(text, self._encodings):
            spans = self._occurrences(step.text, self._forms)
            found += [(step.starts[start], step.ends[end - 1]) for start, end in spans]
        return found

    def _occurrences(self, text: str, forms: Iterable[str]) -> list[Span]:
        found = [match.span() for begun in self._beginnings for match in begun.finditer(text)]
        for form in forms:
            start = text.find(form)
            while start >= 0:
                found.append((start, start + len(form)))
                start = text.find(form, start + len(form))
        return found


def _without(text: str, found: Sequence[Span]) -> str:
    parts, position = [], 0
    for start, end in sorted(found):
        if start >= position:
            parts += [text[position:start], MASK]
        position = max(position, end)
    return "".join((*parts, text[position:]))


def _steps(text: str, encodings: Sequence[_Encoding]) -> Iterator[str]:
    """The text after each decoding, as often as it was encoded."""
    for _ in range(_ROUNDS):
        before = text
        for encoding in encodings:
            if encoding.sign in text:
                text = encoding.token.sub(encoding.decode, text)
                yield text
        if text == before:
            return
    raise _EndlessError


def _some_steps(text: str, encodings: Sequence[_Encoding]) -> list[str]:
    """The same, content with those that can be known."""
    steps: list[str] = []
    try:
        steps.extend(_steps(text, encodings))
    except _EndlessError:
        return steps
    return steps


def _traced_steps(text: str, encodings: Sequence[_Encoding]) -> Iterator[_Traced]:
    """The same as `_steps`, with the way back."""
    step = _Traced(text, range(len(text)), range(1, len(text) + 1))
    for _ in range(_ROUNDS):
        before = step.text
        for encoding in encodings:
            if encoding.sign in step.text:
                step = _decoded(step, encoding)
                yield step
        if step.text == before:
            return
    raise _EndlessError


def _decoded(step: _Traced, encoding: _Encoding) -> _Traced:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for token in encoding.token.finditer(step.text):
        first, last = token.start(), token.end() - 1
        meant = encoding.decode(token)
        parts += (step.text[position:first], meant)
        starts += step.starts[position:first]
        starts += [step.starts[first]] * len(meant)
        ends += step.ends[position:first]
        ends += [step.ends[last]] * len(meant)
        position = last + 1
    parts.append(step.text[position:])
    starts += step.starts[position:]
    ends += step.ends[position:]
    return _Traced("".join(parts), starts, ends)


def _percent(token: re.Match[str]) -> str:
    """Bytes of UTF-8 or, from old programs, of Latin-1."""
    encoded = bytes.fromhex(token[0].replace("%", ""))
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return encoded.decode("latin-1")


def _reference(token: re.Match[str]) -> str:
    """A character by its name or number, of which Python would refuse to read very many digits."""
    return html.unescape(_ZEROS.sub("", token[0], count=1))


def _backslashed(token: re.Match[str]) -> str:
    high, low, four, two, letter = token.groups()
    if letter:
        return _SHORT.get(letter, letter)
    if low:
        return (bytes.fromhex(high) + bytes.fromhex(low)).decode("utf-16-be")
    return chr(int(four or two, 16))


_ZEROS = re.compile(r"(?<=#)0+(?=[0-9])|(?<=#[xX])0+(?=[0-9a-fA-F])")
_PLUS = _Encoding("+", re.compile(r"\+"), lambda _: " ")
_ENCODINGS: Sequence[_Encoding] = (
    _Encoding("%", re.compile(r"%[0-7][0-9a-fA-F]|(?:%[89a-fA-F][0-9a-fA-F])+"), _percent),
    _Encoding(
        "&",
        re.compile(r"&(?:#0*[0-9]{1,7}|#[xX]0*[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"),
        _reference,
    ),
    _Encoding(
        "\\",
        re.compile(
            r"\\+(?:u([dD][89abAB][0-9a-fA-F]{2})\\+u([dD][c-fC-F][0-9a-fA-F]{2})"
            r"|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))",
            re.DOTALL,
        ),
        _backslashed,
    ),
)
