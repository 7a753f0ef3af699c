"""Who may: scopes, tokens made and revoked, the admin token of a data folder."""

from pathlib import Path
from typing import Any

import pytest

from hub.store import tokens
from hub.web.auth import ensure_admin_token
from tests.integration.web.problems import check_problem
from tests.integration.web.world import NOW, World

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
