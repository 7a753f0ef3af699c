"""Puts files on top of each other: maps merge, everything else is replaced, a null removes."""

from pathlib import Path

from adapters.config_types import SourceText
from hub.settings.nodes import Entry, Items, Map, Node, Scalar, is_null


def merge(below: Map, above: Map) -> Map:
    """The upper layer over the lower one; a null stays as the mark of what it removed."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        under = entries.get(key)
        if under and isinstance(under.node, Map) and isinstance(entry.node, Map):
            entries[key] = Entry(under.place, merge(under.node, entry.node))
        else:
            entries[key] = entry
    return Map(below.place, entries)


def plain_map(node: Map) -> dict[str, object]:
    """The map as a dict; a null is an absent key."""
    return {key: plain(entry.node) for key, entry in node.entries.items() if not is_null(entry.node)}


def plain(node: Node) -> object:
    """The tree as dicts, lists and texts for the settings model."""
    if isinstance(node, Map):
        return plain_map(node)
    if isinstance(node, Items):
        return [plain(item) for item in node.values]
    return _text(node)


def _text(scalar: Scalar) -> object:
    return None if scalar.null else SourceText(scalar.text, Path(scalar.place.file).parent)
