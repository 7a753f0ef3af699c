"""Finds adapters by type name, lazily, through the entry-point group `hub.adapters`.

Built-in adapters come through the same door as foreign ones. Each entry point names a module-level
`adapter`, an `AdapterType`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from adapters.api import BookingMirror, ContactMirror, Reactor, SinkConfig, Source, SourceConfig

GROUP = "hub.adapters"


@dataclass(frozen=True, slots=True)
class AdapterType:
    """One outside system: a source, a sink, or both."""

    name: str
    summary: str
    source: type[Source[Any]] | None = None
    sink: type[BookingMirror[Any]] | type[ContactMirror[Any]] | type[Reactor[Any]] | None = None

    @property
    def source_config(self) -> type[SourceConfig] | None:
        return self.source.config_class if self.source else None

    @property
    def sink_config(self) -> type[SinkConfig] | None:
        return self.sink.config_class if self.sink else None


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def known_types() -> tuple[str, ...]:
    """The installed adapter types, sorted, none of them imported."""
    return tuple(sorted(_entries()))


@cache
def load_adapter(type_name: str) -> AdapterType:
    """Import one adapter; raises KeyError for a type that is not installed."""
    loaded = _entries()[type_name].load()
    if not isinstance(loaded, AdapterType):
        raise TypeError(f"entry point {type_name} of {GROUP} is not an AdapterType")
    return loaded
