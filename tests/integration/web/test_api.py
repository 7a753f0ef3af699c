"""What holds for every address of the API: who may, problems, repeated acts, headers."""

import json
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import StoreError
from hub.store import idempotency, tokens
from hub.web.auth import ensure_admin_token
from tests.integration.web.world import NOW, TOKEN, World, on_both_databases

PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "next", "request_id"}
NOUNS = (
    "status",
    "bookings",
    "contacts",
    "events",
    "inbox",
    "deliveries",
    "sinks",
    "sources",
    "projections",
    "operations",
    "issues",
    "config",
)


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) >= PROBLEM_KEYS
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize("noun", NOUNS)
async def test_api_needs_a_token_on_loopback_too(world: World, noun: str) -> None:
    answer = await world.client(None).get(f"/api/v1/{noun}")
    check_problem(answer, 401, "unauthorised")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("noun", NOUNS)
async def test_read_scope_reads(world: World, noun: str) -> None:
    assert (await world.client("read").get(f"/api/v1/{noun}")).status_code == 200


@pytest.mark.parametrize(
    ("scope", "address"),
    [
        ("read", "deliveries/retry"),
        ("read", "deliveries/drop"),
        ("read", "sinks/crm/pause"),
        ("read", "sinks/crm/resume"),
        ("read", "inbox/send"),
        ("read", "inbox/r_12345678/reprocess"),
        ("read", "operations"),
        ("operate", "tokens"),
        ("operate", "tokens/x/revoke"),
        ("operate", "stop"),
    ],
)
async def test_scope_too_small_is_forbidden(world: World, scope: Any, address: str) -> None:
    problem = check_problem(await world.client(scope).post(f"/api/v1/{address}"), 403, "forbidden")
    assert problem["next"].startswith("bookinghub tokens create")


async def test_tokens_are_listed_to_admins_only(world: World) -> None:
    check_problem(await world.client("operate").get("/api/v1/tokens"), 403, "forbidden")


async def test_unknown_and_revoked_tokens_are_refused(world: World) -> None:
    client = world.client(None, authorization="Bearer bh_wrong")
    check_problem(await client.get("/api/v1/status"), 401, "unauthorised")
    admin, reader = world.client(), world.client("read")
    listed = (await admin.get("/api/v1/tokens")).json()["items"]
    token = next(item for item in listed if item["scope"] == "read")
    revoked = (await admin.post(f"/api/v1/tokens/{token['token_id']}/revoke")).json()
    assert revoked["revoked_at"] is not None
    check_problem(await reader.get("/api/v1/status"), 401, "unauthorised")


async def test_token_is_shown_once_and_stored_as_a_hash(world: World) -> None:
    made = await world.client().post("/api/v1/tokens", json={"name": "grafana", "scope": "read"})
    assert made.status_code == 201
    secret = made.json()["token"]
    assert (
        await world.client(None, authorization=f"bearer {secret}").get("/api/v1/status")
    ).status_code == 200
    listed = (await world.client().get("/api/v1/tokens")).json()["items"]
    assert set(listed[0]) == {"token_id", "name", "scope", "created_at", "last_used_at", "revoked_at"}
    world.database.close()
    stored = b"".join(path.read_bytes() for path in world.folder.glob("hub.db*"))
    assert secret.encode() not in stored


async def test_repeated_creation_of_a_token_does_not_show_it_again(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "k1"}
    body = {"name": "grafana", "scope": "read"}
    first = (await client.post("/api/v1/tokens", json=body, headers=key)).json()
    again = (await client.post("/api/v1/tokens", json=body, headers=key)).json()
    assert again == first | {"token": None}
    stored = world.database.read_now(lambda session: idempotency.get(session, _token_id(world), "k1"))
    assert stored is not None
    assert first["token"] not in (stored.response or "")


def _token_id(world: World) -> str:
    rows = world.database.read_now(tokens.every)
    return next(row.token_id for row in rows if row.name == "admin-test")


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


