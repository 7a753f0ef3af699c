"""What one key means, what it is set to and where that was said: `config explain`."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hub.settings.changes import applies_after
from hub.settings.display import effective
from hub.settings.instances import INSTALLED, Adapters
from hub.settings.loader import Configuration
from hub.settings.nodes import KeyPath, Map, Origin, Place, Scalar, dotted, find, is_null, key_place
from hub.settings.reference import ANY_NAME, Key, all_keys


class UnknownKeyError(Exception):
    """No such key; the message names the nearest ones."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One key; `value` is masked, `origin` a place in a file, a variable or "default"."""

    key: str
    meaning: str
    kind: str
    default: Any
    value: Any
    origin: str | None
    applies: str
    keys: tuple[str, ...]


def explain(configuration: Configuration, key: str, *, adapters: Adapters = INSTALLED) -> Explanation:
    """Explain `http.listen`, `sinks.crm.config` or, for all sinks, `sinks.*.retry`."""
    known = dict(_known(configuration, adapters))
    wanted = key.strip().replace("<name>", ANY_NAME)
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UnknownKeyError(f'there is no key "{key}"{hint}')
    path, documented = known[wanted]
    below = tuple(name for name, (other, _) in known.items() if other[:-1] == path)
    is_set = ANY_NAME not in path
    return Explanation(
        key=wanted,
        meaning=documented.meaning if documented else "",
        kind=documented.kind if documented else "map",
        default=documented.default if documented else None,
        value=_value(effective(configuration.settings, configuration.root), path) if is_set else None,
        origin=_origin(configuration.root, path) if is_set else None,
        applies=applies_after(path),
        keys=below,
    )


def _known(
    configuration: Configuration, adapters: Adapters
) -> Iterator[tuple[str, tuple[KeyPath, Key | None]]]:
    """Every key that can be asked for: the general ones and those of each named source and sink."""
    documented = all_keys(adapters)
    general = documented["", ""]
    for key in general:
        yield dotted(key.path), (key.path, key)
    for role in ("sources", "sinks"):
        for name, instance in getattr(configuration.settings, role).items():
            yield dotted((role, name)), ((role, name), None)
            mine = [key for key in general if key.path[:2] == (role, ANY_NAME)]
            for key in (*mine, *documented.get((role, instance.type), ())):
                path = (role, name, *key.path[2:])
                yield dotted(path), (path, key)


def _value(shown: Any, path: Sequence[Any]) -> Any:
    for step in path:
        if not isinstance(shown, dict) or step not in shown:
            return None
        shown = shown[step]
    return shown


def _origin(root: Map, path: KeyPath) -> str:
    node = find(root, path)
    if node is None:
        return "default"
    written = _at(key_place(root, path))
    if is_null(node):
        return f"default, since {written} leaves it empty"
    return ", ".join((written, *map(_words, node.origins if isinstance(node, Scalar) else ())))


def _at(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _words(origin: Origin) -> str:
    where = f" in {_at(origin.place)}" if origin.place and origin.kind == "hub.env" else ""
    words = {
        "variable": f"environment variable {origin.name}",
        "hub.env": f"variable {origin.name}{where}",
        "fallback": f"default written there, since {origin.name} is not set",
        "file": f"content of {origin.place.file if origin.place else origin.name}",
        "generated": f"generated secret {origin.name}",
        "simulated": f"address of the stand-in for {origin.name}",
    }
    return words[origin.kind]
