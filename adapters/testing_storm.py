"""Lives of bookings or contacts at one target while everything goes wrong: what `certify` adds to the kits.

A worker is killed before, between and after its calls, replies are lost after their effect, states come
twice or are skipped, and every status a system may answer with is answered. As long as they live on the
target may lag; when the storm is over and every newest state was brought once more, it has to show
what a target shows that nothing ever happened to.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.api import ContactMirror, Reactor
from adapters.errors import AdapterError
from adapters.testing_lives import LIVES, contact_life, life, occurrences
from adapters.testing_mirrors import bring
from adapters.testing_reactors import react
from adapters.testing_sinks import OtherSide, Scene, failure_of
from events import Booking, Contact, Envelope

MOST_CALLS_BEFORE_A_KILL = 6
IMPATIENCE = 0.2
TRIES = 8

STATUSES = (
    *("401", "403", "404", "408", "409", "410", "412", "423", "425", "429", "500", "502", "503", "504"),
    *("400", "422", "disconnect", "truncated"),
)
"""What a target may answer although nothing is wrong with the call."""

MakeScene = Callable[[], Scene]
Act = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Tally:
    """What was done to the worker, by step, and what did not come out right."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    rounds: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        """How many workers died."""
        return sum(self.kills.values())


@dataclass(frozen=True, slots=True)
class Weather:
    """What may happen: `statuses` are answered, `lossy` targets lose replies after the effect."""

    statuses: Sequence[str] = STATUSES
    lossy: bool = True
    slow: bool = True


class Storm:
    """Rounds of lives on fresh targets until enough workers were killed; repeatable by its seed."""

    def __init__(self, make_scene: MakeScene, *, seed: int, weather: Weather) -> None:
        self.tally = Tally()
        self._make_scene = make_scene
        self._chance = random.Random(seed)  # noqa: S311 - the same seed, the same storm
        self._weather = weather

    async def run(self, *, kills: int, told: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Until so many workers were killed; stops at the first target that ends wrong."""
        while self.tally.killed < kills and not self.tally.problems:
            scene = self._make_scene()
            scene.restart()
            try:
                if isinstance(scene.sink, Reactor):
                    await self._events(scene)
                else:
                    await self._lives(scene)
            finally:
                await close(scene)
            self.tally.rounds += 1
            told(self.tally)
        return self.tally

    async def _lives(self, scene: Scene) -> None:
        begin = contact_life if isinstance(scene.sink, ContactMirror) else life
        lives = [begin(number, self._chance) for number in range(LIVES)]
        receipts: list[dict[str, Any]] = [{} for _ in lives]
        reached = [0] * len(lives)
        while any(at < len(states) - 1 for at, states in zip(reached, lives, strict=True)):
            number = self._chance.randrange(len(lives))
            states = lives[number]
            # Sometimes the same state again, sometimes several at once: the newest wins.
            reached[number] = min(reached[number] + self._chance.choice((0, 1, 1, 2)), len(states) - 1)
            scene.receipts = receipts[number]
            await self._troubled(scene, partial(bring, scene, states[reached[number]]))
            receipts[number] = scene.receipts
        scene.other.restore()
        for states, held in zip(lives, receipts, strict=True):
            scene.receipts = held
            await self._at_last(scene, states[-1])
        await self._compare(scene, lives)

    async def _at_last(self, scene: Scene, state: Booking | Contact) -> None:
        """A person has retried what was given up; nothing goes wrong any more."""
        error: AdapterError | None = None
        for _ in range(TRIES):
            error = await failure_of(bring(scene, state))
            if error is None:
                return
        self.tally.problems.append(f"after the storm the target still fails: {error!r}")

    async def _compare(self, scene: Scene, lives: Sequence[Sequence[Booking | Contact]]) -> None:
        shown = scene.other.objects()
        quiet = self._make_scene()
        quiet.restart()
        try:
            for states in lives:
                quiet.receipts = {}
                for state in states:
                    await bring(quiet, state)
            wanted = quiet.other.objects()
        finally:
            await close(quiet)
        self.tally.problems.extend(differences(shown, wanted))

    async def _troubled(self, scene: Scene, act: Act) -> bool:
        """One call of the hub, and what happens to it; whether nobody knows if it had its effect."""
        trouble = self._chance.choices(("kill", "status", "lost", "slow", "calm"), (4, 3, 1, 0.1, 2))[0]
        unknown = False
        match trouble:
            case "kill":
                unknown = await self._killed(scene, act)
            case "status":
                reason = self._chance.choice(self._weather.statuses)
                self.tally.faults[reason] += 1
                scene.other.fail_next(reason)
                await failure_of(act())
            case "lost" if self._weather.lossy:
                self.tally.faults["lost reply"] += 1
                scene.other.lose_next_reply()
                await failure_of(act())
            case "slow" if self._weather.slow:
                unknown = await self._cut_off(scene, act)
            case _:
                await failure_of(act())
        scene.other.restore()
        return unknown

    async def _killed(self, scene: Scene, act: Act) -> bool:
        """Whether the worker died before it was done; another one takes over then."""
        calls = self._chance.randrange(MOST_CALLS_BEFORE_A_KILL)
        before = scene.other.calls()
        scene.other.cut_off_after(calls)
        error = await failure_of(act())
        scene.other.restore()
        if error is None:
            return False
        self.tally.kills[step(scene.other, before, calls)] += 1
        scene.restart()
        return True

    async def _cut_off(self, scene: Scene, act: Act) -> bool:
        """Whether the hub stopped waiting; the call has its effect later, and its key rests until then."""
        self.tally.faults["timeout"] += 1
        scene.other.stall_next()
        try:
            async with asyncio.timeout(IMPATIENCE):
                await failure_of(act())
        except TimeoutError:
            await scene.other_is_idle()
            return True
        return False

    async def _events(self, scene: Scene) -> None:
        """Every event of a few bookings, each until it is delivered, or nobody knows whether it was."""
        events = occurrences(scene.sink, self._chance)
        uncertain = 0
        for envelope in events:
            uncertain += not await self._delivered(scene, envelope)
        self.tally.uncertain += uncertain
        shown = scene.other.objects()
        if len(shown) > len(events):
            self.tally.problems.append(f"{len(events)} events had {len(shown)} effects")
        if len(shown) < len(events) - uncertain:
            self.tally.problems.append(
                f"{len(events)} events had {len(shown)} effects, {uncertain} uncertain"
            )

    async def _delivered(self, scene: Scene, envelope: Envelope) -> bool:
        """Whether it is known to be delivered; what may not be repeated is given up when nobody knows."""
        for _ in range(TRIES * 4):
            attempt = _Attempt(scene, envelope)
            unknown = await self._troubled(scene, attempt)
            if attempt.delivered:
                return True
            if unknown and scene.sink.repeat == "unsafe":
                return False
        self.tally.problems.append(f"{envelope.type} was not delivered in {TRIES * 4} attempts")
        return False


