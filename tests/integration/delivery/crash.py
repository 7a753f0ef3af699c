"""A process that dies between any two steps: from then on nothing of it reaches the outside."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlmodel import Session

from hub.store.database import Database

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone."""


class Crashes:
    """Counts steps and dies at the given one, and at each after it."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps = 0

    @property
    def crashed(self) -> bool:
        return self.at is not None and self.steps >= self.at

    def step(self) -> None:
        self.steps += 1
        if self.crashed:
            raise Crash


class MortalDatabase(Database):
    """A database used by a process that may die before or after each transaction."""

    def __init__(self, real: Database, crashes: Crashes) -> None:
        # Deliberately not the base's own start: everything goes to the real one.
        self._real = real
        self._crashes = crashes

    async def write(self, work: Callable[[Session], T]) -> T:
        self._crashes.step()
        result = await self._real.write(work)
        self._crashes.step()
        return result

    async def read(self, work: Callable[[Session], T]) -> T:
        if self._crashes.crashed:
            raise Crash
        return await self._real.read(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
