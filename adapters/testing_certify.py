"""Certifies an adapter against its stand-in: every case of its contract kit, then a storm of kills.

Runs on run-time packages alone; `bookinghub adapters certify` prints what it returns.
"""

import asyncio
import inspect
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal

from adapters.api import AdapterContext, BookingMirror, ContactMirror, Reactor
from adapters.registry import AdapterType, OtherSideType, SimulatorType
from adapters.testing_mirrors import ContactMirrorContract, MirrorContract
from adapters.testing_reactors import ReactorContract
from adapters.testing_samples import NOW
from adapters.testing_simulators import SimulatedSide, SimulatorServer
from adapters.testing_sinks import OtherSide, Scene, SinkContract
from adapters.testing_storm import Storm, Tally, Weather

DETAIL_LENGTH = 300

KITS: tuple[tuple[type[Any], type[SinkContract]], ...] = (
    (BookingMirror, MirrorContract),
    (ContactMirror, ContactMirrorContract),
    (Reactor, ReactorContract),
)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the kit; `detail` says what was wrong, or what was declared not to apply and why."""

    name: str
    outcome: Literal["passed", "failed"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What came out for one adapter."""

    adapter: str
    cases: tuple[Case, ...]
    storm: Tally
    seed: int
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.storm.problems and all(case.outcome == "passed" for case in self.cases)


@dataclass(frozen=True, slots=True)
class Subject:
    """An adapter's sink and the stand-in it is tried on; TypeError if there is no kit for it."""

    adapter: AdapterType
    simulator: SimulatorType | OtherSideType

    def kit(self, other_side: Callable[[], OtherSide]) -> SinkContract:
        """The contract of this sink, its stand-ins put up by `other_side`."""
        kind = self.adapter.sink
        kit = next((kit for contract, kit in KITS if kind and issubclass(kind, contract)), None)
        if kit is None:
            raise TypeError(f"{self.adapter.name} has no sink that could be certified")
        newest: list[OtherSide] = []

        def put_up(_: object) -> OtherSide:
            newest[:] = [other_side()]
            return newest[0]

        members = {
            "secrets": self.simulator.secrets,
            "forbidden": self.simulator.forbidden,
            "cannot": self.simulator.cannot,
            "left_behind": lambda _, seen: self.simulator.left_behind(seen),
            "other_side": put_up,
            "sink": lambda _, context: self.sink_on(newest[0], context),
        }
        certified: type[SinkContract] = type(self.adapter.name, (kit,), members)
        return certified()

    def sink_on(self, other: Any, context: AdapterContext) -> Any:
        """The sink, set up as the stand-in asks for."""
        if isinstance(self.simulator, OtherSideType):
            return self.simulator.sink(other, context)
        if self.adapter.sink is None:
            raise TypeError(f"{self.adapter.name} has no sink")
        settings = self.adapter.sink.config_class.model_validate(self.simulator.config(other.url))
        return self.adapter.sink(settings, context)


def certify(subject: Subject, *, kills: int, seed: int, told: Told = lambda _: None) -> Certificate:
    """Try everything; `told` hears of progress, a line at a time."""
    began = time.monotonic()
    with _stand_ins(subject.simulator) as put_up:
        kit = subject.kit(put_up)
        cases = tuple(_tried(kit, name, told) for name in _names(kit))

        def scene() -> Scene:
            other = put_up()
            context = AdapterContext("", "", lambda: NOW)
            return Scene(other, lambda context: subject.sink_on(other, context), context, [])

        weather = Weather(lossy="lost reply" not in subject.simulator.cannot)
        storm = Storm(scene, seed=seed, weather=weather)
        tally = asyncio.run(storm.run(kills=kills, told=lambda t: told(f"{t.killed} of {kills} kills")))
    return Certificate(subject.adapter.name, cases, tally, seed, time.monotonic() - began)


@contextmanager
def _stand_ins(simulator: SimulatorType | OtherSideType) -> Iterator[Callable[[], OtherSide]]:
    """Empty stand-ins, on servers that are used again: a storm compares two at a time."""
    if isinstance(simulator, OtherSideType):
        yield simulator.create
        return
    idle: list[SimulatorServer] = []
    every: list[SimulatorServer] = []

    def put_up() -> _Borrowed:
        if idle:
            server = idle.pop()
        else:
            server = SimulatorServer(simulator.create_app())
            server.start()
            every.append(server)
        return _Borrowed(server, simulator, idle)

    try:
        yield put_up
    finally:
        for server in every:
            server.stop()


class _Borrowed(SimulatedSide):
    """A fresh stand-in on a server that goes back when it is closed."""

    def __init__(
        self, server: SimulatorServer, simulator: SimulatorType, idle: list[SimulatorServer]
    ) -> None:
        super().__init__(server, simulator.create_app())
        self._server, self._idle = server, idle

    def close(self) -> None:
        self._idle.append(self._server)


def _names(kit: SinkContract) -> list[str]:
    members = inspect.getmembers(kit, inspect.ismethod)
    found = [(method.__code__.co_firstlineno, name) for name, method in members if name.startswith("test_")]
    return [name for _, name in sorted(found)]


def _tried(kit: SinkContract, name: str, told: Told) -> Case:
    shown = name.removeprefix("test_").replace("_", " ")
    told(shown)
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            outcome = getattr(kit, name)()
            if inspect.isawaitable(outcome):
                asyncio.run(_awaited(outcome))
    except Exception as error:  # noqa: BLE001 - whatever an adapter does wrong is what this is for
        return Case(shown, "failed", _short(f"{type(error).__name__}: {error}"))
    return Case(shown, "passed", _short("; ".join(dict.fromkeys(said.getvalue().splitlines()))))


async def _awaited(outcome: Any) -> None:
    await outcome


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= DETAIL_LENGTH else f"{flat[:DETAIL_LENGTH]}…"
