"""Money goes back through the installed command: an hour later, approved, once, and as a fact."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.stripe_refund.simulated import Account
from adapters.stripe_refund.simulator import KEY, Stripe, config
from adapters.testing import SimulatedSide, SimulatorServer
from tests.e2e.harness import Hub, bytes_below, instant, payload, running_hub, wait_until

MAIL = "ilse.brandvold@kunde.example"
SINK = "refunds"


@pytest.fixture
def account() -> Account:
    account = Account()
    account.pay("ilse", amount=4900, email=MAIL)
    return account


@pytest.fixture
def stripe(account: Account) -> Iterator[SimulatedSide]:
    server = SimulatorServer(Stripe(account, keys=[KEY]))
    server.start()
    yield SimulatedSide(server, Stripe(account, keys=[KEY]))
    server.stop()


def test_a_cancelled_booking_is_refunded_once_a_person_has_approved(
    account: Account, stripe: SimulatedSide, tmp_path: Path
) -> None:
    settings = config(stripe.url) | {"approve_above": "20"}
    sinks = {SINK: {"type": "stripe_refund", "max_age": "36500d", "config": settings}}
    with running_hub(tmp_path / "hub", sinks=sinks) as hub:
        for name in ("booking_created.flat", "booking_cancelled.flat"):
            assert (
                hub.post(payload(name) | {"payment": {"id": "pi_ilse", "status": "paid"}}).status_code == 200
            )
        row = wait_until(lambda: cancellation(hub), what="the delivery of the cancellation")
        assert row["state"] == "pending"
        assert instant(row["due_at"]) > (datetime.now(UTC) + timedelta(minutes=55)).timestamp()

        hub.terminate()
        an_hour_passes(hub)
        hub.start()
        wait_until(lambda: cancellation(hub)["state"] == "parked", what="the question")
        (issue,) = [one for one in hub.items("issues") if one["code"] == "refund_waits"]
        assert issue["object"] == SINK
        assert account.refunds == {}

        hub.cli("deliveries", "approve", "--sink", SINK, "--confirm", "1")
        wait_until(lambda: cancellation(hub)["state"] == "delivered", what="the refund")
        hub.settle()
        (refund,) = account.refunds.values()
        assert (refund["charge"], refund["amount"]) == ("ch_ilse", 4900)
        (fact,) = [event for event in hub.items("events") if event["type"] == "BookingRefunded"]
        assert fact["provenance"] == "command"
        told = {name: fact["data"][name] for name in ("refund_id", "amount", "currency")}
        assert told == {"refund_id": refund["id"], "amount": 4900, "currency": "EUR"}
        story = hub.cli("why", "ilse").stdout
        assert "BookingRefunded" in story
        assert "refunded 49.00 EUR" in story
        assert [one["code"] for one in hub.items("issues")] == []
        hub.post(payload("booking_cancelled.flat"))
        hub.settle()
        assert len(account.refunds) == 1
    for file, content in bytes_below(tmp_path):
        assert KEY.encode() not in content or file.name == "hub.yaml"
        assert MAIL.encode() not in content or file.suffix not in (".txt", ".log")


def cancellation(hub: Hub) -> Any:
    """The delivery row of the cancellation, if there is one."""
    rows = hub.items("deliveries", sink=SINK)
    return next((row for row in rows if row["event_type"] == "BookingCancelled"), None)


def an_hour_passes(hub: Hub) -> None:
    """What waits in the store of a hub that does not run is due now."""
    with closing(sqlite3.connect(hub.data / "hub.db")) as database, database:
        changed = database.execute(
            "UPDATE deliveries SET due_at = created_at WHERE state = 'pending' AND hold = 1"
        )
        assert changed.rowcount == 1
