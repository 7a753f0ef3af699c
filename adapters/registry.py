"""Finds adapters by type name, lazily, through the entry-point group `hub.adapters`.

Built-in adapters come through the same door as foreign ones. Each entry point names a module-level
`adapter`, an `AdapterType`; one of the group `hub.simulators` a `simulator`, a `SimulatorType`; one of
`hub.other_sides`, for what has no outside system, an `other_side`, an `OtherSideType`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from adapters.api import (
    AdapterContext,
    BookingMirror,
    ContactMirror,
    Reactor,
    SinkConfig,
    Source,
    SourceConfig,
)
from adapters.errors import AdapterError
from adapters.publishing import Feed
from adapters.simulation import Simulation

GROUP = "hub.adapters"
SIMULATORS = "hub.simulators"
OTHER_SIDES = "hub.other_sides"


@dataclass(frozen=True, slots=True)
class AdapterType:
    """One outside system: a source, a sink, or both.

    `feed` says by the sink's settings how the hub shows what it publishes, if its target is the hub.
    """

    name: str
    summary: str
    source: type[Source[Any]] | None = None
    sink: type[BookingMirror[Any]] | type[ContactMirror[Any]] | type[Reactor[Any]] | None = None
    feed: Callable[[Any], Feed] | None = None

    @property
    def source_config(self) -> type[SourceConfig] | None:
        return self.source.config_class if self.source else None

    @property
    def sink_config(self) -> type[SinkConfig] | None:
        return self.sink.config_class if self.sink else None


def _nothing(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Every object there was the hub's own."""
    return {}


@dataclass(frozen=True, slots=True)
class SimulatorType:
    """A stand-in for one outside system, and how its adapter is pointed at it.

    `config` gives the adapter's own settings for a stand-in at an address without a path, `secrets` are
    values in them that may appear nowhere, `forbidden` says what each kind of 403 means and `cannot`
    which cases of the contract kits do not apply, with the reason. `left_behind` tells, of the objects that
    are seen, what stays when nothing of the hub's is wanted there any more.

    `playground` makes one that keeps what it holds and lets everybody in; None: it is for tests only.
    `converses` says that it answers `Simulation.converse` on a second port. `address` gives what
    `${sim:TYPE}` stands for, from the address without a path: of the second port, if there is one.
    """

    name: str
    summary: str
    create_app: Callable[[], Simulation]
    config: Callable[[str], dict[str, Any]]
    secrets: tuple[str, ...] = ()
    forbidden: Mapping[str, type[AdapterError]] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    left_behind: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _nothing
    playground: Callable[[], Simulation] | None = None
    converses: bool = False
    address: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class OtherSideType:
    """What an adapter without an outside system is tried on: nothing is served, all is in this process.

    `create` gives an `adapters.testing.OtherSide` in which nothing is, `sink` the adapter's sink on it; the
    rest is as in `SimulatorType`.
    """

    name: str
    summary: str
    create: Callable[[], Any]
    sink: Callable[[Any, AdapterContext], Any]
    secrets: tuple[str, ...] = ()
    forbidden: Mapping[str, type[AdapterError]] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    left_behind: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _nothing


@cache
def _entries(group: str = GROUP) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


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


def known_simulators() -> tuple[str, ...]:
    """The adapter types that have a stand-in, sorted."""
    return tuple(sorted(_entries(SIMULATORS)))


@cache
def load_simulator(type_name: str) -> SimulatorType:
    """Import one stand-in; raises KeyError for a type that has none."""
    loaded = _entries(SIMULATORS)[type_name].load()
    if not isinstance(loaded, SimulatorType):
        raise TypeError(f"entry point {type_name} of {SIMULATORS} is not a SimulatorType")
    return loaded


def known_other_sides() -> tuple[str, ...]:
    """The adapter types that are tried without an outside system, sorted."""
    return tuple(sorted(_entries(OTHER_SIDES)))


@cache
def load_other_side(type_name: str) -> OtherSideType:
    """Import what one adapter is tried on; raises KeyError for a type that has none."""
    loaded = _entries(OTHER_SIDES)[type_name].load()
    if not isinstance(loaded, OtherSideType):
        raise TypeError(f"entry point {type_name} of {OTHER_SIDES} is not an OtherSideType")
    return loaded


def certifiable() -> tuple[str, ...]:
    """The adapter types that `adapters certify` tries: sinks with something to be tried on, sorted."""
    tried = (*known_simulators(), *known_other_sides())
    return tuple(sorted(name for name in tried if load_adapter(name).sink is not None))
