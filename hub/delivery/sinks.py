"""A sink as the engine runs it, and what the engine tells others about it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from sqlmodel import Session

from adapters.api import BookingMirror, ContactMirror, Reactor
from events import Booking, Contact, Envelope
from events.refunds import Refund
from hub.delivery.pace import Pace
from hub.delivery.policy import RetryPolicy, Terms
from hub.delivery.retry import longest_attempt
from hub.errors import LogError
from hub.settings import Rate

LEASE_MARGIN = timedelta(seconds=30)
"""How much longer than the longest attempt a claim lives: the time to record it, and clocks that differ."""

LoadBooking = Callable[[Session, str], Booking | None]
"""The newest state of a booking in the live projection, its `position` set."""
LoadContact = Callable[[Session, str], Contact | None]
"""The newest state of a contact in the live projection, its `position` set."""
LoadEnvelope = Callable[[int], Awaitable[Envelope | None]]
"""The event at a position of the log, opened; raises a HubError if the log does not answer."""
KeepRefunds = Callable[[Envelope, Sequence[Refund]], Awaitable[None]]
"""Append what went back because of an event to the booking's history, each refund once; raises a HubError."""
Wants = Callable[[Session, Booking | Contact, bool], bool]
"""Whether a mirror wants this state at its target, given whether the target holds something for it."""


async def keep_no_refunds(envelope: Envelope, refunds: Sequence[Refund]) -> None:
    """An engine without a log: its sinks give nothing back."""
    raise LogError(f"nobody keeps the refund of {envelope.booking_id}")


def wants_everything(_: Session, __: Booking | Contact, ___: bool) -> bool:
    """A mirror without `match`."""
    return True


@dataclass(frozen=True, slots=True)
class RunningSink:
    """One configured sink: its name in the YAML, its adapter, and how patient the hub is with it.

    `revision` is the configuration it was built from: once another one is applied it takes up nothing
    more (None: it never gives way). `guard` bounds what it changes unasked in an hour (None: nothing
    does). `first_name` is what it was called when its idempotency keys were first made.
    """

    name: str
    adapter: BookingMirror[Any] | ContactMirror[Any] | Reactor[Any]
    timeout: timedelta = timedelta(seconds=30)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 8
    rate: Rate | None = None
    wants: Wants = wants_everything
    guard: int | None = None
    revision: int | None = None
    first_name: str | None = None

    @property
    def acts_once_per_event(self) -> bool:
        return isinstance(self.adapter, Reactor)

    @property
    def terms(self) -> Terms:
        """How the hub judges its failures; a mirror may always be called again."""
        repeat = self.adapter.repeat if isinstance(self.adapter, Reactor) else "safe"
        return Terms(self.retry, self.timeout, repeat)

    @property
    def pace(self) -> Pace | None:
        """How fast it may be called; None: as fast as it answers."""
        return Pace.of(self.rate) if self.rate else None

    @property
    def longest_attempt(self) -> timedelta:
        """No attempt at one part takes longer than this."""
        return longest_attempt(self.timeout)

    @property
    def lease(self) -> timedelta:
        """How long a claim lives unless it is renewed; it outlives every try at one part."""
        return self.longest_attempt + LEASE_MARGIN


@dataclass(frozen=True, slots=True)
class SinkActivity:
    """What one sink does at this moment in this process."""

    opened: bool
    in_flight: int


class DeliveryObserver(Protocol):
    """Hears what happens; the hub's metrics stand behind it."""

    def attempted(self, sink: str, *, outcome: str, duration: timedelta) -> None:
        """An attempt ended: delivered, transient, told_to_wait, permanent, auth, uncertain or lost_claim."""
        ...

    def delivered(self, sink: str, *, covered: int, latency: timedelta) -> None:
        """A row was delivered this long after it was made, and so many older ones with it."""
        ...

    def in_flight(self, sink: str, *, keys: int) -> None:
        """So many keys of this sink are being worked on now."""
        ...


class NoObserver:
    """Nobody listens."""

    def attempted(self, sink: str, *, outcome: str, duration: timedelta) -> None: ...

    def delivered(self, sink: str, *, covered: int, latency: timedelta) -> None: ...

    def in_flight(self, sink: str, *, keys: int) -> None: ...
