"""Acts repeated under one key: answered from what is stored, and never mixed up."""

from datetime import timedelta
from typing import Any

from hub.store import idempotency, tokens
from tests.integration.web.problems import check_problem
from tests.integration.web.world import World, on_both_databases


def _token_id(world: World) -> str:
    rows = world.database.read_now(tokens.every)
    return next(row.token_id for row in rows if row.name == "admin-test")


async def test_repeated_creation_of_a_token_does_not_show_it_again(world: World) -> None:
    client, key = world.client(), {"Idempotency-Key": "k1"}
    body = {"name": "grafana", "scope": "read"}
    first = (await client.post("/api/v1/tokens", json=body, headers=key)).json()
    again = (await client.post("/api/v1/tokens", json=body, headers=key)).json()
    assert again == first | {"token": None}
    stored = world.database.read_now(lambda session: idempotency.get(session, _token_id(world), "k1"))
    assert stored is not None
    assert first["token"] not in (stored.response or "")


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
