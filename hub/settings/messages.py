"""Turns what pydantic says into problems: where it stands in which file, in words for people."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub.errors import Problem
from hub.settings.model_shape import field_at, keys_at
from hub.settings.nodes import (
    Items,
    KeyPath,
    Map,
    Node,
    Scalar,
    child,
    find,
    is_null,
    key_place,
    nearest_place,
)

_TEXT_WANTED = frozenset(
    ("string_type", "secret_type", "path_type", "url_type", "int_type", "bool_type", "float_type")
)
_MAP_WANTED = frozenset(("model_type", "dict_type", "model_attributes_type", "mapping_type"))
_LIST_WANTED = frozenset(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"))
_NOT_A = {
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing_size": "is too large a number",
    "float_parsing": "is not a number",
    "decimal_parsing": "is not a number",
    "bool_parsing": "is neither true nor false",
    "url_parsing": "is not an address; write https://…",
    "url_scheme": "is not an address of the right kind",
}
_LIMITS = {
    "greater_than": ("gt", "has to be more than"),
    "greater_than_equal": ("ge", "is too little; the least is"),
    "less_than": ("lt", "has to be less than"),
    "less_than_equal": ("le", "is too much; the most is"),
}
_SHORTEST_BLIND = 8
_QUOTED = re.compile(r'"([^"]+)"')


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that is written most alike, if any comes close."""
    close = difflib.get_close_matches(word.lower(), {name.lower() for name in known}, n=1, cutoff=0.5)
    return next((name for name in sorted(known) if close and name.lower() == close[0]), None)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint at the nearest known word, else all of them."""
    close = nearest(word, known)
    if close:
        return f"; did you mean {close}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def shown(node: Node) -> str:
    """The value as it was written, references not replaced, short and on one line."""
    if isinstance(node, Scalar):
        text = " ".join(node.source.split())
        return '"' + (text if len(text) <= 60 else text[:59] + "…") + '"'
    return "a list" if isinstance(node, Items) else "a map"


def model_problems(error: ValidationError, root: Map, prefix: KeyPath, model: Any) -> Iterator[Problem]:
    """What pydantic found in the part of the tree at `prefix`, which was checked against `model`."""
    for detail in error.errors(include_url=False, include_input=False):
        path, by_key = _path(root, prefix, detail, model)
        node = find(root, path)
        if isinstance(node, Scalar) and node.broken:
            continue
        by_key = by_key or node is None or detail["type"] == "extra_forbidden"
        place = key_place(root, path) if by_key else node.place if node else nearest_place(root, path)
        yield place.problem(path, _message(detail, node, path[len(prefix) :], model))


def unknown_nulls(root: Map, prefix: KeyPath, model: Any) -> Iterator[Problem]:
    """Unknown keys that hold nothing: the model never sees them, since a null is an absent key."""
    top = find(root, prefix)
    for path, node in _maps(top, prefix) if top else ():
        known = keys_at(model, path[len(prefix) :])
        for key, entry in node.entries.items():
            if known is not None and key not in known and is_null(entry.node):
                yield entry.place.problem((*path, key), "unknown key" + did_you_mean(key, known))


def _maps(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Map]]:
    if isinstance(node, Map):
        yield path, node
        for key, entry in node.entries.items():
            yield from _maps(entry.node, (*path, key))
    elif isinstance(node, Items):
        for index, item in enumerate(node.values):
            yield from _maps(item, (*path, index))


def _path(root: Map, prefix: KeyPath, detail: ErrorDetails, model: Any) -> tuple[KeyPath, bool]:
    """The place in the file that pydantic means; names of union members in its path are no keys."""
    node, path = find(root, prefix), prefix
    for step in detail["loc"]:
        below = child(node, step) if node is not None else None
        if below is not None or step in (keys_at(model, path[len(prefix) :]) or ()):
            node, path = below, (*path, step)
    return path, detail["loc"][-1:] == ("[key]",)


def _message(detail: ErrorDetails, node: Node | None, path: KeyPath, model: Any) -> str:
    kind = detail["type"]
    if kind == "missing":
        field = field_at(model, path)
        return f"missing; {field.description}" if field and field.description else "missing"
    if kind == "extra_forbidden":
        return "unknown key" + did_you_mean(str(path[-1]), keys_at(model, path[:-1]) or ())
    if node is not None and is_null(node):
        return "empty; write a value or leave it out"
    value = shown(node) if node else "this"
    if kind == "value_error":
        return _own_message(str(detail.get("ctx", {}).get("error", detail["msg"])), node, value)
    return _wrong_kind(kind, node, value) or _wrong_value(kind, detail, value)


def _wrong_kind(kind: str, node: Node | None, value: str) -> str | None:
    one_value = kind in _TEXT_WANTED or kind.endswith(("_parsing", "literal_error"))
    if one_value and not (isinstance(node, Scalar) and node.text):
        hint = "; a template has to stand in quotes" if isinstance(node, Map) else ""
        return f"one value is wanted here, not {value}{hint}"
    if kind in _MAP_WANTED:
        return f"a map is wanted here, key: value, not {value}"
    if kind in _LIST_WANTED:
        return f"a list is wanted here, such as [A, B], not {value}"
    return None


def _wrong_value(kind: str, detail: ErrorDetails, value: str) -> str:
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind in _NOT_A:
        return f"{value} {_NOT_A[kind]}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{value} {words} {context[name]}"
    if kind in ("literal_error", "enum"):
        known = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        close = nearest(value.strip('"'), known)
        return f"{value} is not one of {', '.join(known)}" + (f"; did you mean {close}?" if close else "")
    if kind == "too_short":
        return "the list is empty; leave it out or name something"
    message = detail["msg"]
    return message[:1].lower() + message[1:]


def _own_message(message: str, node: Node | None, value: str) -> str:
    """A validator's words; what a reference brought is not quoted, and "is not …" gets its subject."""
    if isinstance(node, Scalar) and node.origins and node.text:
        message = _QUOTED.sub(lambda quoted: _unquoted(quoted, node, value), message)
        if len(node.text) >= _SHORTEST_BLIND:
            message = message.replace(node.text, value.strip('"'))
    return f"{value} {message}" if message.startswith("is not ") else message


def _unquoted(quoted: re.Match[str], node: Scalar, value: str) -> str:
    if quoted[1] == node.text:
        return value
    return '"…"' if quoted[1] in node.text and quoted[1] not in node.source else quoted[0]
