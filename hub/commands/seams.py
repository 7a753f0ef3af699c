"""What commands need of the rest of the hub, which gives it to them where the hub is put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.provider import Priority
from events.base import BookingEvent
from events.envelope import Provenance
from events.state import Booking


class Seen(Protocol):
    """What a look at one booking showed and what it added; `state` is the folded history after it."""

    @property
    def state(self) -> Booking | None: ...
    @property
    def facts(self) -> tuple[str, ...]: ...
    @property
    def position(self) -> int: ...
    @property
    def missing(self) -> bool: ...


class Look(Protocol):
    """Reads one booking from its provider and appends what is new; `reason` is why it was moved."""

    async def __call__(
        self,
        source: str,
        provider_id: str,
        *,
        host: str | None,
        priority: Priority,
        provenance: Provenance,
        causation_id: str | None,
        reason: str | None,
    ) -> Seen: ...


class Recorded(Protocol):
    """What an own fact came to."""

    @property
    def facts(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> Booking | None: ...


Decide = Callable[[Booking], BookingEvent | None]


class Record(Protocol):
    """Appends one fact that no provider shows, decided on the newest state; again if somebody was faster.

    None of the decision appends nothing.
    """

    async def __call__(
        self, source: str, provider_id: str, decide: Decide, *, causation_id: str | None = None
    ) -> Recorded: ...


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one of several requests of a command."""

    about: str
    outcome: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was done; `confirmed`: the provider has shown the change since.

    `operation_id` names what goes on looking where it has not. `state` is the booking afterwards: the new
    one where one was made.
    """

    command_id: str
    state: Booking | None
    facts: Sequence[str] = ()
    confirmed: bool = True
    results: Sequence[Result] = ()
    operation_id: str | None = None
    asked_at: datetime | None = None
