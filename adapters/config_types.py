"""Field types for adapter configs beyond pydantic's own: durations, paths, addresses and tokens in them.

Values arrive as the text that stands in the YAML file; the type of the field decides what they mean.
"""

import os
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    JsonValue,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_TOKEN = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_LONGEST = timedelta(days=36500)
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


class SourceText(str):
    """A scalar of a YAML file that remembers the folder of this file, from which relative paths count."""

    __slots__ = ("folder",)

    folder: Path

    def __new__(cls, text: str, folder: Path) -> "SourceText":
        value = super().__new__(cls, text)
        value.folder = folder
        return value


def parse_duration(value: object) -> timedelta:
    """Read `500ms`, `20s`, `5m`, `2h` or `7d`; raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        shown = f'"{value}"' if isinstance(value, str) else "this"
        raise ValueError(f"{shown} is not a duration; write 5m, 2h or 7d")
    count, unit = int(match[1][:20]), _UNITS[match[2]]
    if count > _LONGEST / unit:
        raise ValueError(f'"{value}" is longer than 100 years')
    return count * unit


def format_duration(value: timedelta) -> str:
    """The value in the largest unit that fits, as `parse_duration` reads it; a single day is 24h."""
    if not value:
        return "0s"
    units = (unit for unit, size in _UNITS.items() if not value % size and (unit != "d" or value >= 2 * size))
    unit = next(units, "ms")
    return f"{value // _UNITS[unit]}{unit}"


def _from_its_folder(value: object) -> object:
    """A path as it is meant: relative to the file it stands in, `~` expanded."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError("is not a path")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f'"{value}": {error}') from error
    return Path(os.path.abspath(value.folder / path)) if isinstance(value, SourceText) else path


def base_address(value: str) -> str:
    """An address ending in a slash; what is secret goes unencrypted to loopback only."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an address; write https://host/path/")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("takes neither a user, a query nor a fragment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must be https; http is accepted on loopback only")
    return value.rstrip("/") + "/"


def _without_slash(value: str) -> str:
    return base_address(value).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _usable_token(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("stands in an address, so it must be letters, digits and -._~ only")
    return token


def empty_is_absent(value: object) -> object:
    """An optional value from a variable that is set to nothing."""
    return None if value == "" else value


ApiAddress = Annotated[str, AfterValidator(_without_slash)]
"""Where an API begins that is called with a token; without a slash at its end."""

AddressToken = Annotated[SecretStr, AfterValidator(_usable_token)]
"""A token that can stand in an address as it is."""

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "format": "duration-text", "pattern": "^[0-9]+(ms|s|m|h|d)$"}),
]
"""A duration written `\\d+(ms|s|m|h|d)`."""

ConfigPath = Annotated[
    Path, BeforeValidator(_from_its_folder), WithJsonSchema({"type": "string", "format": "path"})
]
"""A path that counts from the YAML file it stands in."""


TARGET: dict[str, JsonValue] = {"x-target": True}
"""As `Field(json_schema_extra=TARGET)`: what a sink writes to; two sinks on one target get a warning."""

ACCESS: dict[str, JsonValue] = {"x-access": True}
"""As `Field(json_schema_extra=ACCESS)`: the way to the target, which changes nothing of what stands there."""
