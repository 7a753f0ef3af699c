"""A provider in this process: what it shows is set by the test, what it was asked is kept."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

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
from events.snapshot import BookingSnapshot

PAGE = 100


class FakeListed(Listed):
    """The rows of a list in pages."""

    def __init__(self, rows: Sequence[Reading], asked: Callable[[], None]) -> None:
        self._rows = rows
        self._asked = asked
        self._complete = False

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        for first in range(0, max(len(self._rows), 1), PAGE):
            self._asked()
            yield self._rows[first : first + PAGE]
        self._complete = True

    @property
    def complete(self) -> bool:
        return self._complete


class FakeProvider(Provider):
    """`shows` holds the bookings by id, or the error with which asking for one fails.

    `failure` fails whatever is asked. `fetched` are the ids that were fetched with the host they were fetched
    for, `pages` counts pages of lists. `hosts_see` limits who sees a booking; without it one list shows all.
    """

    def __init__(self) -> None:
        self.shows: dict[str, BookingSnapshot | AdapterError] = {}
        self.hosts_see: dict[str, frozenset[str]] | None = None
        self.failure: AdapterError | None = None
        self.fetched: list[tuple[str, str | None]] = []
        self.pages = 0
        self.told: list[str] = []

    async def account(self) -> Account:
        self._fail()
        return Account("u-1")

    async def fetch(
        self, provider_id: str, *, host: str | None, priority: Priority = Priority.VERIFICATION
    ) -> Reading | None:
        self._fail()
        self.fetched.append((provider_id, host))
        shown = self.shows.get(provider_id)
        if isinstance(shown, AdapterError):
            raise shown
        if self.hosts_see is not None and provider_id not in self.hosts_see.get(host or "", ()):
            return None
        return None if shown is None else reading_of(shown)

    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        rows = [
            reading_of(shown)
            for shown in self.shows.values()
            if isinstance(shown, BookingSnapshot) and window.begin <= shown.start < window.end
        ]
        return FakeListed(rows, self._page_asked)

    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        return (None,) if self.hosts_see is None else tuple(known_hosts)

    async def availability(self, asked: FreeTimes, *, host: str | None) -> Availability:
        self._fail()
        return Availability(())

    async def book(self, booking: NewBooking, *, host: str | None) -> Booked:
        self._tell("book")
        return Booked("made-1")

    async def reschedule(
        self, provider_id: str, start: datetime, *, host: str | None, ignore_availability: bool = False
    ) -> None:
        self._tell("reschedule")

    async def cancel(
        self, provider_id: str, *, host: str | None, reason: str | None, scope: Scope | None = None
    ) -> None:
        self._tell("cancel")

    async def mark_no_show(self, attendee_id: str, *, host: str | None) -> None:
        self._tell("mark_no_show")

    async def note(self, provider_id: str, text: str, *, host: str | None) -> None:
        self._tell("note")

    async def add_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        self._tell("add_guest")

    async def remove_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        self._tell("remove_guest")

    async def subscriptions(self) -> tuple[Subscription, ...]:
        self._fail()
        return ()

    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        self._tell("subscribe")
        return Subscription("s-1", endpoint, ())

    async def unsubscribe(self, subscription_id: str) -> None:
        self._tell("unsubscribe")

    def _page_asked(self) -> None:
        self._fail()
        self.pages += 1

    def _tell(self, what: str) -> None:
        self._fail()
        self.told.append(what)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def reading_of(shown: BookingSnapshot) -> Reading:
    """What a row of the provider's is read as."""
    return Reading("booking", "appointment", shown, shown.provider_id)
