"""The status of the hub: every key of the contract, and zeros that mean done."""

from datetime import timedelta
from typing import Any

import pytest

from hub.errors import LogUnavailableError
from tests.factories import at, history, snapshot
from tests.integration.web.standing import settle, status
from tests.integration.web.world import NOW, World, keys, on_both_databases


async def test_status_has_every_key_of_the_contract(world: World) -> None:
    world.booking(provider_id="b1")
    shown = await status(world)
    assert set(shown) == keys("state version url started_at issues log inbox store sources sinks projections")
    assert set(shown["issues"]) == {"critical", "warning"}
    assert set(shown["log"]) == keys("mode events last_position bytes durable diverged_at")
    assert set(shown["inbox"]) == keys("waiting dirty quarantined unconfirmed")
    assert set(shown["sources"]["meetergo"]) == {"type"} | keys(
        """
        state last_webhook_at last_poll_at last_poll_ok facts_by_webhook facts_by_poll
        key_expires_at registered
    """
    )
    assert set(shown["sinks"]["crm"]) == keys(
        """
        type state wait_until probe_at lag_events lag_seconds in_flight parked dead uncertain
        out_of_step last_success_at last_error
    """
    )
    assert set(shown["projections"]) == {"bookings", "attendees", "contacts", "timeline"}
    assert set(shown["projections"]["bookings"]) == keys("position lag_events lag_seconds generation")
    assert shown["started_at"] == "2026-10-21T11:00:00Z"
    assert shown["log"] == {
        "mode": "embedded", "events": 1, "last_position": 1, "bytes": 512, "durable": True,
        "diverged_at": None,
    }  # fmt: skip


@on_both_databases
async def test_zeros_mean_done(world: World) -> None:
    world.booking(provider_id="b1")
    shown = await status(world)
    assert [sink["lag_events"] for sink in shown["sinks"].values()] == [1, 1, 1]
    assert shown["sinks"]["crm"]["out_of_step"] == 1
    settle(world)
    shown = await status(world)
    assert shown["state"] == "ok"
    assert [sink["lag_events"] for sink in shown["sinks"].values()] == [0, 0, 0]
    assert [sink["lag_seconds"] for sink in shown["sinks"].values()] == [0, 0, 0]
    assert shown["projections"]["timeline"] == {
        "position": 1,
        "lag_events": 0,
        "lag_seconds": 0,
        "generation": 1,
    }
    assert shown["sources"]["meetergo"]["facts_by_webhook"] == 1


async def test_unread_events_are_lag_of_projections_and_sinks(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    facts = history(snapshot(provider_id="b2", version=at(0)))
    world.log.events += [
        type(world.log.events[0]).from_message(
            world.log.events[0].of(facts[0], provenance="webhook").to_message(),
            position=2,
            recorded_at=NOW - timedelta(seconds=90),
        )
    ]
    shown = await status(world)
    assert shown["projections"]["bookings"]["lag_events"] == 1
    assert shown["projections"]["bookings"]["lag_seconds"] == 90
    assert shown["sinks"]["crm"]["lag_events"] == 1
    assert shown["issues"] == {"critical": 0, "warning": 1}


async def test_nothing_is_done_while_the_position_is_not_proven(world: World) -> None:
    """A log that lost its end reads as fully read until somebody compares."""
    world.booking(provider_id="b1")
    settle(world)
    world.using(position_verified=lambda: False)
    shown = await status(world)
    assert shown["projections"]["bookings"]["lag_events"] == 1
    assert shown["sinks"]["crm"]["lag_events"] == 1
    world.using(position_verified=lambda: True)
    assert (await status(world))["projections"]["bookings"]["lag_events"] == 0
    world.log.events.clear()
    assert (await status(world))["projections"]["bookings"]["lag_events"] == 1


async def test_status_reads_upstream_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moves on while the status is read must be met again further down."""
    order: list[str] = []
    read, waiting, state = world.database.read, world.inbox.waiting, world.log.state

    async def noted_waiting() -> int:
        order.append("waiting")
        return await waiting()

    async def noted_state() -> Any:
        order.append("log")
        return await state()

    async def noted_read(work: Any) -> Any:
        order.append(work.__name__)
        return await read(work)

    def noted_verified() -> bool:
        order.append("verified")
        return True

    world.using(position_verified=noted_verified)
    client = world.client("read")
    await client.get("/api/v1/status")
    order.clear()
    monkeypatch.setattr(world.inbox, "waiting", noted_waiting)
    monkeypatch.setattr(world.log, "state", noted_state)
    monkeypatch.setattr(world.database, "read", noted_read)
    await client.get("/api/v1/status")
    order = [step for step in order if step != "<lambda>"]
    assert order == ["verified", "waiting", "_read_door", "log"]


async def test_log_away_is_down_and_unknown_is_null(world: World) -> None:
    world.log.away = True
    shown = await status(world)
    assert shown["state"] == "down"
    assert shown["log"]["last_position"] is None
    assert shown["projections"]["bookings"]["lag_events"] is None
    assert shown["sinks"]["crm"]["lag_seconds"] is None


async def test_inbox_that_cannot_be_asked_is_null(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> int:
        raise LogUnavailableError("away")

    monkeypatch.setattr(world.inbox, "waiting", broken)
    assert (await status(world))["inbox"]["waiting"] is None
