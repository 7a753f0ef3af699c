"""Sources: paused with a reason, resumed, and proving their credentials."""

import json

from adapters.errors import AuthError, RefusalError, TransientError
from tests.fake_provider import FakeProvider
from tests.integration.web.standing import issues, see_source
from tests.integration.web.world import TOKEN, World, on_both_databases


@on_both_databases
async def test_a_source_is_paused_with_a_reason_and_resumed(world: World) -> None:
    see_source(world)
    woken: list[int] = []
    client = world.using(wake_sources=lambda: woken.append(1)).client("operate")
    would = await client.post("/api/v1/sources/meetergo/pause", json={"dry_run": True})
    assert (would.json()["state"], would.json()["dry_run"]) == ("running", True)
    paused = (await client.post("/api/v1/sources/meetergo/pause", json={"reason": "new key"})).json()
    assert (paused["state"], paused["reason"]) == ("paused", "paused by operate-test: new key")
    assert TOKEN not in json.dumps(paused)
    assert (await client.get("/api/v1/sources")).json()["items"][0]["reason"] == paused["reason"]
    assert (await client.post("/api/v1/sources/meetergo/resume", json={"dry_run": True})).json()[
        "state"
    ] == "paused"
    assert woken == []
    resumed = (await client.post("/api/v1/sources/meetergo/resume", json={})).json()
    assert (resumed["state"], resumed["reason"], woken) == ("running", None, [1])


async def test_a_source_with_refused_credentials_has_to_prove_them(world: World) -> None:
    see_source(world, state="auth_failed", reason="401")
    provider = FakeProvider()
    client = world.using(providers={"meetergo": provider}).client("operate")
    for failure, status_code, code in (
        (AuthError("user: api.test answered 401"), 502, "provider-refused"),
        (TransientError("user: api.test answered 503"), 503, "provider-unreachable"),
    ):
        provider.failure = failure
        answer = await client.post("/api/v1/sources/meetergo/resume", json={})
        assert (answer.status_code, answer.json()["code"]) == (status_code, code)
        assert str(failure) in answer.json()["detail"]
    assert set(await issues(world)) == {"source_auth_failed"}
    provider.failure = RefusalError("user: api.test answered 400", code="needs-user")
    assert (await client.post("/api/v1/sources/meetergo/resume", json={})).json()["state"] == "running"
    assert await issues(world) == {}


async def test_pausing_a_source_needs_the_right_to_act(world: World) -> None:
    see_source(world)
    for verb in ("pause", "resume"):
        answer = await world.client("read").post(f"/api/v1/sources/meetergo/{verb}", json={})
        assert answer.status_code == 403
        unknown = await world.client("operate").post(f"/api/v1/sources/other/{verb}", json={})
        assert unknown.status_code == 404
        odd = await world.client("operate").post(f"/api/v1/sources/meetergo/{verb}", json={"dryrun": True})
        assert odd.status_code == 422


async def test_door_is_shown_whole_to_those_who_may_act(world: World) -> None:
    whole = f"https://hub.studio.example/webhooks/meetergo/{TOKEN}"
    masked = "https://hub.studio.example/webhooks/meetergo/***"
    assert (await world.client("operate").get("/api/v1/sources/meetergo")).json()["webhook"] == whole
    assert (await world.client("read").get("/api/v1/sources/meetergo")).json()["webhook"] == masked
    assert (await world.client("admin").get("/api/v1/sources")).json()["items"][0]["webhook"] == masked
