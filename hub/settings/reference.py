"""Every key there is, with its meaning, kind and default: taken from the models, so never out of date."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters.template_fields import FIELDS
from hub.settings.display import as_json
from hub.settings.instances import INSTALLED, Adapters, config_models
from hub.settings.model_shape import models, unwrapped
from hub.settings.models import FileContent
from hub.settings.nodes import KeyPath

ANY_NAME = "*"
_KINDS = {
    "duration-text": "duration",
    "path": "path",
    "listen-address": "HOST:PORT",
    "rate-text": "rate",
    "password": "secret",
    "uri": "address",
    "template": "template",
    "date-or-time": "date or time",
    "patterns": "pattern, list of patterns, or `not:` before either",
}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "map",
    "array": "list",
}
_NOT_OF_THE_VALUE = frozenset(("title", "default", "description", "x-target", "x-access", "x-off"))


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `*` in its path stands for the name of a source or sink. A section has keys below it."""

    path: KeyPath
    meaning: str
    kind: str
    required: bool
    default: Any
    section: bool


def keys_of(model: type[BaseModel], prefix: KeyPath = ()) -> Iterator[Key]:
    """The keys of this model and of those below it, in the order they are declared."""
    schemas = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        container, below = models_below(field.annotation)
        yield Key(
            path,
            meaning_of(field),
            kind=_kind(field, schemas[name], section=bool(below)),
            required=field.is_required(),
            default=None if below else default_of(field),
            section=bool(below),
        )
        for member in below:
            yield from keys_of(member, (*path, ANY_NAME) if container else path)


def models_below(annotation: Any) -> tuple[type | None, tuple[type[BaseModel], ...]]:
    """The models a field holds and, if they are in a dict, list or tuple, which of these."""
    direct = models(annotation)
    if direct:
        return None, direct
    for plain in unwrapped(annotation):
        origin, arguments = get_origin(plain), get_args(plain)
        if origin in (dict, list, tuple) and arguments:
            held = models(arguments[1] if origin is dict else arguments[0])
            if held:
                return origin, held
    return None, ()


def meaning_of(field: FieldInfo) -> str:
    """The field's description, else what the model it holds says of itself."""
    _, below = models_below(field.annotation)
    return field.description or (below[0].__doc__ or "" if below else "").split("\n")[0].rstrip(".")


def default_of(field: FieldInfo) -> Any:
    """The default as it would be written in a file; None if there is none or it depends on other keys."""
    if field.default in (PydanticUndefined, "", None):
        return None
    return as_json(field.default)


def can_be_off(field: FieldInfo) -> bool:
    """Whether `false` may stand in place of a section."""
    extra = field.json_schema_extra
    return isinstance(extra, Mapping) and extra.get("x-off") is True


def _kind(field: FieldInfo, schema: Mapping[str, Any], *, section: bool) -> str:
    if not section:
        return kind_of(schema)
    return "map or false" if can_be_off(field) else "map"


def value_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a field's JSON Schema says of the value alone: no title, no default, no null."""
    kept = {key: value for key, value in schema.items() if key not in _NOT_OF_THE_VALUE}
    alternatives = [option for option in kept.pop("anyOf", ()) if option.get("type") != "null"]
    if len(alternatives) > 1:
        return {**kept, "anyOf": alternatives}
    return {**kept, **(alternatives[0] if alternatives else {})}


def kind_of(schema: Mapping[str, Any]) -> str:
    """The kind of value in words."""
    schema = value_schema(schema)
    if schema.get("format") in _KINDS:
        return _KINDS[schema["format"]]
    if "anyOf" in schema:
        return " or ".join(kind_of(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return f"list of {kind_of(schema['items'])}"
    return _TYPES.get(schema.get("type", ""), "value")


def all_keys(adapters: Adapters = INSTALLED) -> dict[tuple[str, str], tuple[Key, ...]]:
    """The hub's own keys under ("", ""), each adapter's under its role and type."""
    found = {("", ""): tuple(keys_of(FileContent))}
    for role, configs in config_models(adapters).items():
        for type_name, config in configs.items():
            found[role, type_name] = tuple(keys_of(config, (role, ANY_NAME, "config")))
    return found


def fields() -> dict[str, str]:
    """The fields templates may name, with what they hold; which of them, depends on the text."""
    return {field.name: field.meaning for field in FIELDS.values()}
