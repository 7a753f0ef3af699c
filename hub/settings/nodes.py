"""A YAML file as a tree of source text: nothing is converted, every node knows where it stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hub.errors import Problem

Step = str | int
KeyPath = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def problem(self, path: KeyPath, message: str) -> Problem:
        return Problem(self.file, self.line, self.column, dotted(path), message)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of a scalar came from: `kind` says how, `name` which one, `place` where it stands."""

    kind: Literal["variable", "hub.env", "fallback", "file", "generated", "simulated"]
    name: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text; `source` is what was written, `text` what it became once references were replaced.

    `broken` marks one whose reference failed: that has been reported, its value says nothing.
    """

    place: Place
    text: str
    source: str
    null: bool = False
    origins: tuple[Origin, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A YAML sequence."""

    place: Place
    values: "Sequence[Node]" = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a map and what stands under it; `place` is that of the key."""

    place: Place
    node: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    """A YAML mapping with text keys."""

    place: Place
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def get(self, key: str) -> "Node | None":
        """What stands under the key; None also for a null."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.node) else entry.node


Node = Scalar | Items | Map


def is_null(node: Node) -> bool:
    """Absent: an empty value, `~` or `null` without quotes."""
    return isinstance(node, Scalar) and node.null


def dotted(path: KeyPath) -> str:
    """The path as people write it: `sinks.crm.events[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def child(node: Node, step: Step) -> Node | None:
    """The node one step down, if there is one."""
    if isinstance(node, Map):
        entry = node.entries.get(str(step))
        return entry.node if entry else None
    if isinstance(node, Items) and isinstance(step, int) and 0 <= step < len(node.values):
        return node.values[step]
    return None


def find(node: Node, path: KeyPath) -> Node | None:
    """The node at this path."""
    for step in path:
        below = child(node, step)
        if below is None:
            return None
        node = below
    return node


def nearest_place(root: Node, path: KeyPath) -> Place:
    """Where the path stands or, if it is absent, the key closest above it."""
    place, node = root.place, root
    for step in path:
        below = child(node, step)
        if below is None:
            break
        place = node.entries[str(step)].place if isinstance(node, Map) else below.place
        node = below
    return place


def key_place(root: Node, path: KeyPath) -> Place:
    """Where the last key of the path stands."""
    parent = find(root, path[:-1])
    if isinstance(parent, Map) and str(path[-1]) in parent.entries:
        return parent.entries[str(path[-1])].place
    return nearest_place(root, path)


def scalars(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Scalar]]:
    """All scalars below with their paths, in the order of the file."""
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Items):
        for index, item in enumerate(node.values):
            yield from scalars(item, (*path, index))
    else:
        for key, entry in node.entries.items():
            yield from scalars(entry.node, (*path, key))


def whole_characters(text: str) -> str | None:
    """The text with surrogate pairs joined, as JSON writes them; None if one stands alone."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None
