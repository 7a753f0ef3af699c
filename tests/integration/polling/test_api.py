"""Asking a source through the API, and what its object, the status and the issues say of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.errors import RefusalError, TransientError
from adapters.provider import Subscription
from hub.log import InboxLog
from hub.store import inbox, polls, tokens
from hub.web.app import build_app
from hub.web.services import HubServices
from tests.integration.polling.provider import ListProvider
from tests.integration.polling.test_polls import booking, changed
from tests.integration.polling.test_webhooks import ADDRESS, receipt
from tests.integration.polling.world import NOW, SOURCE, TOKEN, World, settings_of
from tests.waiting import until

HIDDEN = ADDRESS.replace(TOKEN, "***")


class Api:
    """The API of this world, asked with an admin's token."""

    def __init__(self, world: World, inbox_log: InboxLog) -> None:
        self._world = world
        self._inbox = inbox_log
        self._secret = tokens.new_secret()
        world.database.write_now(
            lambda session: tokens.create(session, name="t", scope="admin", secret=self._secret, now=NOW)
        )

    async def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        world = self._world
        services = HubServices(
            settings=world.settings,
            sink_kinds={},
            database=world.database,
            log=world.log,
            inbox=self._inbox,
            clock=world.clock,
            version="0.1.0",
            started_at=NOW,
            providers=world.providers,
            lookup=world.lookup,
            source_runs=world.sourcing.runs,
            registration=world.sourcing.registration,
            metrics=world.metrics,
        )
        transport = httpx.ASGITransport(app=build_app(services), client=("127.0.0.1", 5000))
        headers = {"authorization": f"Bearer {self._secret}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub.test", headers=headers
        ) as client:
            return await client.request(method, f"/api/v1{path}", json=body)

    async def source(self) -> dict[str, Any]:
        shown: dict[str, Any] = (await self("GET", f"/sources/{SOURCE}")).json()
        return shown

    async def issues(self) -> dict[str, str]:
        """Code and meaning."""
        items = (await self("GET", "/issues")).json()["items"]
        return {item["code"]: item["meaning"] for item in items}


@pytest.fixture
async def api(world: World, inbox_log: InboxLog) -> Api:
    return Api(world, inbox_log)


async def ended(world: World) -> Any:
    await until(lambda: world.operations()[0].state != "running")
    return world.operations()[0]


async def test_a_poll_is_an_operation(world: World, provider: ListProvider, api: Api) -> None:
    await world.watched_before()
    provider.show(booking())
    begun = await api("POST", f"/sources/{SOURCE}/poll")
    assert begun.status_code == 202
    operation = await ended(world)
    assert begun.headers["location"] == f"/api/v1/operations/{operation.operation_id}"
    shown = (await api("GET", f"/operations/{operation.operation_id}")).json()
    assert (shown["kind"], shown["state"], shown["detail"]["facts"]) == ("poll", "done", 1)


async def test_a_backfill_takes_the_days_as_selectors_do(
    world: World, provider: ListProvider, api: Api
) -> None:
    begun = await api("POST", f"/sources/{SOURCE}/backfill", {"from": "2026-03-01", "to": "2026-03-31"})
    assert begun.status_code == 202
    assert (await ended(world)).state == "done"
    (window,) = [window for window, _ in provider.windows]
    assert f"{window.begin:%m-%d}/{window.end:%m-%d}" == "03-01/04-01", "a date includes its day"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"from": "2026-03-01", "to": "2026-02-01"}, "/to"),
        ({"from": "someday"}, "/from"),
        ({"form": "2026-03-01"}, "/form"),
    ],
    ids=["ends before it begins", "no time", "unknown member"],
)
async def test_a_backfill_of_nothing_is_refused(
    world: World, provider: ListProvider, api: Api, body: dict[str, str], pointer: str
) -> None:
    refused = await api("POST", f"/sources/{SOURCE}/backfill", body)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert provider.windows == []
    assert not world.operations()


async def test_connecting_says_where_to_and_never_the_token(
    world: World, provider: ListProvider, api: Api
) -> None:
    planned = await api("POST", f"/sources/{SOURCE}/connect", {"dry_run": True})
    assert provider.endpoints == []
    done = await api("POST", f"/sources/{SOURCE}/connect")
    again = await api("POST", f"/sources/{SOURCE}/connect")
    shared = {"source": SOURCE, "address": HIDDEN, "removed": 0}
    assert planned.json() == {**shared, "registered": False, "made": True, "dry_run": True}
    assert done.json() == {**shared, "registered": True, "made": True, "dry_run": False}
    assert again.json() == {**shared, "registered": True, "made": False, "dry_run": False}
    assert [one.endpoint for one in provider.endpoints] == [ADDRESS]
    gone = await api("POST", f"/sources/{SOURCE}/disconnect")
    assert gone.json() == {**shared, "registered": False, "made": False, "removed": 1, "dry_run": False}
    assert provider.endpoints == []


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (RefusalError("406", code="limit-reached"), 502, "provider-refused"),
        (TransientError("503"), 503, "provider-unreachable"),
    ],
    ids=["refused", "down"],
)
async def test_a_provider_that_will_not_is_a_problem(
    provider: ListProvider, api: Api, failure: Exception, status: int, code: str
) -> None:
    provider.failure = failure  # type: ignore[assignment]
    refused = await api("POST", f"/sources/{SOURCE}/connect")
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize("verb", ["poll", "backfill", "connect", "disconnect"])
async def test_a_source_without_an_api_cannot_be_asked(world: World, api: Api, verb: str) -> None:
    world.providers.clear()
    refused = await api("POST", f"/sources/{SOURCE}/{verb}")
    assert (refused.status_code, refused.json()["code"]) == (501, "not-supported")
    unknown = await api("POST", f"/sources/nobody/{verb}")
    assert unknown.status_code == 404


