"""The kinds of value a key of the hub may have, beyond those that adapters use too."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, JsonValue, PlainSerializer, WithJsonSchema

from adapters.config_types import SourceText

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+):([0-9]{1,5})")
_RATE = re.compile(r"([0-9]{1,7})/([smh])")
_PERIODS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


OFF = frozenset(("false", "no", "off", "n", "f", "0"))
"""How a switch says no in a file."""

CAN_BE_OFF: dict[str, JsonValue] = {"x-off": True}
"""As `Field(json_schema_extra=CAN_BE_OFF)`: a section in whose place `false` may stand."""


class ListenAddress(NamedTuple):
    """Where a server listens; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(value: object) -> ListenAddress:
    """Read `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`; raises ValueError."""
    if isinstance(value, ListenAddress):
        return value
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise ValueError(f'"{value}" is not an address to listen on; write HOST:PORT, such as 127.0.0.1:8080')
    return ListenAddress(match[1].strip("[]"), int(match[2]))


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` within any `per`."""

    count: int
    per: timedelta

    def __str__(self) -> str:
        return f"{self.count}/{next(unit for unit, period in _PERIODS.items() if period == self.per)}"


def parse_rate(value: object) -> Rate:
    """Read `8/s`, `100/m` or `1000/h`; raises ValueError."""
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        shown = f'"{value}"' if isinstance(value, str) else "this"
        raise ValueError(f"{shown} is not a rate; write 8/s, 100/m or 1000/h")
    return Rate(int(match[1]), _PERIODS[match[2]])


def known_timezone(name: str) -> str:
    """An IANA time zone that is installed here."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        close = get_close_matches(name, _timezones(), n=1, cutoff=0.75)
        hint = f"did you mean {close[0]}?" if close else "write an IANA name such as Europe/Berlin"
        raise ValueError(f'"{name}" is not a time zone; {hint}') from error
    return name


@cache
def _timezones() -> frozenset[str]:
    """Reading them opens some 600 files, so only a wrong name leads here."""
    return frozenset(available_timezones())


def http_url(value: str) -> str:
    """An address without the slash at its end."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http or https address")
    return value.rstrip("/")


def nats_url(value: str) -> str:
    """One address or several with commas between them."""
    for part in value.split(","):
        split = urlsplit(part.strip())
        if split.scheme not in ("nats", "tls", "ws", "wss") or not split.hostname:
            raise ValueError(
                "is not a NATS address; write nats://HOST:PORT, several with commas between them"
            )
    return value


def subject_prefix(value: str) -> str:
    """A word that can stand in the names of streams and as the first part of subjects."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,32}", value):
        raise ValueError("is not a prefix; use letters, digits, _ and -, at most 32")
    return value


def store_url(value: object) -> object:
    """A relative SQLite path counts from the file it stands in; `postgres:` is the same as `postgresql:`."""
    if not isinstance(value, str):
        return value
    scheme, separator, rest = value.partition("://")
    if separator and scheme in ("postgres", "postgresql"):
        return f"postgresql://{rest}"
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        if rest.startswith("//") or not isinstance(value, SourceText):
            return str(value)
        return f"sqlite:///{value.folder.absolute() / rest[1:]}"
    raise ValueError("is not a database address; write sqlite:///FILE or postgresql://HOST/DATABASE")


def off_as(written: Mapping[str, str]) -> Callable[[object], object]:
    """Lets `false` stand for a whole section, with these values in it."""

    def read(value: object) -> object:
        off = value is False or (isinstance(value, str) and value.lower() in OFF)
        return dict(written) if off else value

    return read


def parse_expiry(value: object) -> datetime:
    """Read a date, which is its first moment in UTC, or a time with its zone; raises ValueError."""
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or (moment.tzinfo is None and len(str(value)) != len("2026-12-31")):
        raise ValueError(f'"{value}" is no moment; write 2026-12-31 or 2026-12-31T18:00:00Z')
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


Listen = Annotated[
    ListenAddress,
    BeforeValidator(parse_listen),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "listen-address"}),
]
RateText = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "rate-text", "pattern": "^0*[1-9][0-9]*/(s|m|h)$"}),
]
Expiry = Annotated[
    datetime,
    BeforeValidator(parse_expiry),
    WithJsonSchema({"type": "string", "format": "date-or-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"}),
]
TimeZone = Annotated[str, AfterValidator(known_timezone)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
NatsUrl = Annotated[str, AfterValidator(nats_url)]
StoreUrl = Annotated[str, BeforeValidator(store_url)]
Prefix = Annotated[str, AfterValidator(subject_prefix)]
