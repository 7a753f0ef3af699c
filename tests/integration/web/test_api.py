"""What holds for every address of the API: problems, limits, logs, headers, what is open to whom."""

import json
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from hub.errors import StoreError
from tests.integration.web.problems import check_problem
from tests.integration.web.world import TOKEN, World


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not-found"),
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/v1/bookings/", 404, "not-found"),
        ("GET", "/api/v1/bookings/none", 404, "not-found"),
        ("GET", "/api/v1/contacts/none", 404, "not-found"),
        ("GET", "/api/v1/events/none", 404, "not-found"),
        ("GET", "/api/v1/inbox/none", 404, "not-found"),
        ("GET", "/api/v1/deliveries/none", 404, "not-found"),
        ("GET", "/api/v1/sinks/none", 404, "not-found"),
        ("GET", "/api/v1/sources/none", 404, "not-found"),
        ("GET", "/api/v1/projections/none", 404, "not-found"),
        ("GET", "/api/v1/operations/none", 404, "not-found"),
        ("GET", "/api/v1/issues/none", 404, "not-found"),
        ("GET", "/api/v1/bookings/none/story", 404, "not-found"),
        ("POST", "/api/v1/sinks/none/pause", 404, "not-found"),
        ("POST", "/api/v1/bookings/x/reschedule", 404, "not-found"),
        ("DELETE", "/api/v1/bookings", 405, "method-not-allowed"),
        ("POST", "/api/v1/status", 405, "method-not-allowed"),
        ("GET", "/api/v1/sinks?limit=x&form=y", 422, "invalid"),
        ("POST", "/api/v1/operations", 422, "invalid"),
        ("POST", "/api/v1/deliveries/retry", 422, "invalid"),
    ],
)
async def test_every_error_is_a_problem(
    world: World, method: str, address: str, status: int, code: str
) -> None:
    check_problem(await world.client().request(method, address), status, code)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b"\xff", b'{"dry_run": 1}', b'{"name": "\\ud800", "scope": "read"}', b"[" * 5000],
)
async def test_bodies_that_do_not_fit_are_invalid(world: World, body: bytes) -> None:
    check_problem(await world.client().post("/api/v1/tokens", content=body), 422, "invalid")


async def test_body_over_the_limit_is_refused(world: World) -> None:
    client = world.client()
    check_problem(await client.post("/api/v1/inbox/send", content=b"x" * (1024 * 1024 + 1)), 413, "too-large")

    async def endless() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    check_problem(await client.post("/api/v1/inbox/send", content=endless()), 413, "too-large")


async def test_unforeseen_error_tells_nothing_and_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(work: Any) -> Any:
        raise RuntimeError("ilse@kunde.example")

    client = world.client()
    monkeypatch.setattr(world.database, "read", broken)
    with structlog.testing.capture_logs() as logs:
        answer = await client.get("/api/v1/status")
    check_problem(answer, 500, "internal")
    assert "ilse" not in answer.text + json.dumps(logs)
    assert any(entry["event"] == "request failed" and entry["error"] == "RuntimeError" for entry in logs)


async def test_store_that_fails_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(work: Any) -> Any:
        raise StoreError("the disk of the store is full")

    client = world.client()
    monkeypatch.setattr(world.database, "read", broken)
    answer = await client.get("/api/v1/status")
    check_problem(answer, 503, "store-unavailable")
    assert answer.headers["retry-after"] == "5"


async def test_events_need_the_log_and_the_story_does_not(world: World) -> None:
    world.booking(provider_id="b1")
    world.log.away = True
    check_problem(await world.client().get("/api/v1/events"), 503, "log-unavailable")
    story = (await world.client().get("/api/v1/bookings/b1/story")).json()
    assert [event["data"] for event in story["events"]] == [None]


async def test_request_is_logged_by_route_and_never_by_path(world: World) -> None:
    client = world.client()
    with structlog.testing.capture_logs() as logs:
        await client.get("/api/v1/bookings/ilse@kunde.example")
    entry: MutableMapping[str, Any] = next(entry for entry in logs if entry["event"] == "request")
    assert entry["route"] == "/api/v1/bookings/{ref}"
    assert entry["status"] == 404
    assert "ilse" not in json.dumps(logs)


