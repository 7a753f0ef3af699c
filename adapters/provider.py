"""The seam to a provider's API: what a source with credentials can be asked, and what it can be told.

A `Source` reads what the provider sends by itself; a `Provider` goes and asks. All calls of one key share
one budget of requests, so each says what it is for. Failures are those of `adapters.errors`: a write
without an answer is an OutcomeUnknownError and is never repeated here, a refusal is a RefusalError whose
`code` is a word of the HTTP API.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from adapters.api import Reading


class Priority(IntEnum):
    """What a request is for; the lower goes first."""

    COMMAND = 0
    VERIFICATION = 1
    POLL = 2
    BACKFILL = 3


@dataclass(frozen=True, slots=True)
class Window:
    """Which bookings are listed: those that start, or that were created, from `begin` up to before `end`.

    A provider may only be able to sort by creation; then rows come newest first and the reader stops at
    `begin`. `host` names the user whose list is read, where the key sees one user's at a time.
    """

    begin: datetime
    end: datetime
    by: Literal["start", "created"] = "start"
    host: str | None = None


class Listed(ABC):
    """The pages of one list, asked for one by one while they are iterated.

    Each page holds the bookings that are new in it, the unreadable ones too. `complete` is meant once the
    iteration has ended: whether every booking of the window was certainly seen. Only then does it mean
    something that one is missing, and even then nothing is concluded but that it should be fetched by id.
    """

    @abstractmethod
    def __aiter__(self) -> "AsyncIterator[Sequence[Reading]]":
        """Page by page; raises what a failing request raises, with what came before already handed out."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether nothing of the window is missing."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose the key is; the cheapest proof that it is valid."""

    user_id: str
    email: str | None = None
    name: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A registered webhook. The id is opaque; the endpoint holds our token."""

    id: str
    endpoint: str | None = field(repr=False)
    event_types: tuple[str, ...]
    description: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FreeTimes:
    """Which free times are asked for; `moving` is the booking whose own time does not block itself."""

    meeting_type_id: str
    start: datetime
    end: datetime
    host_ids: Sequence[str] = ()
    queue_id: str | None = None
    moving: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A time that can be booked; a group's has the appointment to join and the places left in it."""

    start: datetime
    end: datetime | None = None
    appointment_id: str | None = None
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """The free times in their order, each once."""

    slots: tuple[Slot, ...]
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who attends; a booking by telephone has no mail address."""

    name: str
    email: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    guests: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewBooking:
    """What is booked. `replaces` may be dropped by the provider without a word, so it proves nothing."""

    meeting_type_id: str
    start: datetime
    person: Person
    host_ids: Sequence[str] = ()
    queue_id: str | None = None
    ignore_availability: bool = False
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking that is made, or one that waits for somebody's word (`provisional_id`) and has no id yet."""

    provider_id: str | None = None
    provisional_id: str | None = None
    waits_for: Literal["double-opt-in", "host-confirmation", "unknown"] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a cancellation concerns: the whole booking, one attendee of it, or what is to come of a series.

    A group booking needs `attendee_id` or `everybody`; otherwise the provider refuses.
    """

    attendee_id: str | None = None
    everybody: bool = False
    series: bool = False


class Provider(ABC):
    """One provider under one source's credentials. Made once per source; safe to use from many tasks.

    `host` is the provider's id of the user on whose behalf a call is made (a host of the booking), for keys
    that act for somebody; whoever does not know one gives None.
    """

    @abstractmethod
    async def account(self) -> Account:
        """Whose the key is; AuthError if it is not valid."""

    # What is asked.

    @abstractmethod
    async def fetch(
        self, provider_id: str, *, host: str | None, priority: Priority = Priority.VERIFICATION
    ) -> "Reading | None":
        """The booking as it is now, of origin `api`; None if there is none (any more, or for this host)."""

    @abstractmethod
    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        """The bookings of a window, cancelled ones included where the provider shows them."""

    @abstractmethod
    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        """Whose lists have to be read to see every booking; (None,) if one list shows them all.

        `known_hosts` are the hosts of the bookings that are known.
        """

    @abstractmethod
    async def availability(self, asked: FreeTimes, *, host: str | None) -> Availability:
        """Free times for a new booking or for moving one."""

    # What is told. Each is one request, and the provider mails whom it mails.

    @abstractmethod
    async def book(self, booking: NewBooking, *, host: str | None) -> Booked:
        """Make a booking; OutcomeUnknownError if it may have been made."""

    @abstractmethod
    async def reschedule(
        self, provider_id: str, start: datetime, *, host: str | None, ignore_availability: bool = False
    ) -> None:
        """Move in place: the id stays."""

    @abstractmethod
    async def cancel(
        self, provider_id: str, *, host: str | None, reason: str | None, scope: Scope | None = None
    ) -> None:
        """Cancel for good."""

    @abstractmethod
    async def mark_no_show(self, attendee_id: str, *, host: str | None) -> None:
        """Note that an attendee did not come. There is no call that takes it back."""

    @abstractmethod
    async def note(self, provider_id: str, text: str, *, host: str | None) -> None:
        """Replace the host's note."""

    @abstractmethod
    async def add_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        """Invite one more person along with an attendee."""

    @abstractmethod
    async def remove_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        """Disinvite a person who came along with an attendee."""

    # Webhooks of the provider.

    @abstractmethod
    async def subscriptions(self) -> tuple[Subscription, ...]:
        """The registered webhooks, strangers' included."""

    @abstractmethod
    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        """Have everything that concerns bookings posted to an address; idempotent for the same address."""

    @abstractmethod
    async def unsubscribe(self, subscription_id: str) -> None:
        """Stop deliveries; one that is not there is no failure."""
