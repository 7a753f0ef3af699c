"""Many bookings are read from lists for as long as that costs less than one by one."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from adapters.api import Reading
from adapters.errors import AuthError, TransientError
from adapters.provider import Listed, Priority, Window
from events.state import Host
from hub.ingest.gathering import FEWEST, Sought, gathered
from tests.factories import NOON, snapshot
from tests.fake_provider import FakeProvider, reading_of

MARA, DENIZ = "mara", "deniz"


def shows(
    provider: FakeProvider, *names: str, every: timedelta = timedelta(hours=1), host: str = MARA
) -> None:
    for number, name in enumerate(names, len(provider.shows)):
        provider.shows[name] = snapshot(
            origin="api", provider_id=name, start=NOON + number * every, hosts=(Host(id=host),)
        )


def sought(provider: FakeProvider, *names: str) -> dict[str, Sought]:
    found = {}
    for name in names:
        shown = provider.shows[name]
        assert not isinstance(shown, Exception)
        found[name] = Sought(shown.start, [host.id for host in shown.hosts])
    return found


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


async def test_what_starts_close_together_is_one_list(provider: FakeProvider) -> None:
    names = [f"b{number}" for number in range(60)]
    shows(provider, *names)
    found = await gathered(provider, sought(provider, *names))
    assert set(found) == set(names)
    assert (provider.pages, provider.fetched) == (1, [])


async def test_what_was_not_asked_for_is_not_handed_out(provider: FakeProvider) -> None:
    names = [f"b{number}" for number in range(20)]
    shows(provider, *names)
    assert set(await gathered(provider, sought(provider, *names[5:15]))) == set(names[5:15])


async def test_what_is_far_apart_is_not_worth_a_list(provider: FakeProvider) -> None:
    names = [f"b{number}" for number in range(30)]
    shows(provider, *names, every=timedelta(days=3))
    assert await gathered(provider, sought(provider, *names)) == {}
    assert provider.pages == 0


async def test_a_list_is_left_when_it_costs_more_than_it_shows(provider: FakeProvider) -> None:
    """Four bookings among thousands: their pages would be more than four requests."""
    names = [f"b{number}" for number in range(3000)]
    shows(provider, *names, every=timedelta(minutes=2))
    wanted = names[-FEWEST:]
    spread = sought(provider, *wanted, *names[:1])
    for number, name in enumerate(sorted(spread)):
        spread[name] = Sought(NOON + number * timedelta(days=1, hours=1))
    found = await gathered(provider, spread)
    assert provider.pages <= len(found) + 2 < len(wanted)


async def test_the_lists_of_all_hosts_are_read_where_a_key_sees_one_at_a_time(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    listed = provider.listed

    def of_host(window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        asked.append(window.host)
        return listed(window, priority=priority)

    monkeypatch.setattr(provider, "listed", of_host)
    provider.hosts_see = {}
    shows(provider, *(f"m{number}" for number in range(8)))
    shows(provider, *(f"d{number}" for number in range(8)), host=DENIZ)
    assert set(await gathered(provider, sought(provider, *provider.shows))) == set(provider.shows)
    assert asked == [MARA, DENIZ]


class BrokenList(Listed):
    """One page, then a failure."""

    def __init__(self, page: Sequence[Reading], error: Exception) -> None:
        self._page = page
        self._error = error

    async def __aiter__(self) -> AsyncIterator[Sequence[Reading]]:
        yield self._page
        raise self._error

    @property
    def complete(self) -> bool:
        return False


async def test_what_a_failing_list_has_shown_counts(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"b{number}" for number in range(10)]
    shows(provider, *names)
    first = reading_of(snapshot(origin="api", provider_id="b0"))
    unreadable = Reading("unreadable", "appointment", provider_id="b1", reason="start: missing")
    broken = BrokenList([unreadable, first], TransientError("appointments: 503"))
    monkeypatch.setattr(provider, "listed", lambda *_, **__: broken)
    assert await gathered(provider, sought(provider, *names)) == {"b0": first}


async def test_refused_credentials_end_the_reading(provider: FakeProvider) -> None:
    names = [f"b{number}" for number in range(10)]
    shows(provider, *names)
    wanted = sought(provider, *names)
    provider.failure = AuthError("appointments: 401")
    with pytest.raises(AuthError):
        await gathered(provider, wanted)
