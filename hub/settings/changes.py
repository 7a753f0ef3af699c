"""Two configurations compared: which keys differ, what applies them, what of a sink reaches its target."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from adapters.config_types import ACCESS
from hub.settings.display import SECTIONS, as_json, effective, leaves
from hub.settings.loader import Configuration
from hub.settings.model_shape import unwrapped
from hub.settings.models import SinkSettings
from hub.settings.nodes import KeyPath, dotted

Applies = Literal["reload", "restart"]

AFTER_RESTART: tuple[KeyPath, ...] = (
    ("hub", "data_dir"),
    ("http",),
    ("nats",),
    ("store",),
    ("logging",),
    ("simulator",),
)
"""What the hub holds from its start on: sockets, connections, locks, its own output."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that is set otherwise, secrets masked; None = it was not set, or is not any more."""

    key: str
    before: Any
    after: Any
    applies: Applies


def applies_after(path: KeyPath) -> Applies:
    """What makes a change of this key take effect."""
    fixed = any(path[: len(prefix)] == prefix for prefix in AFTER_RESTART)
    return "restart" if fixed else "reload"


def changes(before: Configuration, after: Configuration) -> list[Change]:
    """The keys that differ, in the order of the sections; a changed secret shows as `***` twice.

    A source, a sink or a section that only one of them has is one change, with all its keys.
    """
    old, new = _values(before), _values(after)
    shown_before = effective(before.settings, before.root)
    shown_after = effective(after.settings, after.root)
    differing = (path for path in dict.fromkeys((*old, *new)) if old.get(path) != new.get(path))
    paths = (_whole(_named_once(path, before, after), old, new) for path in differing)
    return [
        Change(dotted(path), _at(shown_before, path), _at(shown_after, path), applies_after(path))
        for path in dict.fromkeys(paths)
    ]


def at_target(sink: SinkSettings, *, timezone: str) -> dict[str, str]:
    """Digests of the settings that decide what stands at a sink's target, by key below the sink's entry.

    Neither secrets nor the way to the target are among them: changing those changes no object.
    """
    found = {dotted(path): _digest(as_json(value)) for path, value in _deciding(sink.config, ("config",))}
    return {**found, "hub.timezone": _digest(timezone)}


def digest(configuration: Configuration) -> str:
    """Names a configuration, secrets included, without telling any."""
    return _digest({dotted(path): value for path, value in _values(configuration).items()})


def _deciding(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if not _is_access(field):
                yield from _deciding(getattr(value, name), (*path, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _deciding(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        for index, item in enumerate(value):
            yield from _deciding(item, (*path, index))
    elif not isinstance(value, (SecretStr, SecretBytes)):
        yield path, value


def _is_access(field: FieldInfo) -> bool:
    """Whether the field says how to get at the target: secrets do, whether one is set or not."""
    extra = field.json_schema_extra
    marked = isinstance(extra, dict) and ACCESS.items() <= extra.items()
    return marked or any(plain in (SecretStr, SecretBytes) for plain in unwrapped(field.annotation))


def _values(configuration: Configuration) -> dict[KeyPath, str]:
    """A digest of every value that is not a map, by path; lists are compared as a whole."""
    found: dict[KeyPath, list[str]] = {}
    for section in SECTIONS:
        for path, value in leaves(getattr(configuration.settings, section), (section,)):
            cut = next((at for at, step in enumerate(path) if isinstance(step, int)), len(path))
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            found.setdefault(path[:cut], []).append(_digest(str(text)))
    return {path: _digest(values) for path, values in found.items()}


def _named_once(path: KeyPath, before: Configuration, after: Configuration) -> KeyPath:
    if path[0] not in ("sources", "sinks"):
        return path
    known = (path[1] in getattr(one.settings, str(path[0])) for one in (before, after))
    return path if all(known) else path[:2]


def _whole(path: KeyPath, *values: Mapping[KeyPath, str]) -> KeyPath:
    """The section above a key, if one of the two has nothing there."""
    above = (path[:length] for length in range(1, len(path)))
    return next((prefix for prefix in above if any(prefix in one for one in values)), path)


def _at(shown: Any, path: KeyPath) -> Any:
    for step in path:
        shown = shown.get(step) if isinstance(shown, dict) else None
    return _given(shown)


def _given(shown: Any) -> Any:
    """Without what is not set."""
    if not isinstance(shown, dict):
        return shown
    return {key: _given(value) for key, value in shown.items() if value is not None}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
