"""A provider whose lists can go wrong in every way, and the bookings it holds."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.api import Reading
from adapters.errors import AdapterError
from adapters.provider import (
    Account,
    Availability,
    Booked,
    FreeTimes,
    Listed,
    NewBooking,
    Priority,
    Provider,
    Scope,
    Subscription,
    Window,
)
from events import BookingSnapshot

PAGE = 3
WHOLE, EMPTY, EMPTY_AND_SURE, HALF, REPEATED = "whole", "empty", "empty and sure", "half", "repeated"


class Pages(Listed):
    """Some pages; `fails` is raised after the last of them."""

    def __init__(
        self, pages: Sequence[Sequence[Reading]], *, complete: bool, fails: AdapterError | None = None
    ) -> None:
        self._pages = pages
        self._complete = complete
        self._fails = fails
        self.between: Callable[[], Any] | None = None

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        for page in self._pages:
            yield page
        if self._fails is not None:
            raise self._fails

    @property
    def complete(self) -> bool:
        return self._complete


@dataclass
class FakeProvider(Provider):
    """`hosts` makes it one that shows a list for each; `next_lists` says how the next lists behave."""

    hosts: bool = False
    bookings: dict[str, BookingSnapshot] = field(default_factory=dict)
    next_lists: list[str | AdapterError] = field(default_factory=list)
    refused_hosts: dict[str, AdapterError] = field(default_factory=dict)
    windows: list[tuple[Window, Priority]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    endpoints: list[Subscription] = field(default_factory=list)
    fails: AdapterError | None = None
    page_size: int = PAGE

    def show(self, *snapshots: BookingSnapshot) -> None:
        """From now on these bookings are like this, read by the API."""
        for snapshot in snapshots:
            self.bookings[snapshot.provider_id] = snapshot.model_copy(update={"origin": "api"})

    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        self.windows.append((window, priority))
        if window.host in self.refused_hosts:
            return Pages([], complete=False, fails=self.refused_hosts[window.host])
        how = self.next_lists.pop(0) if self.next_lists else WHOLE
        pages = list(self._pages(window))
        if isinstance(how, AdapterError):
            return Pages(pages[:1], complete=False, fails=how)
        return {
            WHOLE: Pages(pages, complete=True),
            EMPTY: Pages([[]], complete=False),
            EMPTY_AND_SURE: Pages([[]], complete=True),
            HALF: Pages(pages[: len(pages) // 2], complete=False),
            REPEATED: Pages(pages[:1], complete=False),
        }[how]

    def _pages(self, window: Window) -> Iterator[list[Reading]]:
        shown = [reading(one) for one in self.bookings.values() if _is_in(one, window)]
        for begin in range(0, max(len(shown), 1), self.page_size):
            yield shown[begin : begin + self.page_size]

    async def fetch(
        self, provider_id: str, *, host: str | None, priority: Priority = Priority.VERIFICATION
    ) -> Reading | None:
        self.fetched.append(provider_id)
        if self.fails is not None:
            raise self.fails
        found = self.bookings.get(provider_id)
        return None if found is None else reading(found)

    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        return tuple(known_hosts) if self.hosts else (None,)

    async def account(self) -> Account:
        return Account("h1")

    async def subscriptions(self) -> tuple[Subscription, ...]:
        if self.fails is not None:
            raise self.fails
        return tuple(self.endpoints)

    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        known = next((one for one in self.endpoints if one.endpoint == endpoint), None)
        if known is None:
            known = Subscription(f"s{len(self.endpoints)}", endpoint, ("booking_created",), description)
            self.endpoints.append(known)
        return known

    async def unsubscribe(self, subscription_id: str) -> None:
        self.endpoints = [one for one in self.endpoints if one.id != subscription_id]

    async def availability(self, asked: FreeTimes, *, host: str | None) -> Availability:
        raise NotImplementedError

    async def book(self, booking: NewBooking, *, host: str | None) -> Booked:
        raise NotImplementedError

    async def reschedule(
        self, provider_id: str, start: datetime, *, host: str | None, ignore_availability: bool = False
    ) -> None:
        raise NotImplementedError

    async def cancel(
        self, provider_id: str, *, host: str | None, reason: str | None, scope: Scope | None = None
    ) -> None:
        raise NotImplementedError

    async def mark_no_show(self, attendee_id: str, *, host: str | None) -> None:
        raise NotImplementedError

    async def note(self, provider_id: str, text: str, *, host: str | None) -> None:
        raise NotImplementedError

    async def add_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        raise NotImplementedError

    async def remove_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        raise NotImplementedError


def reading(snapshot: BookingSnapshot) -> Reading:
    return Reading("booking", "appointment", snapshot, provider_id=snapshot.provider_id)


def _is_in(snapshot: BookingSnapshot, window: Window) -> bool:
    if window.host is not None and window.host not in [host.id for host in snapshot.hosts]:
        return False
    moment = snapshot.start if window.by == "start" else snapshot.created_at
    return moment is not None and window.begin <= moment < window.end
