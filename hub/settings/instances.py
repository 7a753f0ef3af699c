"""Sources and sinks: their names, their adapters, and each adapter's own config."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from adapters.api import AdapterConfig, BookingMirror, ContactMirror, Reactor, Source
from adapters.config_types import format_duration, parse_duration
from adapters.http import HttpClient
from adapters.registry import AdapterType, known_types, load_adapter
from events.catalogue import CATALOGUE
from hub.errors import Problem
from hub.settings.asking import asking_problems
from hub.settings.layers import plain_map
from hub.settings.messages import did_you_mean, model_problems, shown, unknown_nulls
from hub.settings.nodes import Entry, Items, KeyPath, Map, Place, Scalar, find, is_null, key_place
from hub.settings.not_yet import refusal

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

SinkClass = type[BookingMirror[Any]] | type[ContactMirror[Any]] | type[Reactor[Any]]


@dataclass(frozen=True, slots=True)
class Adapters:
    """Where adapter types come from."""

    known: Callable[[], tuple[str, ...]] = known_types
    load: Callable[[str], AdapterType] = load_adapter


INSTALLED = Adapters()


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of one instance once its adapter was found.

    The typed config, the kind of sink, and of a source whether it has the credentials of its provider's API.
    """

    config: AdapterConfig
    sink: SinkClass | None
    can_be_asked: bool = False

    @property
    def is_reactor(self) -> bool:
        return self.sink is not None and issubclass(self.sink, Reactor)

    @property
    def least_grace(self) -> timedelta:
        """How long a cancellation waits at least."""
        return (
            self.sink.least_grace if self.sink is not None and issubclass(self.sink, Reactor) else timedelta()
        )


