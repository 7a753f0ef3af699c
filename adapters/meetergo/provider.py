"""meetergo as the hub asks and tells it: appointments become snapshots, hosts those calls are made for."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.api import Reading
from adapters.http import HttpClient
from adapters.meetergo.answers import Row
from adapters.meetergo.client import MeetergoClient
from adapters.meetergo.config import ApiSettings, is_platform_key
from adapters.meetergo.listing import Listing, Scan
from adapters.meetergo.mapping import BOOKING_KINDS, read_row
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


class MeetergoProvider(Provider):
    """One source's meetergo. `source` is the key its facts stand under in the log."""

    def __init__(self, http: HttpClient, settings: ApiSettings, *, source: str) -> None:
        self._client = MeetergoClient.of(http, settings)
        self._http = http
        self._source = source
        self._acts_for_hosts = is_platform_key(settings.key.get_secret_value()) and settings.user_id == "auto"

    async def account(self) -> Account:
        return await self._for(None).account()

    async def fetch(
        self, provider_id: str, *, host: str | None, priority: Priority = Priority.VERIFICATION
    ) -> Reading | None:
        row = await self._client.acting(priority, user=host).appointment(provider_id)
        return None if row is None else self._read(row)

    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        listing = Listing(order=window.by, descending=window.by == "created")
        if window.by == "start":
            listing = Listing(start=window.begin, end=window.end)
        scan = self._client.acting(priority, user=window.host).scan(listing)
        return _Listed(scan, window, self._read)

    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        return tuple(known_hosts) if self._acts_for_hosts else (None,)

    async def availability(self, asked: FreeTimes, *, host: str | None) -> Availability:
        return await self._for(host).availability(asked)

    async def book(self, booking: NewBooking, *, host: str | None) -> Booked:
        return await self._for(host).book(booking)

    async def reschedule(
        self, provider_id: str, start: datetime, *, host: str | None, ignore_availability: bool = False
    ) -> None:
        await self._for(host).reschedule(provider_id, start, ignore_availability=ignore_availability)

    async def cancel(
        self, provider_id: str, *, host: str | None, reason: str | None, scope: Scope | None = None
    ) -> None:
        await self._for(host).cancel(provider_id, reason=reason, scope=scope)

    async def mark_no_show(self, attendee_id: str, *, host: str | None) -> None:
        await self._for(host).mark_no_show(attendee_id)

    async def note(self, provider_id: str, text: str, *, host: str | None) -> None:
        await self._for(host).note(provider_id, text)

    async def add_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        await self._for(host).add_guest(provider_id, attendee_id=attendee_id, email=email)

    async def remove_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        await self._for(host).remove_guest(provider_id, attendee_id=attendee_id, email=email)

    async def subscriptions(self) -> tuple[Subscription, ...]:
        return await self._for(None).webhooks()

    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        """One registration per address: its list of types is completed, a second one is never made."""
        known = [found for found in await self.subscriptions() if found.endpoint == endpoint]
        if not known:
            return await self._for(None).register_webhook(
                endpoint, sorted(BOOKING_KINDS), description=description
            )
        (first, *_) = known
        missing = BOOKING_KINDS - set(first.event_types)
        if missing:
            types = sorted({*first.event_types, *missing})
            await self._for(None).change_webhook(first.id, event_types=types)
            return replace(first, event_types=tuple(types))
        return first

    async def unsubscribe(self, subscription_id: str) -> None:
        await self._for(None).remove_webhook(subscription_id)

    def _for(self, host: str | None) -> MeetergoClient:
        """A person waits for what is asked here."""
        return self._client.acting(Priority.COMMAND, user=host)

    def _read(self, row: Row) -> Reading:
        return read_row(row, source=self._source, seen_at=self._http.clock())


class _Listed(Listed):
    """A list by start is the window; one by creation is everything, read from its newest row to `begin`."""

    def __init__(self, scan: Scan, window: Window, read: Callable[[Row], Reading]) -> None:
        self._scan = scan
        self._window = window
        self._read = read
        self._passed = False

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        async for rows in self._scan:
            readings = [self._read(row) for row in rows]
            if self._window.by == "start":
                yield readings
                continue
            created = [(reading, self._created(reading)) for reading in readings]
            begin, end = self._window.begin, self._window.end
            yield [reading for reading, at in created if at is None or begin <= at < end]
            if any(at is not None and at < begin for _, at in created):
                self._passed = True
                return

    @property
    def complete(self) -> bool:
        return self._passed or self._scan.complete

    def _created(self, reading: Reading) -> datetime | None:
        """None where it is not told: such a row is handed out rather than lost."""
        return reading.snapshot.created_at if reading.snapshot is not None else None