async def test_request_id_is_given_back_if_it_is_plain(world: World) -> None:
    client = world.client()
    kept = await client.get("/healthz", headers={"X-Request-Id": "from-a-proxy-1"})
    assert kept.headers["x-request-id"] == "from-a-proxy-1"
    made = await client.get("/healthz", headers={"X-Request-Id": "<script>"})
    assert made.headers["x-request-id"] != "<script>"


async def test_answers_carry_the_policy_of_the_browser(world: World) -> None:
    for address in ("/healthz", "/docs", "/nothing", "/api/v1/status"):
        answer = await world.client().get(address)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_metrics_and_docs_are_open_on_loopback_only(world: World) -> None:
    for address in ("/metrics", "/docs", "/openapi.json"):
        assert (await world.client(None).get(address)).status_code == 200
        assert (await world.client(None, host="::1").get(address)).status_code == 200
        check_problem(await world.client(None, host="192.0.2.7").get(address), 401, "unauthorised")
        proxied = world.client(None, **{"x-forwarded-for": "192.0.2.7"})
        check_problem(await proxied.get(address), 401, "unauthorised")
        assert (await world.client("read", host="192.0.2.7").get(address)).status_code == 200


async def test_docs_name_every_operation_and_load_nothing_from_elsewhere(world: World) -> None:
    client = world.client()
    html = (await client.get("/docs")).text
    openapi = (await client.get("/openapi.json")).json()
    assert "/api/v1/bookings/{ref}/story" in html
    assert all(path in html for path in openapi["paths"])
    assert "http://" not in html
    assert "https://" not in html
    assert (await client.get("/docs/style.css")).headers["content-type"].startswith("text/css")


async def test_health_needs_no_token_and_ready_means_log_and_store(world: World) -> None:
    client = world.client(None, host="192.0.2.7")
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).status_code == 200
    world.log.away = True
    problem = check_problem(await client.get("/readyz"), 503, "not-ready")
    assert problem["log"] == "nats does not answer"
    assert problem["store"] == "ok"
    assert (await client.get("/healthz")).status_code == 200


async def test_a_log_that_can_be_read_but_stores_nothing_is_not_ready(world: World) -> None:
    client = world.client()
    world.log.write_problem = "stores nothing"
    problem = check_problem(await client.get("/readyz"), 503, "not-ready")
    assert problem["log"] == "stores nothing"
    status = (await client.get("/api/v1/status")).json()
    assert (status["state"], status["issues"]["critical"]) == ("degraded", 1)
    (issue,) = (await client.get("/api/v1/issues")).json()["items"]
    assert issue["code"] == "log_unavailable"
    assert "stores nothing" in issue["meaning"]


async def test_metrics_show_how_the_hub_stands(world: World) -> None:
    world.booking(provider_id="b1")
    text = (await world.client().get("/metrics")).text
    assert "bookinghub_log_last_position 1.0" in text
    assert 'bookinghub_projection_lag_events{projection="bookings"} 0.0' in text
    assert 'bookinghub_deliveries{sink="crm",state="pending"} 1.0' in text
    assert 'bookinghub_sink_state{sink="crm",state="running"} 1.0' in text


async def test_config_is_masked_and_stop_needs_a_running_hub(world: World) -> None:
    client = world.client()
    assert (await client.get("/api/v1/config")).json() == {"config": {"hub": {"timezone": "Europe/Berlin"}}}
    assert (await client.post("/api/v1/stop", json={"dry_run": True})).status_code == 202
    assert not world.stopped
    assert set((await client.post("/api/v1/stop")).json()) == {"pid", "url", "dry_run"}
    assert world.stopped
    world.using(stop=None)
    check_problem(await world.client().post("/api/v1/stop"), 501, "not-supported")


async def test_offline_nothing_is_done_but_rebuilding(world: World) -> None:
    world.using(offline=True)
    client = world.client()
    check_problem(await client.post("/api/v1/sinks/crm/pause"), 501, "not-supported")
    assert (await client.post("/api/v1/operations", json={"kind": "rebuild"})).status_code == 202


async def test_webhooks_go_to_the_door_without_a_token(world: World) -> None:
    answer = await world.client(None, host="192.0.2.7").post(f"/webhooks/meetergo/{TOKEN}", content=b"{}")
    assert answer.status_code == 200
    assert world.door.received == [(f"/webhooks/meetergo/{TOKEN}", b"{}")]