@dataclass
class InstanceCheck:
    """Checks every entry under `sources:` and `sinks:` and collects what is wrong."""

    root: Map
    adapters: Adapters
    problems: list[Problem] = field(default_factory=list)

    def check(self, role: str) -> dict[str, Checked]:
        """The usable instances of `sources` or `sinks`, by name."""
        section = find(self.root, (role,))
        checked: dict[str, Checked] = {}
        for name, entry in section.entries.items() if isinstance(section, Map) else ():
            if not _NAME.fullmatch(name):
                self._report(entry.place, (role, name), "a name is letters, digits, _ and -, at most 64")
            if isinstance(entry.node, Map):
                found = self._instance(role, name, entry.node)
                if found:
                    checked[name] = found
        if role == "sinks" and isinstance(section, Map):
            self._former_names(section)
        return checked

    def _former_names(self, section: Map) -> None:
        """What a sink was called before has to be free by now, and to have one heir only."""
        heirs: dict[str, str] = {}
        for name, entry in section.entries.items():
            node = entry.node.get("renamed_from") if isinstance(entry.node, Map) else None
            if not isinstance(node, Scalar) or node.broken:
                continue
            path = ("sinks", name, "renamed_from")
            heir = heirs.setdefault(node.text, name)
            if not _NAME.fullmatch(node.text):
                self._report(node.place, path, f"{shown(node)} cannot have been the name of a sink")
            elif node.text in section.entries:
                self._report(node.place, path, f"the sink {node.text} is still there; remove it or this key")
            elif heir != name:
                self._report(node.place, path, f"the sink {heir} takes over from {node.text} already")

    def _report(self, place: Place, path: KeyPath, message: str) -> None:
        self.problems.append(place.problem(path, message))

    def _instance(self, role: str, name: str, entry: Map) -> Checked | None:
        adapter = self._adapter(role, name, entry)
        if adapter is None:
            return None
        config_class = adapter.source_config if role == "sources" else adapter.sink_config
        if config_class is None:
            return None
        sink = adapter.sink if role == "sinks" else None
        if sink is not None:
            self._sink_keys(name, entry, sink)
        config = self._config((role, name, "config"), config_class)
        if config is None:
            return None
        if role == "sources" and adapter.source is not None:
            return self._source(name, entry, adapter.source, config)
        return Checked(config, sink)

    def _source(
        self, name: str, entry: Map, source_class: type[Source[Any]], config: AdapterConfig
    ) -> Checked:
        can_be_asked = source_class(config, instance=name).provider(HttpClient()) is not None
        self.problems.extend(asking_problems(self.root, name, entry, can_be_asked=can_be_asked))
        return Checked(config, None, can_be_asked)

    def _adapter(self, role: str, name: str, entry: Map) -> AdapterType | None:
        node = entry.get("type")
        if not isinstance(node, Scalar) or node.broken:
            return None
        path = (role, name, "type")
        if node.text not in self.adapters.known():
            hint = did_you_mean(node.text, self.adapters.known())
            self._report(node.place, path, f"{shown(node)} is not an installed adapter{hint}")
            return None
        try:
            adapter = self.adapters.load(node.text)
        except (ImportError, AttributeError, TypeError) as error:
            self._report(node.place, path, f"the adapter {node.text} cannot be loaded: {error}")
            return None
        if role == "sources" and adapter.source is None:
            self._report(node.place, path, f"{node.text} is a sink, not a source")
        if role == "sinks" and adapter.sink is None:
            self._report(node.place, path, f"{node.text} is a source, not a sink")
        return adapter

    def _config(self, path: KeyPath, config_class: type[AdapterConfig]) -> AdapterConfig | None:
        node = find(self.root, path)
        if node is not None and not isinstance(node, Map) and not is_null(node):
            return None
        written = node if isinstance(node, Map) else Map(key_place(self.root, path))
        due = self._without_not_yet(written, path, config_class)
        self.problems.extend(unknown_nulls(self.root, path, config_class))
        try:
            return config_class.model_validate(plain_map(due))
        except ValidationError as error:
            self.problems.extend(model_problems(error, self.root, path, config_class))
            return None

    def _without_not_yet(self, written: Map, path: KeyPath, config_class: type[AdapterConfig]) -> Map:
        """The adapter's map without the keys it names as planned."""
        planned: Mapping[str, str] = config_class.not_yet
        kept: dict[str, Entry] = {}
        for key, entry in written.entries.items():
            if key not in planned or key in config_class.model_fields:
                kept[key] = entry
            elif not is_null(entry.node):
                self._report(entry.place, (*path, key), refusal(planned[key]))
        return Map(written.place, kept)

    def _sink_keys(self, name: str, entry: Map, sink: SinkClass) -> None:
        """What a reactor may have and a mirror may not, and the other way round."""
        events, start = entry.entries.get("events"), entry.get("start")
        if not issubclass(sink, Reactor):
            if events and not is_null(events.node):
                message = "events belongs to reactors; a mirror follows the newest state whatever happened"
                self._report(events.place, ("sinks", name, "events"), message)
            return
        for key in ("drift", "hand_edits"):
            written = entry.entries.get(key)
            if written and not is_null(written.node):
                message = f"{key} belongs to mirrors; a reactor keeps nothing that could be compared"
                self._report(written.place, ("sinks", name, key), message)
        if sink.least_grace:
            self._careful_keys(name, entry, sink)
        if isinstance(start, Scalar) and start.text == "upcoming":
            message = "upcoming belongs to mirrors; a reactor starts now"
            self._report(start.place, ("sinks", name, "start"), message)
        if events and isinstance(events.node, Items):
            handled = {event.event_type() for event in sink.handles}
            for index, item in enumerate(events.node.values):
                if isinstance(item, Scalar) and not (item.broken or item.null or item.text in handled):
                    self._event(item, ("sinks", name, "events", index), sink, handled)

    def _careful_keys(self, name: str, entry: Map, sink: type[Reactor[Any]]) -> None:
        """What cannot be undone is done neither soon nor for what happened before the sink was there."""
        grace, start = entry.get("grace"), entry.get("start")
        if isinstance(grace, Scalar) and _is_shorter(grace.text, sink.least_grace):
            message = f"a cancellation waits at least {format_duration(sink.least_grace)} for {sink.name}"
            self._report(grace.place, ("sinks", name, "grace"), message)
        if isinstance(start, Scalar) and start.text == "beginning":
            message = f"{sink.name} starts now; what was cancelled before is for a person"
            self._report(start.place, ("sinks", name, "start"), message)

    def _event(self, item: Scalar, path: KeyPath, sink: type[Reactor[Any]], handled: set[str]) -> None:
        if item.text in CATALOGUE:
            message = f"{sink.name} does not act on {item.text}; it knows {', '.join(sorted(handled))}"
        else:
            message = f"{shown(item)} is not an event{did_you_mean(item.text, CATALOGUE)}"
        self._report(item.place, path, message)


def _is_shorter(text: str, least: timedelta) -> bool:
    """Whether this is a duration and too short; one that is none is reported elsewhere."""
    try:
        return parse_duration(text) < least
    except ValueError:
        return False


def config_models(adapters: Adapters) -> dict[str, dict[str, type[BaseModel]]]:
    """The config models of all installed types, by role and type."""
    found: dict[str, dict[str, type[BaseModel]]] = {"sources": {}, "sinks": {}}
    for name in sorted(adapters.known()):
        adapter = adapters.load(name)
        if adapter.source_config:
            found["sources"][name] = adapter.source_config
        if adapter.sink_config:
            found["sinks"][name] = adapter.sink_config
    return found
