"""The APIs of the sources: who has one, whose connections stay, and that every call of them is heard."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.errors import AdapterError, AuthError
from adapters.http import HttpClient
from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import MeetergoConfig
from adapters.provider import FreeTimes, NewBooking, Person, Provider, Window
from hub.clock import ManualClock
from hub.ingest.providers import Providers
from hub.ingest.watched import WatchedProvider
from tests.factories import NOON, snapshot
from tests.fake_provider import FakeProvider

KEY, OTHER_KEY = "rgo-made-up-of-the-tests", "rgo-another-made-up-one"
WINDOW = Window(NOON, NOON.replace(hour=20))


def meetergo(key: str | None = KEY) -> MeetergoSource:
    return MeetergoSource(MeetergoConfig.model_validate({"key": key} if key else {}), instance="meetergo")


async def every_page(provider: Provider) -> None:
    async for _ in provider.listed(WINDOW):
        pass


CALLS: dict[str, Callable[[Provider], Awaitable[object]]] = {
    "account": lambda provider: provider.account(),
    "fetch": lambda provider: provider.fetch("b1", host=None),
    "listed": every_page,
    "availability": lambda provider: provider.availability(FreeTimes("mt1", NOON, NOON), host=None),
    "book": lambda provider: provider.book(NewBooking("mt1", NOON, Person("Ilse")), host=None),
    "reschedule": lambda provider: provider.reschedule("b1", NOON, host=None),
    "cancel": lambda provider: provider.cancel("b1", host=None, reason=None),
    "mark_no_show": lambda provider: provider.mark_no_show("a1", host=None),
    "note": lambda provider: provider.note("b1", "text", host=None),
    "add_guest": lambda provider: provider.add_guest("b1", host=None, attendee_id="a1", email="x@y.example"),
    "remove_guest": lambda provider: provider.remove_guest(
        "b1", host=None, attendee_id="a1", email="x@y.example"
    ),
    "subscriptions": lambda provider: provider.subscriptions(),
    "subscribe": lambda provider: provider.subscribe("https://hub.example/", description="hub"),
    "unsubscribe": lambda provider: provider.unsubscribe("s-1"),
}


class Heard:
    def __init__(self) -> None:
        self.ends: list[AdapterError | None] = []

    async def __call__(self, error: AdapterError | None) -> None:
        self.ends.append(error)


def test_every_call_of_a_provider_is_tried_here() -> None:
    assert set(CALLS) | {"lists_of"} == Provider.__abstractmethods__


@pytest.mark.parametrize("name", CALLS)
async def test_how_each_call_ended_is_heard(name: str) -> None:
    inner, heard = FakeProvider(), Heard()
    inner.shows["b1"] = snapshot(origin="api")
    watched = WatchedProvider(inner, heard)
    await CALLS[name](watched)
    assert heard.ends == [None]
    inner.failure = AuthError("401")
    with pytest.raises(AuthError):
        await CALLS[name](watched)
    assert heard.ends == [None, inner.failure]


async def test_what_a_watched_provider_answers_is_what_it_was_told() -> None:
    inner = FakeProvider()
    inner.shows["b1"] = snapshot(origin="api")
    watched = WatchedProvider(inner, Heard())
    assert await watched.fetch("b1", host="mara") == await inner.fetch("b1", host="mara")
    listed = watched.listed(WINDOW)
    assert [reading.provider_id async for page in listed for reading in page] == ["b1"]
    assert listed.complete
    assert watched.lists_of(["mara"]) == inner.lists_of(["mara"])


async def test_only_sources_with_credentials_have_an_api() -> None:
    sources = {"meetergo": meetergo(), "counter": meetergo(key=None)}
    assert list(Providers(sources, clock=ManualClock(NOON))) == ["meetergo"]


async def test_connections_stay_with_the_same_settings_and_end_with_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[HttpClient] = []

    async def close(http: HttpClient) -> None:
        closed.append(http)

    monkeypatch.setattr(HttpClient, "aclose", close)
    providers = Providers({"meetergo": meetergo()}, clock=ManualClock(NOON))
    before = providers["meetergo"]
    await providers.follow({"meetergo": meetergo()})
    assert (providers["meetergo"], closed) == (before, [])
    await providers.follow({"meetergo": meetergo(OTHER_KEY)})
    assert providers["meetergo"] is not before
    assert len(closed) == 1
    await providers.follow({"meetergo": meetergo(key=None)})
    assert (dict(providers), len(closed)) == ({}, 2)
    await providers.follow({"meetergo": meetergo()})
    await providers.close()
    assert (dict(providers), len(closed)) == ({}, 3)
