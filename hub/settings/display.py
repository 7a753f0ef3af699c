"""Settings as people may see them: plain values, every secret masked."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from adapters.config_types import format_duration
from hub.settings.models import Settings
from hub.settings.nodes import KeyPath, Map, Scalar, find
from hub.settings.patterns import Condition

MASK = "***"
_IN_URL = (
    re.compile(r"(://[^/@\s:]*:)[^/@\s]+(?=@)"),
    re.compile(r"((?:^|[\s,])(?:nats|tls|wss?)://)[^/@\s:]+(?=@)"),
    re.compile(r"([?&](?:password|sslpassword|token)=)[^&\s]+", re.IGNORECASE),
)
SECTIONS = ("hub", "http", "nats", "store", "logging", "simulator", "sources", "sinks")


def effective(settings: Settings, root: Map) -> dict[str, Any]:
    """The whole configuration in effect, defaults included, as JSON values without secrets."""
    return {name: _shown(getattr(settings, name), (name,), root) for name in SECTIONS}


def _shown(value: Any, path: KeyPath, root: Map) -> Any:
    if isinstance(value, BaseModel):
        names = (name for name in type(value).model_fields if not (name == "name" and len(path) == 2))
        return {name: _shown(getattr(value, name), (*path, name), root) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _shown(item, (*path, str(key)), root) for key, item in value.items()}
    if _is_list(value):
        return [_shown(item, (*path, index), root) for index, item in enumerate(value)]
    return MASK if value is not None and comes_from_a_secret(find(root, path)) else as_json(value)


def _is_list(value: Any) -> bool:
    """A list of values, not one value that happens to be a tuple, such as an address to listen on."""
    return isinstance(value, (list, tuple)) and not hasattr(value, "_fields")


def comes_from_a_secret(node: object) -> bool:
    """Whether a file or a generated secret went into this scalar."""
    return isinstance(node, Scalar) and any(origin.kind in ("file", "generated") for origin in node.origins)


def as_json(value: Any) -> Any:
    """One typed value as it would be written in a file, secrets masked."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (SecretStr, SecretBytes)):
        return MASK
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Condition):
        return value.written
    if _is_list(value):
        return [as_json(item) for item in value]
    return without_passwords(str(value))


def without_passwords(text: str) -> str:
    """The text with the passwords of addresses in it masked."""
    for pattern in _IN_URL:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


def leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """The typed values of a config with their paths."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), (*path, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif _is_list(value):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value
