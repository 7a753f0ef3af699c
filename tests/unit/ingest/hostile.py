"""Bodies in which somebody has spelled a secret, and what can be read out of bytes."""

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from hypothesis import strategies as st

KEYS = ("secret", "Secret", "SECRET", "sEcReT")

ENCODERS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "json utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "url": quote,
    "whole url": lambda text: quote(text, safe=""),
    "query": quote_plus,
    "html": html.escape,
    "html numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "every letter": lambda text: "".join(
        f"\\u{ord(char):04x}" if ord(char) < 0xD800 else char for char in text
    ),
    "every byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}

_DECODERS: tuple[Callable[[str], str], ...] = (
    unquote,
    unquote_plus,
    html.unescape,
    lambda text: re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text),
    lambda text: re.sub(r"\\([\"\\/])", r"\1", text),
    lambda text: text.replace("\\n", "\n").replace("\\t", "\t"),
)


def readings(body: bytes, *, depth: int = 3) -> set[str]:
    """Everything a patient person could make of these bytes: all decodings in all orders, so many deep."""
    known = {body.decode("utf-8", "replace")}
    newest = known
    for _ in range(depth):
        newest = {decode(text) for text in newest for decode in _DECODERS} - known
        known = known | newest
    return known


def shows(body: bytes, value: str, *, depth: int = 3) -> bool:
    """Whether the value can be read out of the body."""
    return any(value in text for text in readings(body, depth=depth))


@st.composite
def secrets(draw: st.DrawFn) -> str:
    """Values that cannot come about by chance, with whatever makes encodings differ."""
    middle = draw(st.text(alphabet="aZ0-_.~ /=+&%\"'\\<>:,{}äß\u20ac\U0001f600\n", max_size=8))
    return f"Q7{middle}xk3{draw(st.integers(100, 999))}"


@st.composite
def mentions(draw: st.DrawFn, value: str) -> str:
    """A text in which the value stands, encoded up to twice."""
    for name in draw(st.lists(st.sampled_from(sorted(ENCODERS)), max_size=2)):
        value = ENCODERS[name](value)
    before = draw(
        st.sampled_from(["", "https://x.example/?t=", "see ", "a=1&b=", '{"a": "', "<a href='", "%", "\\"])
    )
    after = draw(st.sampled_from(["", "&z=1", " and so on", '"}', "'>", "#top", "/"]))
    return before + value + after


@st.composite
def documents(draw: st.DrawFn, value: str) -> dict[str, Any]:
    """An object that holds the value under a secret key somewhere, and mentions it elsewhere."""
    key = draw(st.sampled_from(KEYS))
    holder: Any = draw(
        st.sampled_from(
            [{key: value}, {key: [value, 1]}, {key: {"deep": {"er": value}}}, {"id": "i1", key: value}]
        )
    )
    for step in draw(st.lists(st.sampled_from(["list", "data", "attendee"]), max_size=3)):
        holder = [holder, "x"] if step == "list" else {step: holder}
    told = draw(st.lists(mentions(value), max_size=3))
    members: dict[str, Any] = {f"m{index}": text for index, text in enumerate(told)}
    if told:
        members[draw(mentions(value))] = draw(st.sampled_from([1, None, ["x"]]))
        members["list"] = [{"deep": told[0]}]
    order = draw(st.booleans())
    return {"held": holder, **members} if order else {**members, "held": holder}


def written(draw: st.DrawFn, document: Any) -> bytes:
    """The document as some program would write it."""
    ascii_only, indent = draw(st.booleans()), draw(st.sampled_from([None, 2]))
    return json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
