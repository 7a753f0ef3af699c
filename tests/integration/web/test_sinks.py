"""Sinks: how they stand, pausing, preparing a target, and what they wait for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from hub.settings import Rate
from hub.store import sinks
from tests.integration.web.standing import status
from tests.integration.web.world import KINDS as SINKS
from tests.integration.web.world import NOW, World


async def test_sinks_show_how_they_stand(world: World) -> None:
    listed = (await world.client("read").get("/api/v1/sinks")).json()["items"]
    assert [sink["name"] for sink in listed] == list(SINKS)
    assert listed[0]["kind"] == "booking"
    assert listed[0]["state"] == "running"


async def test_sink_is_paused_with_a_reason_and_resumed(world: World) -> None:
    client = world.client("operate")
    tried = (await client.post("/api/v1/sinks/crm/pause", json={"dry_run": True})).json()
    assert (tried["state"], tried["dry_run"]) == ("running", True)
    paused = (await client.post("/api/v1/sinks/crm/pause", json={"reason": "holiday"})).json()
    assert (paused["state"], paused["reason"]) == ("paused", "paused by operate-test: holiday")
    assert (await status(world))["state"] == "degraded"
    resumed = (await client.post("/api/v1/sinks/crm/resume")).json()
    assert (resumed["state"], resumed["reason"]) == ("running", None)
    assert world.woken == 2


async def test_a_target_is_prepared_once(world: World) -> None:
    client, address = world.client("operate"), "/api/v1/sinks/crm/prepare"
    wanted = {"name": "crm", "made": ["crm.hub_contact (string)"]}
    assert (await client.post(address, json={"dry_run": True})).json() == wanted | {"dry_run": True}
    assert (world.prepared, world.woken) == (set(), 0)
    assert (await client.post(address)).json() == wanted | {"dry_run": False}
    assert (world.prepared, world.woken) == ({"crm"}, 1)
    assert (await client.post(address)).json()["made"] == []
    assert world.woken == 1


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AuthError("401 the token has expired"), 502, "provider-refused"),
        (PermanentError("400 too many properties"), 502, "provider-refused"),
        (TransientError("no answer"), 503, "provider-unreachable"),
    ],
)
async def test_a_target_that_cannot_be_prepared_is_a_problem(
    world: World, error: AdapterError, status: int, code: str
) -> None:
    world.refusal = error
    answer = await world.client("operate").post("/api/v1/sinks/crm/prepare")
    assert answer.status_code == status
    told = answer.json()
    assert (told["code"], told["detail"]) == (code, f"crm: {error}")
    assert told["next"] == "bookinghub sinks show crm"


async def test_preparing_needs_a_known_sink_a_right_and_a_hub(world: World) -> None:
    client = world.client("operate")
    assert (await client.post("/api/v1/sinks/nobody/prepare")).status_code == 404
    assert (await client.post("/api/v1/sinks/crm/prepare", json={"force": True})).status_code == 422
    assert (await world.client("read").post("/api/v1/sinks/crm/prepare")).status_code == 403


async def test_sink_shows_what_it_waits_for(world: World) -> None:
    def stop(session: Any) -> None:
        row = sinks.get(session, "crm")
        row.state, row.reason, row.since = "circuit_open", "503", NOW
        row.failing_since, row.probe_at = NOW - timedelta(minutes=1), NOW + timedelta(seconds=30)
        row.wait_until = NOW + timedelta(seconds=90)

    world.change(stop)
    settings = world.settings.sinks["crm"].model_copy(update={"rate": Rate(8, timedelta(seconds=1))})
    world.using(settings=replace(world.settings, sinks=dict(world.settings.sinks) | {"crm": settings}))
    client = world.client("operate")
    shown = (await client.get("/api/v1/sinks/crm")).json()
    assert (shown["state"], shown["rate"], shown["concurrency"]) == ("circuit_open", "8/s", 8)
    assert shown["failing_since"] == "2026-10-21T11:59:00Z"
    assert (shown["probe_at"], shown["wait_until"]) == ("2026-10-21T12:00:30Z", "2026-10-21T12:01:30Z")
    assert (await status(world))["state"] == "degraded"
    metrics = (await world.client().get("/metrics")).text
    assert 'bookinghub_sink_state{sink="crm",state="circuit_open"} 1.0' in metrics
    assert 'bookinghub_sink_wait_seconds{sink="crm"} 90.0' in metrics
    assert 'bookinghub_sink_rate_tokens{sink="crm"} 1.0' in metrics

    resumed = (await client.post("/api/v1/sinks/crm/resume")).json()
    assert (resumed["state"], resumed["wait_until"]) == ("circuit_open", None)
    assert resumed["probe_at"] == "2026-10-21T12:00:00Z"


async def test_a_wait_that_is_over_is_not_shown(world: World) -> None:
    def wait(session: Any) -> None:
        sinks.get(session, "crm").wait_until = NOW

    world.change(wait)
    assert (await status(world))["sinks"]["crm"]["wait_until"] is None