@on_both_databases
async def test_same_key_and_body_get_the_stored_answer(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "pause-1"}
    first = await client.post("/api/v1/sinks/crm/pause", json={"reason": "holiday"}, headers=key)
    await client.post("/api/v1/sinks/crm/resume")
    again = await client.post("/api/v1/sinks/crm/pause", json={"reason": "holiday"}, headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (await client.get("/api/v1/sinks/crm")).json()["state"] == "running"


async def test_stored_answer_may_be_a_problem(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "k"}
    for _ in range(2):
        check = await client.post("/api/v1/tokens", json={"name": "x", "scope": "root"}, headers=key)
        assert check.status_code == 422
        assert check.json()["code"] == "invalid"
        assert check.headers["content-type"] == "application/problem+json"


async def test_key_of_another_request_is_refused(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "k"}
    await client.post("/api/v1/sinks/crm/pause", json={"reason": "a"}, headers=key)
    check_problem(
        await client.post("/api/v1/sinks/crm/pause", json={"reason": "b"}, headers=key), 422, "key-reused"
    )
    check_problem(await client.post("/api/v1/sinks/crm/resume", headers=key), 422, "key-reused")


async def test_keys_of_two_tokens_do_not_meet(world: World) -> None:
    key = {"Idempotency-Key": "k"}
    assert (await world.client().post("/api/v1/sinks/crm/pause", headers=key)).status_code == 200
    assert (await world.client("operate").post("/api/v1/sinks/crm/resume", headers=key)).status_code == 200


async def test_running_request_is_in_progress_until_it_is_given_up(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "k"}
    await client.post("/api/v1/sinks/crm/pause", headers=key)

    def unanswered(session: Any) -> None:
        row = idempotency.get(session, _token_id(world), "k")
        assert row is not None
        row.status = None

    world.change(unanswered)
    check_problem(await client.post("/api/v1/sinks/crm/pause", headers=key), 409, "in-progress")
    world.clock.advance(timedelta(minutes=6))
    assert (await client.post("/api/v1/sinks/crm/pause", headers=key)).status_code == 200


async def test_failure_of_the_hub_frees_the_key(world: World) -> None:
    async def broken(*, verify: bool) -> str:
        raise RuntimeError

    client, key = world.client(), {"Idempotency-Key": "k"}
    works = world.services.rebuild
    world.using(rebuild=broken)
    client = world.client()
    answer = await client.post("/api/v1/operations", json={"kind": "rebuild"}, headers=key)
    check_problem(answer, 500, "internal")
    row = world.database.read_now(lambda session: idempotency.get(session, _token_id(world), "k"))
    assert row is None
    assert works is not None


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


async def test_admin_token_is_kept_private_and_made_anew_when_its_file_is_gone(world: World) -> None:
    database, path = world.database, world.folder / "admin.token"

    def ensure(path: Path = path, hub: str = "one") -> str:
        return database.write_now(lambda session: ensure_admin_token(session, path, hub=hub, now=NOW))

    first = ensure()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert ensure() == first
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    second = ensure()
    assert second != first
    valid = [database.read_now(lambda session, s=s: tokens.authenticate(session, s)) for s in (first, second)]
    assert valid[0] is None
    assert valid[1] is not None
    token_id = valid[1].token_id
    database.write_now(lambda session: tokens.revoke(session, token_id, now=NOW))
    assert ensure() != second


async def test_hubs_on_one_store_leave_each_other_their_admin_tokens(world: World) -> None:
    made = []
    for hub in ("one", "two"):
        path = world.folder / f"{hub}.token"
        made.append(
            world.database.write_now(
                lambda session, path=path, hub=hub: ensure_admin_token(session, path, hub=hub, now=NOW)
            )
        )
    for secret in made:
        assert world.database.read_now(lambda session, s=secret: tokens.authenticate(session, s)) is not None


REFS = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(["@last", "%", "_", "\\", "b1", "#1", "99999999999999999999", "ilse'--"]),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            "from",
            "to",
            "since",
            "until",
            "booking",
            "contact",
            "sink",
            "source",
            "type",
            "host",
            "meeting_type",
            "meeting-type",
            "state",
            "as_of",
            "limit",
            "cursor",
            "event",
        ]
    ),
    st.text(max_size=10),
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "2h",
            "9999-12-31",
            "0001-01-01",
            "2026-10-23T10:00",
            "999999999d",
            "active",
            "dead",
            "50",
            "-1",
            "e30",
            "a.e30",
            "*%_\\",
        ]
    ),
)


@on_both_databases
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ref=REFS, noun=st.sampled_from(["bookings", "contacts", "events", "inbox", "deliveries"]))
async def test_no_reference_breaks_anything(world: World, ref: str, noun: str) -> None:
    if not world.log.events:
        world.booking(provider_id="b1")
    client = _shared_client(world)
    answer = await client.get(httpx.URL("http://hub.test").copy_with(raw_path=_path(noun, ref)))
    assert answer.status_code < 500, answer.text


@on_both_databases
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(NAMES, VALUES, max_size=4),
    noun=st.sampled_from(["bookings", "contacts", "events", "inbox", "deliveries", "operations", "sinks"]),
)
async def test_no_selector_breaks_anything(world: World, query: dict[str, str], noun: str) -> None:
    if not world.log.events:
        world.booking(provider_id="b1")
    client = _shared_client(world)
    answer = await client.get(
        f"/api/v1/{noun}", params={k: v.encode("utf-8", "replace").decode() for k, v in query.items()}
    )
    assert answer.status_code < 500, answer.text
    body = {name: value for name, value in query.items() if name not in ("limit", "cursor")}
    acted = await client.post("/api/v1/deliveries/retry", content=json.dumps(body))
    assert acted.status_code < 500, acted.text


def _path(noun: str, ref: str) -> bytes:
    from urllib.parse import quote_from_bytes

    return f"/api/v1/{noun}/{quote_from_bytes(ref.encode('utf-8', 'surrogatepass'), safe='')}".encode()


_CLIENTS: dict[int, httpx.AsyncClient] = {}


def _shared_client(world: World) -> httpx.AsyncClient:
    """One token for all examples of a test."""
    if id(world) not in _CLIENTS:
        _CLIENTS.clear()
        _CLIENTS[id(world)] = world.client()
    return _CLIENTS[id(world)]