async def test_without_a_public_address_connecting_is_refused(world: World, api: Api) -> None:
    hub = world.settings.hub.model_copy(update={"public_url": None})
    world.settings = replace(world.settings, hub=hub)
    refused = await api("POST", f"/sources/{SOURCE}/connect")
    assert refused.status_code == 422
    assert "hub.public_url" in refused.json()["next"]


async def test_a_source_shows_what_came_of_asking_it(world: World, provider: ListProvider, api: Api) -> None:
    before = await api.source()
    assert (before["poll"]["last_at"], before["backfill"], before["webhooks"]) == (None, None, None)
    provider.show(booking(), booking("b2"))
    await world.sourcing.runs.fill_in_turn(SOURCE, world.plan())
    world.clock.advance(timedelta(hours=1))
    at = world.clock.now() - timedelta(minutes=10)
    provider.show(changed(version=at, start=at + timedelta(days=1), rescheduled_at=at))
    del provider.shows["b2"]
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    await world.caught_up()
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    source, status = await api.source(), (await api("GET", "/status")).json()["sources"][SOURCE]
    now = f"{world.clock.now():%Y-%m-%dT%H:%M:%S}"
    assert source["backfill"]["state"] == "done"
    assert (source["backfill"]["bookings"], source["backfill"]["facts"]) == (2, 2)
    assert (source["poll"]["every_seconds"], source["poll"]["lists"]) == (300, 1)
    assert source["poll"]["last_at"].startswith(now)
    assert (source["webhooks"]["expected"], source["webhooks"]["lost"]) == (1, 1)
    assert [one["booking_id"] for one in source["missing"]] == ["b2"]
    assert (status["last_poll_ok"], status["facts_by_poll"]) == (True, 3)
    assert status["last_poll_at"].startswith(now)
    rows = [receipt("r_1", "b1", world.clock.now(), shows=at)]
    await world.database.write(lambda session: inbox.insert(session, rows))
    assert (await api.source())["webhooks"]["lost"] == 0, "it was only late"


async def test_what_needs_a_person_is_an_issue(
    world: World, provider: ListProvider, api: Api, tmp_path: Path
) -> None:
    assert await api.issues() == {}
    ends = NOW + timedelta(days=13)
    world.settings = settings_of(tmp_path, key_expires=f"{ends:%Y-%m-%d}")
    await world.watched_before()
    await world.settle(booking(), booking("b2"))
    provider.show(booking())
    provider.endpoints = [Subscription("s-9", "https://zapier.example/x", ("booking_created",))]
    await world.poll()
    at = NOW + timedelta(hours=1)
    world.clock.advance(timedelta(hours=3, minutes=30))
    provider.show(changed(version=at, start=at + timedelta(days=2), rescheduled_at=at))
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    await world.caught_up()
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    found = await api.issues()
    assert set(found) == {"key_expires", "booking_missing", "webhook_silence", "webhook_not_registered"}
    assert found["webhook_silence"] == (
        "Webhooks do not arrive any more: no webhook for 3 h though polls found 1 change"
    )
    assert "in 12 d" in found["key_expires"]
    assert "1 booking" in found["booking_missing"]
    provider.next_lists = ["half"] * 20
    for _ in range(3):
        world.clock.advance(timedelta(minutes=9))
        await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    assert "not shown whole" in (await api.issues())["poll_failing"]


async def test_issues_of_a_source_end_by_themselves(world: World, provider: ListProvider, api: Api) -> None:
    await world.watched_before()
    await world.settle(booking())
    await world.poll()
    await world.database.write(
        lambda session: polls.set_registered(session, SOURCE, registered=False, now=NOW)
    )
    provider.next_lists = ["half"]
    await world.poll()
    world.clock.advance(timedelta(hours=1))
    assert set(await api.issues()) == {"booking_missing", "webhook_not_registered", "poll_failing"}
    provider.show(booking())
    await world.sourcing.registration.connect(SOURCE)
    await world.poll()
    assert await api.issues() == {}
