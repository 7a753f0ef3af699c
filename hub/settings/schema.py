"""The JSON Schema (draft 2020-12) of a configuration file, for editors.

It judges one file, so nothing is required: a lower layer may hold it. Every value may be a reference
and, to remove what a lower layer says, null.
"""

from typing import Any

from pydantic import BaseModel

from hub.settings.instances import INSTALLED, Adapters, config_models
from hub.settings.models import FileContent
from hub.settings.reference import can_be_off, default_of, meaning_of, models_below, value_schema

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
_OFF: Schema = {"const": False}
_REFERENCE: Schema = {"$ref": "#/$defs/reference"}
_REFERENCE_TEXT: Schema = {
    "description": "a text with ${VAR}, ${VAR:-default}, ${VAR:?why}, ${file:PATH} or ${generated:NAME}",
    "type": "string",
    "pattern": r"\$\{",
}
_ANY_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}


def schema(adapters: Adapters = INSTALLED) -> Schema:
    """The schema of what exists, the configs of all installed adapters included."""
    content = _object(FileContent)
    configs = config_models(adapters)
    for role, by_type in configs.items():
        _name_types(_entry(content, role), role, by_type)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bookinghub configuration",
        **content,
        "$defs": {
            "reference": _REFERENCE_TEXT,
            **{
                f"{role}.{name}": _or(_object(config), _NULL)
                for role, by_type in configs.items()
                for name, config in by_type.items()
            },
        },
    }


def _entry(content: Schema, role: str) -> Schema:
    """The schema of one source or sink inside the whole."""
    section = content["properties"][role]["anyOf"][0]
    entry: Schema = section["additionalProperties"]["anyOf"][0]
    return entry


def _name_types(entry: Schema, role: str, types: dict[str, type[BaseModel]]) -> None:
    """Lets an entry's `type` decide what stands under its `config`."""
    entry["properties"]["type"] = {"description": "adapter type", "enum": list(types)}
    entry["allOf"] = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"config": {"$ref": f"#/$defs/{role}.{name}"}}},
        }
        for name in types
    ]


def _object(model: type[BaseModel]) -> Schema:
    written = model.model_json_schema().get("properties", {})
    properties: Schema = {}
    for name, field in model.model_fields.items():
        properties[name] = {}
        if meaning := meaning_of(field):
            properties[name]["description"] = meaning
        container, below = models_below(field.annotation)
        if not below and (default := default_of(field)) is not None:
            properties[name]["default"] = default
        value = _or(*map(_object, below)) if below else _leaf(value_schema(written[name]))
        if can_be_off(field):
            value = _or(value, _OFF)
        properties[name].update(_or(_contained(container, value) if container else value, _NULL))
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _contained(container: type, value: Schema) -> Schema:
    if container is dict:
        return {"type": "object", "additionalProperties": _or(value, _NULL)}
    return {"type": "array", "items": value}


def _leaf(value: Schema) -> Schema:
    """A value that may also be a reference; plain text may look like a number, it stays what is written."""
    if value.get("type") == "array":
        return {**value, "items": _leaf(value.get("items", {}))}
    if value == {"type": "string"}:
        return _ANY_SCALAR
    return value if value.get("type") in (None, "object") else _or(value, _REFERENCE)


def _or(*schemas: Schema) -> Schema:
    """Any of these, alternatives that are lists themselves laid out flat."""
    flat = [
        option
        for schema in schemas
        for option in (schema["anyOf"] if list(schema) == ["anyOf"] else [schema])
    ]
    if flat[0] == _ANY_SCALAR or len(flat) == 1:
        return flat[0]
    return {"anyOf": flat}
