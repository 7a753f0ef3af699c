"""Asking a source, by the installed hub: history over a kill, a lost webhook, our address at the provider."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.meetergo.simulated.company import PERSONAL_TOKEN
from adapters.testing import SimulatorServer
from tests.contract.meetergo.stand_in import StandIn
from tests.e2e.harness import WEBHOOK_TOKEN, Hub, wait_until

MONTHS = range(-2, 11)
LISTS_OF_MONTHS = 16


@pytest.fixture
def meetergo(meetergo_server: SimulatorServer) -> StandIn:
    return StandIn(meetergo_server, clock=lambda: datetime.now(UTC))


@pytest.fixture
def hub(tmp_path: Path, meetergo: StandIn) -> Iterator[Hub]:
    """A hub that knows nothing yet and was not started."""
    hub = Hub(tmp_path)
    content = json.loads(hub.config.read_text())
    content["hub"]["public_url"] = hub.url
    content["sources"]["meetergo"] = {
        "type": "meetergo",
        "webhook": {"token": WEBHOOK_TOKEN},
        "config": {"base_url": meetergo.url, "key": PERSONAL_TOKEN},
    }
    hub.config.write_text(json.dumps(content))
    yield hub
    hub.close()


def source(hub: Hub) -> dict[str, Any]:
    found: dict[str, Any] = hub.api("sources/meetergo")
    return found


def addresses(meetergo: StandIn) -> list[str]:
    """What is registered at the provider."""
    return [one["endpoint"] for one in meetergo.ask("GET", "/_state")["subscriptions"]]


def is_read(hub: Hub) -> bool:
    backfill = source(hub)["backfill"]
    return backfill is not None and backfill["state"] == "done"


def backfills(hub: Hub) -> list[dict[str, Any]]:
    return hub.items("operations", type="backfill")


def facts(hub: Hub, booking_id: str) -> list[tuple[str, str]]:
    return sorted((event["type"], event["provenance"]) for event in hub.items("events", booking=booking_id))


def test_a_source_is_asked_for_what_it_does_not_tell(hub: Hub, meetergo: StandIn) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    booked = [meetergo.book(now + timedelta(days=30 * month, hours=1))["id"] for month in MONTHS]
    meetergo.switch(lost=1.0)
    meetergo.fault(kind="delay", on="appointments", seconds=600, skip=3, times=None)
    meetergo.deliver(everything=True)

    hub.start()
    wait_until(lambda: any(one["done"] == 3 for one in backfills(hub)), what="three months")
    hub.kill()
    meetergo.restore()
    hub.start()
    wait_until(lambda: is_read(hub), what="the history")
    assert meetergo.made().count("appointments") <= LISTS_OF_MONTHS + 4, "the months read before stay read"
    hub.settle()
    assert [facts(hub, one) for one in booked] == [[("BookingCreated", "backfill")]] * len(booked)
    assert {one["state"] for one in hub.items("deliveries", sink="console")} == {"skipped"}
    assert sorted(one["state"] for one in backfills(hub)) == ["done", "stopped"]

    connected = hub.cli("sources", "connect", "meetergo")
    assert WEBHOOK_TOKEN not in connected.stdout + connected.stderr
    assert addresses(meetergo) == [hub.door]
    hub.cli("sources", "connect", "meetergo")
    assert addresses(meetergo) == [hub.door]
    assert source(hub)["registered"]

    meetergo.switch(lost=0.0)
    meetergo.move(booked[4], now + timedelta(days=20))
    meetergo.deliver(everything=True)
    hub.settle()
    meetergo.switch(lost=1.0)
    meetergo.move(booked[5], now + timedelta(days=21))
    meetergo.deliver(everything=True)
    polled = hub.cli("sources", "poll", "meetergo")
    assert "1 fact" in polled.stderr
    hub.settle()
    assert facts(hub, booked[4])[-1] == ("BookingRescheduled", "webhook")
    assert facts(hub, booked[5])[-1] == ("BookingRescheduled", "poll")
    assert "webhooks lost: 1 of 2" in hub.cli("sources", "show", "meetergo").stdout

    day = f"{now - timedelta(days=61):%Y-%m-%d}"
    again = hub.cli("sources", "backfill", "meetergo", "--from", day, "--to", f"{now:%Y-%m-%d}", "--json")
    operation = json.loads(again.stdout)
    assert (operation["state"], operation["detail"]["facts"]) == ("done", 0)
    watched = hub.cli("operations", "watch", operation["operation_id"], "--json")
    assert json.loads(watched.stdout)["operation_id"] == operation["operation_id"]

    refused = hub.cli("sources", "disconnect", "meetergo", check=False)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    hub.cli("sources", "disconnect", "meetergo", "--yes")
    assert addresses(meetergo) == []
    assert "webhook_not_registered" in hub.cli("issues", "list").stdout
