"""The only place that builds and parses subjects and stream names.

A subject holds no personal data. Ids come from outside and may hold anything, so each becomes one
safe token from which the id can be read back: letters, digits, `_` and `-` stand for themselves, any
other byte of its UTF-8 form is `=` and two hex digits, and an empty id is a lone `=`.
"""

import re
from dataclasses import dataclass
from typing import Literal

MAX_TOKEN = 1024
"""Longest token. The server closes a connection whose subject does not fit into one control line."""

Kind = Literal["events", "inbox", "keys"]

_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+|=")
_NOTHING = "="

_EVENT_TOKENS = 6


@dataclass(frozen=True, slots=True)
class EventSubject:
    """What the subject of an event says."""

    source: str
    provider_id: str
    event_type: str
    event_id: str


def check_prefix(prefix: str) -> str:
    """The prefix itself; ValueError if subjects and stream names cannot be made of it."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"prefix {prefix!r} must be lower-case letters, digits, - and _, at most 64 of them")
    return prefix


def stream_name(prefix: str, kind: Kind) -> str:
    """`HUB_EVENTS`, `HUB_INBOX` and `HUB_KEYS` for the prefix `hub`."""
    return f"{check_prefix(prefix).upper()}_{kind.upper()}"


def stream_filter(prefix: str, kind: Kind) -> str:
    """Every subject of that stream."""
    return f"{check_prefix(prefix)}.{kind}.>"


def event_subject(prefix: str, source: str, provider_id: str, event_type: str, event_id: str) -> str:
    """The one subject of one fact: a second copy of it meets the same subject and is refused."""
    parts = (source, provider_id, event_type, event_id)
    return ".".join((prefix, "events", *map(encode_token, parts)))


def history_filter(prefix: str, source: str, provider_id: str) -> str:
    """All events of one history."""
    return f"{prefix}.events.{encode_token(source)}.{encode_token(provider_id)}.>"


def parse_event_subject(subject: str) -> EventSubject:
    """The inverse of `event_subject`; ValueError for any other subject."""
    tokens = subject.split(".")
    if len(tokens) != _EVENT_TOKENS or tokens[1] != "events":
        raise ValueError(f"{subject!r} is not the subject of an event")
    return EventSubject(*map(decode_token, tokens[2:]))


def inbox_subject(prefix: str, source: str) -> str:
    """Where the receipts of one source go."""
    return f"{prefix}.inbox.{encode_token(source)}"


def key_subject(prefix: str, contact_id: str) -> str:
    """Where the key of one contact is kept."""
    return f"{prefix}.keys.{encode_token(contact_id)}"


def contact_of_key_subject(subject: str) -> str:
    """The inverse of `key_subject`."""
    return decode_token(subject.rsplit(".", 1)[1])


def encode_token(text: str) -> str:
    """One safe token for any text; ValueError if it gets longer than a subject can hold."""
    if len(text) <= MAX_TOKEN and _PLAIN.fullmatch(text):
        return text
    raw = text.encode("utf-8", "surrogatepass")
    token = "".join(chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in raw) or _NOTHING
    if len(token) > MAX_TOKEN:
        raise ValueError(f"an id of {len(raw)} bytes is too long for a subject")
    return token


def decode_token(token: str) -> str:
    """The inverse of `encode_token`; ValueError for what it never makes."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{token!r} is not an encoded id")
    if token == _NOTHING:
        return ""
    raw = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), token.encode("ascii"))
    return raw.decode("utf-8", "surrogatepass")


def fits_subject(text: str) -> bool:
    """Whether an id from outside can be part of a subject; one that cannot belongs into quarantine."""
    try:
        encode_token(text)
    except ValueError:
        return False
    return True
