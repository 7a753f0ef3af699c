"""A provider whose lists can go wrong in every way, and the bookings it holds."""

from collections.abc import AsyncIterator, Sequence

from adapters.api import Reading
from adapters.errors import AdapterError
from adapters.provider import Listed, Priority, Subscription, Window
from events import BookingSnapshot
from tests.fake_provider import FakeProvider, reading_of

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

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        for page in self._pages:
            yield page
        if self._fails is not None:
            raise self._fails

    @property
    def complete(self) -> bool:
        return self._complete


class ListProvider(FakeProvider):
    """`next_lists` says how the next lists behave, `refused_hosts` whose list cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.next_lists: list[str | AdapterError] = []
        self.refused_hosts: dict[str, AdapterError] = {}
        self.of_each_host = False
        self.windows: list[tuple[Window, Priority]] = []
        self.endpoints: list[Subscription] = []

    @property
    def asked_for(self) -> list[str]:
        """The ids that were fetched."""
        return [provider_id for provider_id, _ in self.fetched]

    def show(self, *snapshots: BookingSnapshot) -> None:
        """From now on these bookings are like this, read by the API."""
        for snapshot in snapshots:
            self.shows[snapshot.provider_id] = snapshot.model_copy(update={"origin": "api"})

    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        return tuple(known_hosts) if self.of_each_host else (None,)

    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        self.windows.append((window, priority))
        if window.host in self.refused_hosts:
            return Pages([], complete=False, fails=self.refused_hosts[window.host])
        how = self.next_lists.pop(0) if self.next_lists else WHOLE
        pages = self._pages(window)
        if isinstance(how, AdapterError):
            return Pages(pages[:1], complete=False, fails=how)
        return {
            WHOLE: Pages(pages, complete=True),
            EMPTY: Pages([[]], complete=False),
            EMPTY_AND_SURE: Pages([[]], complete=True),
            HALF: Pages(pages[: len(pages) // 2], complete=False),
            REPEATED: Pages(pages[:1], complete=False),
        }[how]

    def _pages(self, window: Window) -> list[list[Reading]]:
        shown = [
            reading_of(one)
            for one in self.shows.values()
            if isinstance(one, BookingSnapshot) and _is_in(one, window)
        ]
        return [shown[begin : begin + PAGE] for begin in range(0, max(len(shown), 1), PAGE)]

    async def subscriptions(self) -> tuple[Subscription, ...]:
        await super().subscriptions()
        return tuple(self.endpoints)

    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        known = next((one for one in self.endpoints if one.endpoint == endpoint), None)
        if known is None:
            known = Subscription(f"s{len(self.told)}", endpoint, ("booking_created",), description)
            self.endpoints.append(known)
        await super().subscribe(endpoint, description=description)
        return known

    async def unsubscribe(self, subscription_id: str) -> None:
        await super().unsubscribe(subscription_id)
        self.endpoints = [one for one in self.endpoints if one.id != subscription_id]


def _is_in(snapshot: BookingSnapshot, window: Window) -> bool:
    if window.host is not None and window.host not in [host.id for host in snapshot.hosts]:
        return False
    moment = snapshot.start if window.by == "start" else snapshot.created_at
    return moment is not None and window.begin <= moment < window.end
