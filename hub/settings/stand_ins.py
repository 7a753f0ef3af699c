"""The stand-ins of a playground: which are named under `simulator:`, and where `${sim:TYPE}` finds them.

Each has a port of its own, and a second one if its system speaks something beside HTTP. They are chosen
once and kept in `<data_dir>/sim.json`, so that addresses stay the same from one start to the next.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.registry import SimulatorType, known_simulators, load_simulator
from hub.errors import ConfigError, Problem
from hub.ports import free_port
from hub.settings.generated import GeneratedSecrets, UnreadableSecretsError
from hub.settings.messages import did_you_mean
from hub.settings.nodes import Items, KeyPath, Map, Scalar, find

FILE_NAME = "sim.json"
TYPES: KeyPath = ("simulator", "types")


@dataclass(frozen=True, slots=True)
class Simulators:
    """Where stand-ins come from."""

    known: Callable[[], tuple[str, ...]] = known_simulators
    load: Callable[[str], SimulatorType] = load_simulator

    def playable(self, name: str) -> bool:
        """Whether a playground can have this one."""
        return name in self.known() and self.load(name).playground is not None


INSTALLED_SIMULATORS = Simulators()


class NoStandInError(Exception):
    """`${sim:TYPE}` names a type that has no address; the message says why."""


@dataclass
class StandIns:
    """Hands out the addresses of the stand-ins that are named in the tree; `ports` stores their ports."""

    data_dir: Path | None
    types: tuple[str, ...] = ()
    simulators: Simulators = INSTALLED_SIMULATORS
    ports: GeneratedSecrets = field(init=False)
    _taken: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ports = GeneratedSecrets(self.data_dir, file_name=FILE_NAME, make=self._free)

    def address(self, name: str) -> str:
        """What stands for `${sim:NAME}`."""
        if name not in self.types:
            raise NoStandInError(f"{name} is not among simulator.types, so no stand-in for it is started")
        if not self.simulators.playable(name):
            raise NoStandInError(f"{name} has no stand-in")
        stand_in = self.simulators.load(name)
        port = self.second_port(name) if stand_in.converses else self.port(name)
        return stand_in.address(f"http://127.0.0.1:{port}")

    def port(self, name: str) -> int:
        """The port of the stand-in, chosen now if it has none yet."""
        try:
            return int(self.ports.get(name))
        except ValueError as error:
            raise NoStandInError(f"{self.ports.file} holds no port for {name}; remove the file") from error
        except (UnreadableSecretsError, ConfigError) as error:
            raise NoStandInError(str(error)) from error

    def all_ports(self) -> Mapping[str, int]:
        """The ports of all of them, by type."""
        return {name: self.port(name) for name in self.types}

    def second_port(self, name: str) -> int:
        """The port at which what is no HTTP is spoken, likewise."""
        return self.port(f"{name}:2")

    def second_ports(self) -> Mapping[str, int]:
        """The second ports of those that have one, by type."""
        return {name: self.second_port(name) for name in self.types if self.simulators.load(name).converses}

    def _free(self) -> str:
        port = free_port()
        while port in self._taken:
            port = free_port()
        self._taken.add(port)
        return str(port)


def named_types(root: Map) -> tuple[str, ...]:
    """The types under `simulator.types`, before anything is known to be right."""
    written = find(root, TYPES)
    items = written.values if isinstance(written, Items) else ()
    return tuple(item.text for item in items if isinstance(item, Scalar) and not item.broken)


def unknown_types(root: Map, simulators: Simulators) -> Iterator[Problem]:
    """The named types that no playground can have, and those that are named twice."""
    written = find(root, TYPES)
    seen: set[str] = set()
    for index, item in enumerate(written.values if isinstance(written, Items) else ()):
        if not isinstance(item, Scalar) or item.broken:
            continue
        path = (*TYPES, index)
        if not simulators.playable(item.text):
            there = tuple(name for name in simulators.known() if simulators.playable(name))
            hint = did_you_mean(item.text, there) or f"; there are {', '.join(there)}"
            yield item.place.problem(path, f'"{item.text}" has no stand-in for a playground{hint}')
        elif item.text in seen:
            yield item.place.problem(path, f"{item.text} stands here twice")
        seen.add(item.text)
