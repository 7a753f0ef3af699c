"""Deliveries: chosen by selectors, tried again, dropped, and approved."""

from typing import Any

import pytest
import sqlmodel

from hub.store import sinks
from hub.store.deliveries import ASKS
from hub.store.tables import DeliveryRow
from tests.factories import at, history, snapshot
from tests.integration.web.standing import issues, settle
from tests.integration.web.world import NOW, World, keys, on_both_databases

DELIVERY_KEYS = keys("sink event_id key position state attempts due_at last_error")
ADDED_TO_DELIVERY = {
    "booking_id",
    "event_type",
    "reason",
    "outcome",
    "url",
    "created_at",
    "finished_at",
    "cause",
    "held",
}


def asking(world: World, *, sink: str = "team-chat") -> None:
    """Rows of this sink wait for a person to let them through."""

    def work(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(sink=sink)).all():
            row.state, row.changed_at = "parked", NOW
            row.error_class, row.error_message = ASKS, f"49.00 EUR would go back for {row.booking_id}"

    world.change(work)


@on_both_databases
async def test_what_waits_for_an_approval_is_an_issue_of_its_own(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "parked", sink="crm")
    asking(world)
    found = await issues(world)
    assert {code: issue["object"] for code, issue in found.items()} == {
        "booking_parked": "crm",
        "refund_waits": "team-chat",
    }
    assert "2 deliveries" in found["refund_waits"]["meaning"]
    assert found["refund_waits"]["what_to_do"].startswith("bookinghub deliveries approve --sink team-chat")


async def test_only_what_asks_is_let_through_and_only_as_it_was_shown(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "parked", sink="crm")
    asking(world)
    client, url = world.client("operate"), "/api/v1/deliveries/approve"
    assert (await client.post(url, json={})).status_code == 422
    assert (await client.post(url, json={"sink": "crm"})).json()["count"] == 0
    assert (await client.post(url, json={"sink": "team-chat", "state": "dead"})).status_code == 422
    assert (await world.client("read").post(url, json={"sink": "team-chat"})).status_code == 403
    shown = (await client.post(url, json={"sink": "team-chat", "dry_run": True})).json()
    assert (shown["count"], shown["by_sink"]) == (2, {"team-chat": {"parked": 2}})
    assert shown["items"][0]["last_error"]["message"] == "49.00 EUR would go back for b1"

    def dearer(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(sink="team-chat")).all():
            row.error_message = "98.00 EUR would go back"

    world.change(dearer)
    wanted = {"sink": "team-chat", "preview": shown["preview"]}
    assert (await client.post(url, json=wanted)).status_code == 409
    again = (await client.post(url, json={"sink": "team-chat", "dry_run": True})).json()
    done = await client.post(url, json={"sink": "team-chat", "preview": again["preview"]})
    assert done.json()["count"] == 2
    rows = world.change(lambda s: list(s.scalars(sqlmodel.select(DeliveryRow).filter_by(sink="team-chat"))))
    assert {(row.state, row.cause) for row in rows} == {("pending", "approved:operate-test")}
    assert world.woken
    assert set(await issues(world)) == {"booking_parked"}


async def test_deliveries_have_every_key_of_the_contract(world: World) -> None:
    world.booking(provider_id="b1")
    client = world.client("read")
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert set(listed[0]) == DELIVERY_KEYS | ADDED_TO_DELIVERY
    assert listed[0]["last_error"] is None
    event = listed[0]["event_id"]
    assert (await client.get(f"/api/v1/deliveries/{event}")).status_code == 409
    one = await client.get(f"/api/v1/deliveries/{event[:8]}", params={"sink": "crm"})
    assert one.json() == listed[0] | {"tries": []}
    assert (await client.get(f"/api/v1/deliveries/{event}", params={"colour": "x"})).status_code == 422

    def fail(session: Any) -> None:
        row = session.get(DeliveryRow, ("crm", event, listed[0]["key"]))
        row.error_class, row.error_message, row.error_at = "PermanentError", "400", NOW

    world.change(fail)
    failed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"][0]
    assert failed["last_error"] == {"class": "PermanentError", "message": "400", "at": "2026-10-21T12:00:00Z"}


@on_both_databases
async def test_selectors_choose_deliveries(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world, "dead", booking_id="b2", sink="crm")
    client = world.client("read")

    async def count(**query: str) -> int:
        return len((await client.get("/api/v1/deliveries", params=query)).json()["items"])

    assert await count() == 6
    assert await count(state="dead") == 1
    assert await count(booking="b1") == 3
    assert await count(sink="crm", booking="b1") == 1
    assert await count(contact="a1@kunde.example") == 6
    assert await count(type="BookingCancelled") == 0
    assert await count(**{"from": "2026-10-24"}) == 0


