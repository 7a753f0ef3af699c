"""Follows a path through pydantic models: which keys may stand there, which field stands behind it."""

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hub.settings.nodes import KeyPath, Step


def unwrapped(annotation: Any) -> Iterator[Any]:
    """The plain types an annotation stands for: unions and metadata taken off."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from unwrapped(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from unwrapped(member)
    else:
        yield annotation


def models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models among these types."""
    return tuple(t for t in unwrapped(annotation) if isinstance(t, type) and issubclass(t, BaseModel))


def _below(annotation: Any, step: Step) -> Iterator[Any]:
    for plain in unwrapped(annotation):
        origin, arguments = get_origin(plain), get_args(plain)
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            field = plain.model_fields.get(str(step))
            if field is not None:
                yield field.annotation
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
            yield arguments[1]
        elif (
            isinstance(origin, type) and issubclass(origin, Sequence) and arguments and isinstance(step, int)
        ):
            yield arguments[0]


def annotations_at(root: Any, path: KeyPath) -> tuple[Any, ...]:
    """The annotations that may stand at this path."""
    found: tuple[Any, ...] = (root,)
    for step in path:
        found = tuple(below for annotation in found for below in _below(annotation, step))
    return found


def keys_at(root: Any, path: KeyPath) -> frozenset[str] | None:
    """The keys a map at this path may have; None if any key may stand there."""
    found = [model for annotation in annotations_at(root, path) for model in models(annotation)]
    if not found:
        return None
    return frozenset(name for model in found for name in model.model_fields)


def field_at(root: Any, path: KeyPath) -> FieldInfo | None:
    """The model field behind the last key of this path."""
    for annotation in annotations_at(root, path[:-1]):
        for model in models(annotation):
            if path[-1] in model.model_fields:
                return model.model_fields[str(path[-1])]
    return None
