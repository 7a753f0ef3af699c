"""Reads one YAML file into a tree of source text.

ruamel.yaml scans and parses; its composer and constructors stay unused, because they decide types
(`22:00`, `no`, `+49…`, `010` would not survive) and follow tags. All problems of a file are collected.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from adapters.template_fields import find_field
from hub.errors import Problem
from hub.settings.nodes import Entry, Items, KeyPath, Map, Node, Place, Scalar, is_null, whole_characters
from hub.settings.syntax import describe_syntax_error, find_bare_template, undecodable

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 20_000
MAX_BARE = 50
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
PLAIN_TAGS = frozenset((None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))


def read_tree(file: str, data: bytes, problems: list[Problem]) -> Map | None:
    """The file's map; None if it cannot be used at all. What is wrong is added to `problems`."""
    if len(data) > MAX_BYTES:
        problems.append(Place(file, 1, 1).problem((), "larger than 1 MiB"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(undecodable(file, data, error))
        return None
    return _read_text(file, text, problems)


def _read_text(file: str, text: str, problems: list[Problem]) -> Map | None:
    """Parses again after each unquoted template that breaks the syntax, so that the rest is checked too."""
    bare: dict[tuple[int, int], str] = {}
    while True:
        composer = _Composer(file, text, bare)
        try:
            root = composer.document()
        except YAMLError as error:
            template = find_bare_template(text, error) if len(bare) < MAX_BARE else None
            if template is None:
                problems.extend(
                    (*composer.problems, *composer.unseen(), describe_syntax_error(file, text, error))
                )
                return None
            bare[template.line, template.column] = template.template
            text = template.repaired
        except _StopError as error:
            problems.extend((*composer.problems, *composer.unseen(), error.problem))
            return None
        except (ValueError, OverflowError) as error:  # ruamel.yaml on "\U99999999"
            problems.append(Place(file, 1, 1).problem((), f"not valid YAML: {error}"))
            return None
        else:
            problems.extend(composer.problems)
            return root


def quote_it(template: str) -> str:
    """What to say about a template that YAML takes for a map."""
    quoted = template if len(template) <= 60 else template[:59] + "…"
    return (
        f'a template has to stand in quotes: "{quoted}"'
        if '"' not in quoted
        else "a template has to stand in quotes"
    )


class _StopError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass
class _Composer:
    """Builds nodes from parse events; anchors are registered when complete, so there are no cycles."""

    file: str
    text: str
    bare: Mapping[tuple[int, int], str]
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    nodes: int = 0

    def document(self) -> Map | None:
        events: Iterator[Any] = YAML(typ="safe", pure=True).parse(self.text)
        start = next(events)
        first = next(events)
        if not isinstance(first, DocumentStartEvent):
            raise _StopError(self._place(start).problem((), "the file is empty"))
        root = self._node(next(events), events, ())
        next(events)
        following = next(events)
        if isinstance(following, DocumentStartEvent):
            raise _StopError(
                self._place(following).problem((), 'a second document; "---" may stand only at the top')
            )
        if isinstance(root, Map):
            return root
        empty = is_null(root)
        raise _StopError(
            root.place.problem((), "the file is empty" if empty else "the file has to hold a map, key: value")
        )

    def unseen(self) -> list[Problem]:
        """The repaired templates that were not met before the parse stopped."""
        met = {(problem.line, problem.column) for problem in self.problems}
        return [
            Place(self.file, line, column).problem((), quote_it(template))
            for (line, column), template in self.bare.items()
            if (line, column) not in met
        ]

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _report(self, place: Place, path: KeyPath, message: str) -> None:
        self.problems.append(place.problem(path, message))

    def _count(self, event: Any, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _StopError(
                self._place(event).problem((), f"more than {MAX_NODES} values, aliases included")
            )

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        before = self.nodes
        self._count(event)
        if len(path) > MAX_DEPTH:
            raise _StopError(self._place(event).problem((), f"nested more than {MAX_DEPTH} deep"))
        if event.tag not in PLAIN_TAGS:
            self._report(self._place(event), path, f"the tag {event.tag} means nothing here; remove it")
        node = self._content(event, events, path)
        if event.anchor:
            self.anchors[event.anchor] = (node, self.nodes - before)
        return node

    def _content(self, event: Any, events: Iterator[Any], path: KeyPath) -> Node:
        if isinstance(event, MappingStartEvent):
            return self._map(event, events, path)
        if isinstance(event, SequenceStartEvent):
            return self._items(event, events, path)
        place = self._place(event)
        if (place.line, place.column) in self.bare:
            template = self.bare[place.line, place.column]
            self._report(place, path, quote_it(template))
            return Scalar(place, template, template, broken=True)
        text = whole_characters(event.value)
        if text is None:
            self._report(place, path, "half a character: one half of a \\ud800 pair stands alone")
            return Scalar(place, "", "", broken=True)
        plain = event.style is None and event.tag is None
        return Scalar(place, text, text, null=plain and text in NULLS)

    def _alias(self, event: Any, path: KeyPath) -> Node:
        found = self.anchors.get(event.anchor)
        if found is None:
            message = f"the alias *{event.anchor} has no anchor &{event.anchor} before it"
            self._report(self._place(event), path, f"{message}; a text that begins with * needs quotes")
            return Scalar(self._place(event), "", f"*{event.anchor}", null=True)
        node, nodes = found
        self._count(event, nodes)
        return node

    def _items(self, start: Any, events: Iterator[Any], path: KeyPath) -> Items:
        values: list[Node] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            values.append(self._node(event, events, (*path, len(values))))
        return Items(self._place(start), tuple(values))

    def _map(self, start: Any, events: Iterator[Any], path: KeyPath) -> Map | Scalar:
        entries: dict[str, Entry] = {}
        merged: list[Map] = []
        bare = bool(start.flow_style)
        while not isinstance(event := next(events), MappingEndEvent):
            key = self._key(event, events, path)
            following = next(events)
            bare = (
                bare and isinstance(following, ScalarEvent) and following.implicit[0] and not following.value
            )
            value = self._node(following, events, (*path, key or "?"))
            if key == "<<" and event.style is None:
                merged.extend(self._merged(value, (*path, key)))
            elif key is not None:
                self._add(entries, key, Entry(self._place(event), value), path)
        if bare and entries and _names_a_field(next(iter(entries))):
            return self._bare_template(start, event, path)
        for source in merged:
            entries.update({key: entry for key, entry in source.entries.items() if key not in entries})
        return Map(self._place(start), entries)

    def _bare_template(self, start: Any, end: Any, path: KeyPath) -> Scalar:
        template = self.text[start.start_mark.index : end.end_mark.index]
        self._report(self._place(start), path, quote_it(template))
        return Scalar(self._place(start), template, template, broken=True)

    def _key(self, event: Any, events: Iterator[Any], path: KeyPath) -> str | None:
        key = self._node(event, events, (*path, "?"))
        if isinstance(key, Scalar):
            return key.text
        self._report(
            self._place(event), path, "a key has to be plain text; a template has to stand in quotes"
        )
        return None

    def _add(self, entries: dict[str, Entry], key: str, entry: Entry, path: KeyPath) -> None:
        first = entries.setdefault(key, entry)
        if first is not entry:
            self._report(
                entry.place, (*path, key), f"duplicate key; it stands in line {first.place.line} already"
            )

    def _merged(self, value: Node, path: KeyPath) -> list[Map]:
        values = list(value.values) if isinstance(value, Items) else [value]
        maps = [item for item in values if isinstance(item, Map)]
        if len(maps) < len(values):
            self._report(value.place, path, '"<<" takes a map or a list of maps, such as *name')
        return maps


def _names_a_field(key: str) -> bool:
    head = key.split("|")[0].split(":")[0].strip()
    return find_field(head) is not None
