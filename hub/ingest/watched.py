"""A provider whose every answer is heard by the hub: that is how refused credentials are noticed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

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

AnswerT = TypeVar("AnswerT")

Heard = Callable[[AdapterError | None], Awaitable[None]]
"""Told how each call ended: with this error, or well."""


class WatchedProvider(Provider):
    """Hands every call on as it is."""

    def __init__(self, inner: Provider, heard: Heard) -> None:
        self._inner = inner
        self._heard = heard

    async def account(self) -> Account:
        return await self._watch(self._inner.account())

    async def fetch(
        self, provider_id: str, *, host: str | None, priority: Priority = Priority.VERIFICATION
    ) -> Reading | None:
        return await self._watch(self._inner.fetch(provider_id, host=host, priority=priority))

    def listed(self, window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        return _WatchedList(self._inner.listed(window, priority=priority), self._watch)

    def lists_of(self, known_hosts: Sequence[str]) -> Sequence[str | None]:
        return self._inner.lists_of(known_hosts)

    async def availability(self, asked: FreeTimes, *, host: str | None) -> Availability:
        return await self._watch(self._inner.availability(asked, host=host))

    async def book(self, booking: NewBooking, *, host: str | None) -> Booked:
        return await self._watch(self._inner.book(booking, host=host))

    async def reschedule(
        self, provider_id: str, start: datetime, *, host: str | None, ignore_availability: bool = False
    ) -> None:
        await self._watch(
            self._inner.reschedule(provider_id, start, host=host, ignore_availability=ignore_availability)
        )

    async def cancel(
        self, provider_id: str, *, host: str | None, reason: str | None, scope: Scope | None = None
    ) -> None:
        await self._watch(self._inner.cancel(provider_id, host=host, reason=reason, scope=scope))

    async def mark_no_show(self, attendee_id: str, *, host: str | None) -> None:
        await self._watch(self._inner.mark_no_show(attendee_id, host=host))

    async def note(self, provider_id: str, text: str, *, host: str | None) -> None:
        await self._watch(self._inner.note(provider_id, text, host=host))

    async def add_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        await self._watch(self._inner.add_guest(provider_id, host=host, attendee_id=attendee_id, email=email))

    async def remove_guest(self, provider_id: str, *, host: str | None, attendee_id: str, email: str) -> None:
        await self._watch(
            self._inner.remove_guest(provider_id, host=host, attendee_id=attendee_id, email=email)
        )

    async def subscriptions(self) -> tuple[Subscription, ...]:
        return await self._watch(self._inner.subscriptions())

    async def subscribe(self, endpoint: str, *, description: str) -> Subscription:
        return await self._watch(self._inner.subscribe(endpoint, description=description))

    async def unsubscribe(self, subscription_id: str) -> None:
        await self._watch(self._inner.unsubscribe(subscription_id))

    async def _watch(self, call: Awaitable[AnswerT]) -> AnswerT:
        try:
            answer = await call
        except AdapterError as error:
            await self._heard(error)
            raise
        await self._heard(None)
        return answer


class _WatchedList(Listed):
    """Each page is an answer."""

    def __init__(
        self, inner: Listed, watch: Callable[[Awaitable[Sequence[Reading]]], Awaitable[Sequence[Reading]]]
    ) -> None:
        self._inner = inner
        self._watch = watch

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        pages = aiter(self._inner)
        while True:
            try:
                page = await self._watch(anext(pages))
            except StopAsyncIteration:
                return
            yield page

    @property
    def complete(self) -> bool:
        return self._inner.complete
