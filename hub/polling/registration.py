"""Our address at the provider: entered, looked for, taken out; what others have entered stays.

Ours is what leads to our door: everything below our public address for this source, and any address that
holds one of its tokens, for the public address may have been another one before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.errors import RefusalError
from adapters.provider import Provider, Subscription
from hub.clock import Clock
from hub.ingest.lookup import NoProviderError
from hub.polling.errors import NoDoorError
from hub.settings import Settings
from hub.store import polls
from hub.store.database import Database

LIMIT_REACHED = "limit-reached"


@dataclass(frozen=True, slots=True)
class Registered:
    """What stands at the provider now. `made`: it was not there; `removed` counts old addresses of ours."""

    address: str
    subscription_id: str | None
    made: bool
    removed: int


class Registration:
    """The webhooks of every source; safe to repeat, each call ends with the same addresses entered."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        database: Database,
        clock: Clock,
        *,
        settings: Callable[[], Settings],
    ) -> None:
        self._providers = providers
        self._database = database
        self._clock = clock
        self._settings = settings

    def address(self, source: str) -> str:
        """Where the provider is to post; NoDoorError if there is no such address."""
        settings = self._settings()
        webhook = settings.sources[source].webhook
        if webhook is None:
            raise NoDoorError(f"the source {source} has no webhook in the configuration")
        if settings.hub.public_url is None:
            raise NoDoorError("hub.public_url is not set: nobody knows where the provider reaches this hub")
        return door_address(settings.hub.public_url, source, webhook.token.get_secret_value())

    def address_or_none(self, source: str) -> str | None:
        """The same, None if there is none."""
        try:
            return self.address(source)
        except NoDoorError:
            return None

    async def look(self, source: str) -> bool:
        """Whether our address is entered; the answer is kept."""
        address = self.address(source)
        known = any(found.endpoint == address for found in await self._provider(source).subscriptions())
        await self._note(source, registered=known)
        return known

    async def connect(self, source: str, *, dry_run: bool = False) -> Registered:
        """Have the provider post to our address, and to no former one of ours."""
        address, provider = self.address(source), self._provider(source)
        before = await provider.subscriptions()
        known = next((found for found in before if found.endpoint == address), None)
        former = [found for found in before if self._is_ours(source, found) and found.endpoint != address]
        if dry_run:
            return Registered(address, known.id if known else None, known is None, len(former))
        removed = len(former)
        try:
            entered = await provider.subscribe(address, description=f"bookinghub {source}")
        except RefusalError as error:
            if error.code != LIMIT_REACHED or not former:
                raise
            # A former address of ours takes the place that the new one needs.
            await provider.unsubscribe(former.pop(0).id)
            entered = await provider.subscribe(address, description=f"bookinghub {source}")
        for one in former:
            await provider.unsubscribe(one.id)
        await self._note(source, registered=True)
        return Registered(address, entered.id, known is None, removed)

    async def disconnect(self, source: str, *, dry_run: bool = False) -> Registered:
        """Have the provider post to none of our addresses any more."""
        address, provider = self.address(source), self._provider(source)
        ours = [found for found in await provider.subscriptions() if self._is_ours(source, found)]
        if not dry_run:
            for one in ours:
                await provider.unsubscribe(one.id)
            await self._note(source, registered=False)
        return Registered(address, None, False, len(ours))

    def _is_ours(self, source: str, found: Subscription) -> bool:
        settings = self._settings()
        webhook = settings.sources[source].webhook
        if found.endpoint is None or webhook is None:
            return False
        below = door_address(settings.hub.public_url or "", source, "")
        tokens = [token.get_secret_value() for token in (webhook.token, webhook.previous_token) if token]
        path = urlsplit(found.endpoint).path
        return found.endpoint.startswith(below) or any(
            path.endswith(door_path(source, token)) for token in tokens
        )

    def _provider(self, source: str) -> Provider:
        provider = self._providers.get(source)
        if provider is None:
            raise NoProviderError(f"the source {source} has no API that could be asked")
        return provider

    async def _note(self, source: str, *, registered: bool) -> None:
        now = self._clock.now()
        await self._database.write(
            lambda session: polls.set_registered(session, source, registered=registered, now=now)
        )


def door_path(source: str, token: str) -> str:
    """The path of a source's door."""
    return f"/webhooks/{source}/{token}"


def door_address(base: str, source: str, token: str) -> str:
    """The whole address of a source's door under this one."""
    return f"{base}{door_path(source, token)}"
