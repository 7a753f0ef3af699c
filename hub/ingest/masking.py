"""Takes secrets out of a webhook body before anything is stored or logged.

By key first, then by value wherever it occurs. What leaves this module may be kept; what came in is
forgotten with the request. Nearly every body names its secret once, plainly, and repeats it nowhere:
that is masked on the bytes. Only what is not provably so simple is taken apart and written anew.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from hub.ingest.fragments import embedded_pattern, mask_fragment, mask_text
from hub.ingest.secret_values import MASK, MOST_VALUES, SHORTEST_VALUE, SecretValues

DEEPEST = 64
"""Levels of nesting a payload may have; more is refused as unreadable."""

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_NO_TEXT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_LETTER_ESCAPE = re.compile(r"\\u00[4-7]")


class _DeepError(Exception):
    """More levels than a payload may have."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A body that may be stored; `payload` if it is a JSON object, else `problem` says why it is none."""

    body: bytes
    payload: dict[str, Any] | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Seen:
    """What one walk met: values of secret members, ids (never masked by value), members masked or dropped."""

    values: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    members: int = 0
    dropped: int = 0


class Masker:
    """Masks the bodies of one source."""

    def __init__(self, *, secret_keys: Collection[str], dropped_keys: Collection[str] = ()) -> None:
        self._secret = frozenset(key.lower() for key in secret_keys)
        self._dropped = frozenset(key.lower() for key in dropped_keys)
        self._special = self._secret | self._dropped | {"id"}
        self._key_bytes = tuple(key.encode() for key in sorted(self._secret))
        self._dropped_bytes = tuple(f'"{key}"'.encode() for key in sorted(self._dropped))
        keys = "|".join(map(re.escape, sorted(self._secret))) or "(?!)"
        self._plain = re.compile(rf'"(?i:{keys})"\s*:\s*"([^"\\\x00-\x1f\x7f-\xff]*)"'.encode("latin-1"))
        self._embedded = embedded_pattern(self._secret)

    def mask(self, body: bytes) -> Masked:
        """The body without its secrets, parsed if it is a JSON object that can be worked with."""
        simple = self._mask_simple(body)
        if simple is not None:
            return simple
        try:
            return self._mask_text(body, body.decode("utf-8").removeprefix("\ufeff"))
        except UnicodeDecodeError:
            problem = "not UTF-8"
        except (_DeepError, RecursionError):
            problem = f"nested more than {DEEPEST} levels deep"
        except json.JSONDecodeError as error:
            place = f"{error.msg.removesuffix(' at')} at character {error.pos}"
            problem = f"not JSON: {place}" if body.strip() else "empty body"
        except ValueError:
            problem = "not JSON: a number that cannot be read"
        kept = mask_fragment(body, secret_keys=self._secret, dropped_keys=self._dropped)
        return Masked(kept, problem=problem)

    def _mask_simple(self, body: bytes) -> Masked | None:
        """The masked object if every mention of a secret key is a member with plain text; None if unsure."""
        if b"\\u" in body or body.count(b"{") + body.count(b"[") > DEEPEST:
            return None
        kept, values = self._without_plain(body)
        lower = kept.lower()
        if sum(map(lower.count, self._key_bytes)) != len(values):
            return None
        if any(key in lower for key in self._dropped_bytes):
            return None
        distinct = set(values)
        if len(distinct) > MOST_VALUES or any(_may_be_left(kept, value) for value in distinct):
            return None
        try:
            payload = from_json(kept, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            return None
        return Masked(kept, payload=payload) if type(payload) is dict else None

    def _without_plain(self, body: bytes) -> tuple[bytes, list[bytes]]:
        """The body with every secret member of plain text masked, and the values that stood there."""
        parts, values, position = [], [], 0
        for match in self._plain.finditer(body):
            parts += [body[position : match.start(1)], MASK.encode()]
            values.append(match[1])
            position = match.end(1)
        return b"".join((*parts, body[position:])), values

    def _mask_text(self, body: bytes, text: str) -> Masked:
        seen = _Seen()
        document = _DECODER.decode(text)
        if _NO_TEXT_ESCAPE.search(text):
            document = _clean(document)
        if type(document) in _NESTED:
            self._walk(document, seen, 1)
        if self._count(body, b'"%b"') != seen.members or _LETTER_ESCAPE.search(text):
            self._add_shadowed(text, seen)
        values = {value for value in seen.values if len(value) >= SHORTEST_VALUE} - seen.ids
        if len(values) > MOST_VALUES:
            return Masked(MASK.encode(), problem=f"more than {MOST_VALUES} secret values")
        secrets = SecretValues(values)
        written = _ENCODER.encode(document)
        kept = written.encode("utf-8", "replace")
        # Any further mention of the key may be a member inside a text.
        if seen.dropped or self._count(kept, b"%b") != seen.members or (secrets and secrets.held_by(written)):
            document = self._redacted(document, secrets)
            kept = _ENCODER.encode(document).encode("utf-8", "replace")
        if not isinstance(document, dict):
            return Masked(kept, problem="not a JSON object")
        return Masked(kept, payload=document)

    def _count(self, body: bytes, form: bytes) -> int:
        lower = body.lower()
        return sum(lower.count(form % key) for key in self._key_bytes)

    def _walk(self, value: Any, seen: _Seen, depth: int) -> None:
        """Mask by key and drop, in place, and note values and ids on the way."""
        if depth > DEEPEST:
            raise _DeepError
        if type(value) is dict:
            self._walk_members(value, seen, depth + 1)
            return
        for element in value:
            if type(element) in _NESTED:
                self._walk(element, seen, depth + 1)

    def _walk_members(self, members: dict[str, Any], seen: _Seen, depth: int) -> None:
        dropped = []
        for key, member in members.items():
            name = key.lower()
            if name in self._special:
                member = members[key] = self._special_member(name, member, seen)
                if name in self._dropped:
                    dropped.append(key)
            if type(member) in _NESTED:
                self._walk(member, seen, depth)
        for key in dropped:
            seen.dropped += 1
            del members[key]

    def _special_member(self, name: str, member: Any, seen: _Seen) -> Any:
        if name in self._secret:
            seen.members += 1
            seen.values.update(_texts(member))
            return MASK
        if name == "id" and type(member) in (str, int):
            seen.ids.add(str(member))
        return member

    def _add_shadowed(self, text: str, seen: _Seen) -> None:
        """Values of secret members that a later member of the same name has overwritten."""

        def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            for key, member in pairs:
                if key.lower() in self._secret:
                    seen.values.update(_texts(member))
            return dict(pairs)

        json.loads(text, object_pairs_hook=collect)
        if _NO_TEXT_ESCAPE.search(text):
            seen.values.update([_clean_text(value) for value in seen.values])

    def _redacted(self, value: Any, secrets: SecretValues) -> Any:
        if isinstance(value, str):
            return self._redacted_text(value, secrets)
        if isinstance(value, dict):
            return {
                self._redacted_text(key, secrets): self._redacted(member, secrets)
                for key, member in value.items()
            }
        if isinstance(value, list):
            return [self._redacted(element, secrets) for element in value]
        if type(value) in (int, float) and secrets and secrets.held_by(str(value)):
            return MASK
        return value

    def _redacted_text(self, text: str, secrets: SecretValues) -> str:
        if self._embedded.search(text):
            text = mask_text(text, secret_keys=self._secret)
        return secrets.redact(text)


def parse(body: bytes) -> Any:
    """A masked body, understood as it was when it came; raises ValueError or RecursionError."""
    return _DECODER.decode(body.decode("utf-8"))


def _may_be_left(kept: bytes, value: bytes) -> bool:
    """Whether the value could still stand somewhere, in this or another spelling."""
    if len(value) < SHORTEST_VALUE:
        return False
    signs = (*_ENCODED, b"+") if b" " in value or b"+" in value else _ENCODED
    return value in kept or any(sign in kept for sign in signs)


def _texts(value: Any) -> list[str]:
    """All texts inside a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in _texts(member)]
    if isinstance(value, list):
        return [text for element in value for text in _texts(element)]
    return []


def _clean(value: Any) -> Any:
    """The same with NUL and lone surrogates replaced: databases and UTF-8 take neither."""
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(key): _clean(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_clean(element) for element in value]
    return value


def _clean_text(text: str) -> str:
    return _NO_TEXT.sub("\ufffd", text)


def _finite(text: str) -> float | str:
    """A number beyond floating point stays text: written as Infinity it would be no JSON."""
    number = float(text)
    return number if math.isfinite(number) else text


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no JSON value", "", 0)


_ENCODED = (b"%", b"&", b"\\")
"""Signs without which no value can stand anywhere in another spelling."""
_NESTED = (dict, list)
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
