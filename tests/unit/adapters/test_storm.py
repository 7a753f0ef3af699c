"""The storm finds what it is there to find: adapters that double, lose, forget or overwrite."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from adapters.api import AdapterContext, BookingMirror, Reactor, Receipt, SinkConfig
from adapters.errors import PermanentError, TransientError
from adapters.testing_samples import NOW
from adapters.testing_sinks import Scene
from adapters.testing_storm import Storm, Tally, Weather, differences
from events import Booking, BookingCancelled, BookingCreated, Envelope


class Target:
    """A target in memory, whose calls can be failed, lost and cut off."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {}
        self.count = 0
        self._failing = False
        self._losing: int | None = None
        self._cut = False

    def call(self, act: Any) -> Any:
        """One call, which may have its effect and still fail."""
        self.count += 1
        if self._failing:
            self._failing = False
            raise PermanentError("refused") if self.count % 2 else TransientError("busy")
        if self._losing is not None:
            self._losing -= 1
        if self._losing is not None and self._losing < 0:
            raise TransientError("cut off")
        result = act()
        if self._losing == 0:
            if not self._cut:
                self._losing = None
            raise TransientError("reply lost")
        return result

    def fail_next(self, reason: str) -> None:
        self._failing = True

    def lose_next_reply(self) -> None:
        self._losing, self._cut = 1, False

    def stall_next(self) -> None:
        """Nothing here takes time."""

    def cut_off_after(self, calls: int) -> None:
        self._losing, self._cut = calls, True

    def restore(self) -> None:
        self._failing, self._losing = False, None

    def calls(self) -> int:
        return self.count

    def objects(self) -> Mapping[str, Any]:
        return dict(self.things)

    def close(self) -> None:
        """Nothing to close."""


class Config(SinkConfig):
    """Nothing to set."""


class GoodMirror(BookingMirror[Config]):
    """Writes under a derived id."""

    name = "good"
    config_class = Config

    def __init__(self, target: Target, context: AdapterContext) -> None:
        super().__init__(Config(), context)
        self.target_ = target

    def identity(self, booking: Booking) -> str:
        return booking.booking_id

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        assert booking is not None
        name, shown = self.identity(booking), (booking.start, booking.notes, booking.no_show)
        if booking.status == "cancelled":
            self.target_.call(lambda: self.target_.things.pop(name, None))
            return None
        self.target_.call(lambda: self.target_.things.update({name: shown}))
        return Receipt(external_id=name, position=booking.position)


class DoublingMirror(GoodMirror):
    """A new id at every first write."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        self.name_ = receipt.external_id if receipt else uuid4().hex
        return await super().sync(booking, part, receipt)

    def identity(self, booking: Booking) -> str:
        return self.name_


class HopefulMirror(GoodMirror):
    """Takes any failure for done."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if receipt is not None and receipt.detail == "hopeful":
            return receipt
        try:
            return await super().sync(booking, part, receipt)
        except (TransientError, PermanentError):
            return Receipt(external_id="?", detail="hopeful")


class StaleMirror(GoodMirror):
    """Never writes a second time."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        return receipt or await super().sync(booking, part, receipt)


class Teller(Reactor[Config]):
    """Tells each event under its key."""

    name = "teller"
    config_class = Config
    handles = (BookingCreated, BookingCancelled)
    repeat = "safe"

    def __init__(self, target: Target, context: AdapterContext) -> None:
        super().__init__(Config(), context)
        self.target_ = target

    def identity(self, key: str) -> str:
        return key

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        name = self.identity(idempotency_key)
        self.target_.call(lambda: self.target_.things.update({name: envelope.type}))
        return Receipt(external_id=idempotency_key)


class RepeatingTeller(Teller):
    """Says that it may be repeated, and may not."""

    def identity(self, key: str) -> str:
        return uuid4().hex


class CarefulTeller(RepeatingTeller):
    """The same, and says so."""

    repeat = "unsafe"


def storm(kind: Any, *, seed: int, kills: int = 25, **weather: Any) -> Tally:
    def scene() -> Scene:
        target = Target()
        context = AdapterContext("", "", lambda: NOW)
        return Scene(target, lambda context: kind(target, context), context, [])

    return asyncio.run(Storm(scene, seed=seed, weather=Weather(slow=False, **weather)).run(kills=kills))


@pytest.mark.parametrize("seed", range(5))
def test_a_mirror_that_keeps_its_promises_comes_through(seed: int) -> None:
    tally = storm(GoodMirror, seed=seed)
    assert tally.problems == []
    assert tally.killed >= 25
    assert {"before the first call", "after call 1"} <= set(tally.kills)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [DoublingMirror, HopefulMirror, StaleMirror])
def test_a_mirror_that_breaks_one_is_found(kind: Any, seed: int) -> None:
    assert storm(kind, seed=seed, kills=200).problems


@pytest.mark.parametrize("seed", range(5))
def test_reactors_are_judged_by_what_they_declare(seed: int) -> None:
    assert storm(Teller, seed=seed).problems == []
    assert storm(RepeatingTeller, seed=seed, kills=200).problems
    careful = storm(CarefulTeller, seed=seed, lossy=False)
    assert careful.problems == []
    assert careful.uncertain > 0


def test_the_same_seed_is_the_same_storm() -> None:
    first, again, other = (storm(GoodMirror, seed=seed) for seed in (7, 7, 8))
    assert (first.kills, first.faults) == (again.kills, again.faults) != (other.kills, other.faults)


def test_each_difference_is_named() -> None:
    found = differences({"a": {"x": 1}, "b": 2, "d": 3}, {"a": {"x": 2}, "c": 1, "d": 3})
    assert found == ["missing: c", "doubled or left behind: b", "wrong: a: x"]
