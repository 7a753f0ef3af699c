"""Keys that are planned but do nothing yet: refused, so that nobody relies on them.

An adapter names its own in `AdapterConfig.not_yet`. A `*` stands for any instance name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.errors import Problem
from hub.settings.nodes import Entry, KeyPath, Map, Node, is_null


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why a key is refused."""

    explanation: str


NOT_YET: Mapping[KeyPath, NotYet] = {
    ("alerts",): NotYet("nobody is alerted; `bookinghub issues list` shows what needs a person"),
    ("console",): NotYet("there is no console"),
    ("sources", "*", "renamed_from"): NotYet("a source keeps its name"),
}


def refusal(explanation: str) -> str:
    """What is said of a key that is not due."""
    return f"not yet available: {explanation}; remove this key"


def without_not_yet(root: Map, problems: list[Problem]) -> Map:
    """The tree without the keys of the table; those that ask for something are problems."""
    for pattern, rule in NOT_YET.items():
        for path in tuple(_paths(root, pattern)):
            root = _without(root, path, (), rule, problems)
    return root


def _paths(root: Map, pattern: KeyPath) -> Iterator[KeyPath]:
    """The paths of the tree that the pattern stands for."""
    paths: list[tuple[KeyPath, Node]] = [((), root)]
    for step in pattern:
        paths = [
            ((*path, key), entry.node)
            for path, node in paths
            if isinstance(node, Map)
            for key, entry in node.entries.items()
            if step in ("*", key)
        ]
    return (path for path, _ in paths)


def _without(node: Map, path: KeyPath, above: KeyPath, rule: NotYet, problems: list[Problem]) -> Map:
    key = str(path[0])
    entry = node.entries[key]
    full = (*above, key)
    if len(path) > 1 and isinstance(entry.node, Map):
        below = _without(entry.node, path[1:], full, rule, problems)
        return Map(node.place, {**node.entries, key: Entry(entry.place, below)})
    if not is_null(entry.node):
        problems.append(entry.place.problem(full, refusal(rule.explanation)))
    return Map(node.place, {other: value for other, value in node.entries.items() if other != key})
