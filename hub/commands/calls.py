"""The requests commands consist of: each can be sent, and recognised in a booking once it has happened."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from adapters.provider import Provider, Scope
from events.state import Booking


class Call(Protocol):
    """One request to a provider about one booking."""

    @property
    def about(self) -> str:
        """What one of several requests of a command is about."""
        ...

    async def send(self, provider: Provider, *, host: str | None) -> None:
        """Make the request once; raises what the provider raises."""
        ...

    def has_happened(self, state: Booking) -> bool:
        """Whether a state shows what was asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """Another time, the same id."""

    provider_id: str
    start: datetime
    ignore_availability: bool = False

    @property
    def about(self) -> str:
        return self.provider_id

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.reschedule(
            self.provider_id, self.start, host=host, ignore_availability=self.ignore_availability
        )

    def has_happened(self, state: Booking) -> bool:
        return state.start == self.start


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Of the whole, of one attendee, or of what is to come of a series."""

    provider_id: str
    reason: str | None = None
    scope: Scope = field(default_factory=Scope)

    @property
    def about(self) -> str:
        return self.scope.attendee_id or self.provider_id

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.cancel(self.provider_id, host=host, reason=self.reason, scope=self.scope)

    def has_happened(self, state: Booking) -> bool:
        if state.status == "cancelled" or self.scope.attendee_id is None:
            return state.status == "cancelled"
        return all(attendee.attendee_id != self.scope.attendee_id for attendee in state.present)


@dataclass(frozen=True, slots=True)
class NoShowMark:
    """Somebody did not come."""

    attendee_id: str

    @property
    def about(self) -> str:
        return self.attendee_id

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.mark_no_show(self.attendee_id, host=host)

    def has_happened(self, state: Booking) -> bool:
        attendee = state.attendee(self.attendee_id)
        return attendee is not None and attendee.no_show


@dataclass(frozen=True, slots=True)
class Note:
    """The host's note, in place of the one before."""

    provider_id: str
    text: str

    @property
    def about(self) -> str:
        return self.provider_id

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.note(self.provider_id, self.text, host=host)

    def has_happened(self, state: Booking) -> bool:
        return state.notes == self.text


@dataclass(frozen=True, slots=True)
class GuestAdded:
    """One more person comes along with an attendee."""

    provider_id: str
    attendee_id: str
    email: str

    @property
    def about(self) -> str:
        return self.email

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.add_guest(self.provider_id, host=host, attendee_id=self.attendee_id, email=self.email)

    def has_happened(self, state: Booking) -> bool:
        return brings(state, self.email)


@dataclass(frozen=True, slots=True)
class GuestRemoved:
    """Somebody does not come along any more."""

    provider_id: str
    attendee_id: str
    email: str

    @property
    def about(self) -> str:
        return self.email

    async def send(self, provider: Provider, *, host: str | None) -> None:
        await provider.remove_guest(
            self.provider_id, host=host, attendee_id=self.attendee_id, email=self.email
        )

    def has_happened(self, state: Booking) -> bool:
        return not brings(state, self.email)


def brings(state: Booking, email: str) -> bool:
    """Whether somebody with this address comes along."""
    return any((guest.email or "").lower() == email.lower() for guest in state.guests)