async def test_dead_deliveries_are_tried_again(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    shown = (await client.post("/api/v1/deliveries/retry", json={"sink": "crm", "dry_run": True})).json()
    assert set(shown) == {"count", "dry_run", "preview", "by_sink", "items"}
    assert (shown["count"], shown["by_sink"]) == (2, {"crm": {"dead": 2}})
    done = await client.post("/api/v1/deliveries/retry", json={"sink": "crm", "preview": shown["preview"]})
    assert done.json()["count"] == 2
    assert world.woken == 1
    again = await client.post("/api/v1/deliveries/retry", json={"sink": "crm"})
    assert again.json()["count"] == 0
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert {item["state"] for item in listed} == {"pending"}


@on_both_databases
async def test_what_was_shown_is_what_runs(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    shown = (await client.post("/api/v1/deliveries/drop", json={"sink": "crm", "dry_run": True})).json()
    world.booking(provider_id="b2")
    settle(world, "dead", sink="crm")
    refused = await client.post("/api/v1/deliveries/drop", json={"sink": "crm", "preview": shown["preview"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "preview-outdated")
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert {item["state"] for item in listed} == {"dead"}


async def test_dropped_deliveries_are_skipped_and_say_by_whom(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    settle(world, "dead", sink="team-calendar")
    client = world.client("operate")
    body = {"booking": "b1", "state": ["dead"], "reason": "entry is gone"}
    assert (await client.post("/api/v1/deliveries/drop", json=body)).json()["count"] == 1
    row = (await client.get("/api/v1/deliveries", params={"sink": "team-calendar"})).json()["items"][0]
    assert (row["state"], row["reason"]) == ("skipped", "dropped by operate-test: entry is gone")
    booking = (await client.get("/api/v1/bookings/b1")).json()
    assert booking["in_step"]["team-calendar"] == "drifted"


async def test_uncertain_deliveries_are_retried_only_if_named(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    settle(world, "uncertain", sink="team-chat")
    client = world.client("operate")
    assert (await client.post("/api/v1/deliveries/retry", json={"sink": "team-chat"})).json()["count"] == 0
    named = {"sink": "team-chat", "state": "uncertain"}
    assert (await client.post("/api/v1/deliveries/retry", json=named)).json()["count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dry_run": True},
        {"colour": "x"},
        {"state": "delivered"},
        {"sink": 1},
        {"sink": [["crm"]]},
        {"as_of": "2h"},
    ],
    ids=str,
)
async def test_acting_on_deliveries_needs_known_selectors(world: World, body: dict[str, Any]) -> None:
    answer = await world.client("operate").post("/api/v1/deliveries/retry", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_act_on_one_booking_honours_if_match(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    tag = (await client.get("/api/v1/bookings/b1")).headers["etag"]
    body = {"booking": "b1"}
    stale = await client.post("/api/v1/deliveries/retry", json=body, headers={"If-Match": '"99"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    unclear = await client.post("/api/v1/deliveries/retry", json={"sink": "crm"}, headers={"If-Match": tag})
    assert unclear.status_code == 422
    done = await client.post("/api/v1/deliveries/retry", json=body, headers={"If-Match": tag})
    assert done.json()["count"] == 1


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["delivered"], "in_step"),
        (["dead", "delivered"], "in_step"),
        (["delivered", "pending"], "pending"),
        (["delivered", "sending"], "pending"),
        (["covered", "parked"], "parked"),
        (["delivered", "dead"], "dead"),
        (["delivered", "uncertain"], "parked"),
        (["skipped"], "not_matched"),
        (["delivered", "skipped"], "in_step"),
    ],
    ids=str,
)
async def test_newest_row_says_whether_a_mirror_is_in_step(
    world: World, states: list[str], expected: str
) -> None:
    facts = history(*(snapshot(provider_id="b1", version=at(n), title=f"t{n}") for n in range(len(states))))
    made = world.happened(facts, recorded_at=at(5))
    assert len(made) == len(states)
    for envelope, state in zip(made, states, strict=True):
        settle(world, state, sink="team-calendar", event_id=envelope.event_id)
    booking = (await world.client().get("/api/v1/bookings/b1")).json()
    assert booking["in_step"]["team-calendar"] == expected


async def test_reactor_owes_every_row_and_a_paused_sink_says_so(world: World) -> None:
    made = world.happened(
        history(
            snapshot(provider_id="b1", version=at(0)), snapshot(provider_id="b1", version=at(1), title="x")
        ),
        recorded_at=at(5),
    )
    settle(world)
    settle(world, "dead", sink="team-chat", event_id=made[0].event_id)
    settle(world, "pending", sink="crm")
    world.change(
        lambda session: sinks.set_state(session, "crm", state="paused", reason="x", now=NOW) and None
    )
    booking = (await world.client().get("/api/v1/bookings/b1")).json()
    assert booking["in_step"] == {"team-calendar": "in_step", "team-chat": "dead", "crm": "paused"}
