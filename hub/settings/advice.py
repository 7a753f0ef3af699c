"""What is allowed but probably not meant: warnings of `config check`, errors with `--strict`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from adapters.config_types import TARGET
from hub.errors import Problem
from hub.settings.display import SECTIONS, leaves, without_passwords
from hub.settings.instances import Checked
from hub.settings.models import Settings
from hub.settings.nodes import Map, Scalar, find, key_place, nearest_place

SHORTEST_TOKEN = 16


def warnings_about(settings: Settings, root: Map, sinks: Mapping[str, Checked]) -> Iterator[Problem]:
    """All warnings, in no order."""
    yield from _written_secrets(settings, root)
    yield from _missing_files(settings, root)
    yield from _shared_targets(settings, root)
    yield from _short_tokens(settings, root)
    for name, checked in sinks.items():
        if checked.is_reactor and settings.sinks[name].events is None:
            message = "a reactor without `events` acts on every event it knows; name those that are wanted"
            yield key_place(root, ("sinks", name)).problem(("sinks", name), message)
    for section, effect in (("sources", "no booking arrives"), ("sinks", "nothing is kept in step")):
        if not any(instance.enabled for instance in getattr(settings, section).values()):
            yield nearest_place(root, (section,)).problem((section,), f"none is enabled, so {effect}")


def _written_secrets(settings: Settings, root: Map) -> Iterator[Problem]:
    for path, value in (leaf for name in SECTIONS for leaf in leaves(getattr(settings, name), (name,))):
        node = find(root, path)
        if not isinstance(node, Scalar) or node.origins or node.null:
            continue
        if isinstance(value, (SecretStr, SecretBytes)) and value:
            message = "a secret is written in the file; put it in a variable and write ${VARIABLE}"
            yield node.place.problem(path, message)
        elif isinstance(value, str) and without_passwords(value) != value:
            message = "a password is written in the file; put the address in a variable and write ${VARIABLE}"
            yield node.place.problem(path, message)


def _missing_files(settings: Settings, root: Map) -> Iterator[Problem]:
    for section in ("sources", "sinks"):
        for name, instance in getattr(settings, section).items():
            for path, value in leaves(instance.config, (section, name, "config")):
                if isinstance(value, Path) and not value.exists():
                    yield nearest_place(root, path).problem(path, f"there is no file {value}")


def _shared_targets(settings: Settings, root: Map) -> Iterator[Problem]:
    seen: dict[tuple[str, Any], str] = {}
    for name, sink in settings.sinks.items():
        target = _target(sink.config)
        if not sink.enabled or not target:
            continue
        first = seen.setdefault((sink.type, target), name)
        if first != name:
            field = next(iter(dict(target)))
            path = ("sinks", name, "config", field)
            yield nearest_place(root, path).problem(path, f"the sink {first} writes to the same {field}")


def _target(config: BaseModel) -> tuple[tuple[str, str], ...]:
    """The fields that say what a sink writes to, with their values; empty if none is set."""
    marked = {
        name: getattr(config, name)
        for name, field in type(config).model_fields.items()
        if isinstance(field.json_schema_extra, dict) and TARGET.items() <= field.json_schema_extra.items()
    }
    return tuple((name, str(value)) for name, value in marked.items() if value is not None)


def _short_tokens(settings: Settings, root: Map) -> Iterator[Problem]:
    for name, source in settings.sources.items():
        for path, value in leaves(source.webhook, ("sources", name, "webhook")):
            if isinstance(value, SecretStr) and len(value.get_secret_value()) < SHORTEST_TOKEN:
                message = f"shorter than {SHORTEST_TOKEN} characters, so it can be guessed"
                yield nearest_place(root, path).problem(path, message)