@dataclass(slots=True)
class _Attempt:
    """One try to hand an event over, and whether it came back with a receipt."""

    scene: Scene
    envelope: Envelope
    delivered: bool = False

    async def __call__(self) -> None:
        await react(self.scene, self.envelope)
        self.delivered = True


def step(other: OtherSide, before: int, calls: int) -> str:
    """Where the worker died, by the name of the last call that had its effect, if the other side tells."""
    if not calls:
        return "before the first call"
    made = getattr(other, "made", None)
    if made is None:
        return f"after call {calls}"
    names: list[str] = made()[before : before + calls]
    return f"after call {calls} ({names[-1]})" if names else f"after call {calls}"


def differences(shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """One line for each object that is missing, doubled or other than wanted."""
    return [
        *(f"missing: {name}" for name in sorted(wanted.keys() - shown.keys())),
        *(f"doubled or left behind: {name}" for name in sorted(shown.keys() - wanted.keys())),
        *(
            f"wrong: {name}: {_unlike(shown[name], wanted[name])}"
            for name in sorted(shown.keys() & wanted.keys())
            if shown[name] != wanted[name]
        ),
    ]


def _unlike(shown: Any, wanted: Any) -> str:
    if isinstance(shown, Mapping) and isinstance(wanted, Mapping):
        names = sorted(name for name in {*shown, *wanted} if shown.get(name) != wanted.get(name))
        return ", ".join(names)
    return "its content"


async def close(scene: Scene) -> None:
    """Leave nothing open, those of workers that died included."""
    await scene.sink.close()
    for client in scene.clients:
        await client.aclose()
    scene.other.close()
