"""Projections, and rebuilding them."""

from datetime import timedelta

from hub.store import operations
from tests.integration.web.world import NOW, World, keys, on_both_databases


async def test_projections_name_their_version(world: World) -> None:
    world.booking(provider_id="b1")
    listed = (await world.client("read").get("/api/v1/projections")).json()["items"]
    assert {item["name"] for item in listed} == {"bookings", "attendees", "contacts", "timeline"}
    assert set(listed[0]) == {"name", "version", "position", "lag_events", "lag_seconds", "generation"}
    one = (await world.client("read").get("/api/v1/projections/bookings")).json()
    assert (one["position"], one["version"]) == (1, "1")


@on_both_databases
async def test_rebuild_is_an_operation(world: World) -> None:
    client = world.client("operate")
    begun = await client.post("/api/v1/operations", json={"kind": "rebuild", "verify": True})
    assert begun.status_code == 202
    shown = (await client.get(begun.headers["location"])).json()
    assert set(shown) == keys(
        """
        operation_id kind state done failed total rate_per_second started_at finished_at detail
    """
    )
    assert (shown["kind"], shown["state"], shown["detail"]) == ("rebuild", "running", {"verify": True})
    world.change(
        lambda s: (
            operations.finish(s, shown["operation_id"], state="done", now=NOW + timedelta(seconds=2)) and None
        )
    )
    listed = (await client.get("/api/v1/operations", params={"state": "done"})).json()["items"]
    assert [item["operation_id"] for item in listed] == [shown["operation_id"]]
    for body in (
        {"kind": "nonsense"},
        {"kind": "rebuild", "projections": ["x"]},
        {"kind": "rebuild", "x": 1},
    ):
        assert (await client.post("/api/v1/operations", json=body)).status_code == 422
