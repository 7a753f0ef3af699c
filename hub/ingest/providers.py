"""The APIs of the sources: made with the configuration, and following it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.api import Source
from adapters.errors import AdapterError
from adapters.http import HttpClient
from adapters.provider import Provider
from hub.clock import Clock
from hub.ingest.watched import WatchedProvider

Heard = Callable[[str, AdapterError | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Connection:
    source: Source[Any]
    http: HttpClient
    provider: Provider


class Providers(Mapping[str, Provider]):
    """The provider of each source that has the credentials of an API, by the source's name."""

    def __init__(
        self, sources: Mapping[str, Source[Any]], *, clock: Clock, heard: Heard | None = None
    ) -> None:
        """`heard` is told how each call of a source's API ended."""
        self._clock = clock
        self._heard = heard
        self._connections: dict[str, _Connection] = {}
        self._take(sources)

    def __getitem__(self, name: str) -> Provider:
        return self._connections[name].provider

    def __iter__(self) -> Iterator[str]:
        return iter(self._connections)

    def __len__(self) -> int:
        return len(self._connections)

    async def follow(self, sources: Mapping[str, Source[Any]]) -> None:
        """These are the sources from now on; whose settings are the same keeps its connections."""
        for http in self._take(sources):
            await http.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self.follow({})

    def _take(self, sources: Mapping[str, Source[Any]]) -> list[HttpClient]:
        before, self._connections = self._connections, {}
        for name, source in sources.items():
            known = before.get(name)
            if known is not None and _is_same(known.source, source):
                self._connections[name] = before.pop(name)
                continue
            http = HttpClient(clock=self._clock.now)
            provider = source.provider(http)
            if provider is not None:
                self._connections[name] = _Connection(source, http, self._watched(name, provider))
        return [connection.http for connection in before.values()]

    def _watched(self, name: str, provider: Provider) -> Provider:
        return provider if self._heard is None else WatchedProvider(provider, partial(self._heard, name))


def _is_same(one: Source[Any], other: Source[Any]) -> bool:
    return type(one) is type(other) and one.config == other.config
