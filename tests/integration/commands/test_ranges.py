"""Many bookings cancelled at once: shown and counted first, then one by one, what failed is listed."""

from typing import Any

import pytest

from tests.contract.meetergo.stand_in import DENIZ, MARA, at
from tests.integration.commands.world import World

WEEK: dict[str, Any] = {"host": MARA, "from": "2026-10-26", "to": "2026-10-30"}


async def filled(world: World, count: int = 3) -> list[str]:
    """So many bookings of one host in the week, and others beside them."""
    made = [
        world.meetergo.book(at(26 + number // 6, 8 + number % 6), who=f"Guest{number}")["id"]
        for number in range(count)
    ]
    world.meetergo.book(at(27, 10), kind="sprechstunde-gruppe")
    late = world.meetergo.book(at(31, 9), who="Late")["id"]
    for one in [*made, late, *[key for key in world.meetergo.objects() if key not in (*made, late)]]:
        await world.known(one)
    return made


async def begun(world: World, **more: Any) -> dict[str, Any]:
    await world.caught_up()
    answer = await world.client.post("/bookings/cancel-range", json=WEEK | more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/operations/{answer.json()['operation_id']}"
    row = await world.operation(answer.json()["operation_id"])
    return {"state": row.state, "done": row.done, "failed": row.failed, **row.detail}


async def shown(world: World, **more: Any) -> dict[str, Any]:
    await world.caught_up()
    answer = await world.client.post("/bookings/cancel-range", json=WEEK | {"dry_run": True} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_exactly_the_hosts_bookings_of_the_span_are_cancelled(world: World) -> None:
    chosen = await filled(world)
    preview = await shown(world)
    assert [item["booking_id"] for item in preview["items"]] == chosen
    assert (preview["count"], preview["groups"], preview["mails"]) == (3, 0, 3)
    assert "cancel" not in world.meetergo.made()
    ended = await begun(world, reason="Host krank", preview=preview["preview"])
    assert (ended["state"], ended["done"], ended["counts"]) == ("done", 3, {"done": 3})
    cancelled = {name for name, one in world.meetergo.objects().items() if one["cancelled"]}
    assert cancelled == set(chosen)
    assert (await world.booking(chosen[0]))["cancel"]["reason"] == "Host krank"
    assert (await shown(world))["count"] == 0


async def test_a_group_in_it_is_cancelled_for_everybody(world: World) -> None:
    await filled(world, 0)
    preview = await shown(world, host="deniz.aksoy@studio.example")
    assert (preview["count"], preview["groups"]) == (1, 1)
    assert (await begun(world, host=DENIZ))["state"] == "done"


async def test_what_failed_is_listed_and_running_it_again_goes_on(world: World) -> None:
    chosen = await filled(world)
    world.meetergo.fault(kind="status", status=403, on="cancel")
    ended = await begun(world)
    assert (ended["state"], ended["done"], ended["failed"]) == ("partly", 2, 1)
    assert [item["result"] for item in ended["items"]] == ["provider-refused", "done", "done"]
    assert all(item["start"].endswith(":00Z") for item in ended["items"])
    again = await begun(world)
    assert (again["state"], again["counts"]) == ("done", {"done": 1})
    assert [item["booking_id"] for item in again["items"]] == chosen[:1]


async def test_what_was_cancelled_meanwhile_is_no_failure(world: World) -> None:
    chosen = await filled(world)
    world.meetergo.cancel(chosen[1])
    ended = await begun(world)
    assert (ended["state"], ended["counts"]) == ("done", {"done": 2, "already-cancelled": 1})


async def test_more_than_twenty_have_to_be_counted(world: World) -> None:
    await filled(world, 21)
    refused = await world.client.post("/bookings/cancel-range", json=WEEK | {"confirm": 20})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/confirm")
    assert "21 bookings" in refused.json()["detail"]
    assert (await begun(world, confirm=21))["done"] == 21


async def test_other_bookings_than_were_shown_are_not_cancelled(world: World) -> None:
    await filled(world)
    preview = await shown(world)
    await world.known(world.meetergo.book(at(29, 9), who="New")["id"])
    await world.caught_up()
    answer = await world.client.post("/bookings/cancel-range", json=WEEK | {"preview": preview["preview"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "preview-outdated")


@pytest.mark.parametrize("left_out", ["host", "from", "to"])
async def test_nothing_is_chosen_by_leaving_something_out(world: World, left_out: str) -> None:
    body = {name: value for name, value in WEEK.items() if name != left_out}
    answer = await world.client.post("/bookings/cancel-range", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{left_out}")
