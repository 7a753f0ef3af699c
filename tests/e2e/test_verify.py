"""`verify: fetch` of the installed hub: webhooks of the stand-in for meetergo, and its API over HTTP."""

import json
from pathlib import Path
from typing import Any

import httpx

from adapters.meetergo.simulated.company import PLATFORM_KEY
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, StandIn, at
from tests.e2e.harness import Hub, bytes_below, payload, running_hub, wait_until

COUNTER_TOKEN = "a-webhook-token-of-the-counter"


def sources_of(meetergo: StandIn, token: str) -> dict[str, Any]:
    """One source that is read back, and one that is trusted."""
    return {
        "meetergo": {
            "type": "meetergo",
            "webhook": {"token": token},
            "poll": "false",
            "backfill": "false",
            "config": {"base_url": meetergo.url, "key": PLATFORM_KEY},
        },
        "counter": {"type": "meetergo", "webhook": {"token": COUNTER_TOKEN}},
    }


def source(hub: Hub, name: str = "meetergo") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hub.cli("sources", "show", name, "--json").stdout)
    return found


def facts(hub: Hub, booking_id: str) -> list[tuple[str, str]]:
    found = hub.items("events", booking=booking_id)
    return sorted((event["type"], event["provenance"]) for event in found)


def is_known(hub: Hub, booking_id: str) -> bool:
    return any(booking["booking_id"] == booking_id for booking in hub.items("bookings"))


def test_the_provider_is_asked_and_its_refusal_stops_nobody_else(tmp_path: Path, meetergo: StandIn) -> None:
    token = "a-webhook-token-of-the-tests"
    with running_hub(tmp_path, sources=sources_of(meetergo, token)) as hub:
        assert [source(hub, name)["verify"] for name in ("meetergo", "counter")] == ["fetch", "trust"]
        endpoint = {"endpoint": hub.door, "eventTypes": list(BOOKING_EVENTS)}
        meetergo.send("POST", "/webhooks", **endpoint).raise_for_status()

        booked = meetergo.book(at(27, 9))["id"]
        meetergo.deliver(everything=True)
        hub.settle()
        secret = json.loads(meetergo.raw(f"/v4/appointment/{booked}").content)["secret"]
        forged = payload("booking_created.flat") | {"id": booked, "title": "forged", "isCancelled": True}
        assert hub.post(forged).json()["status"] == "accepted"
        wait_until(lambda: hub.api("status")["inbox"]["dirty"] == 1, what="a hint nobody confirms")
        assert facts(hub, booked) == [("BookingCreated", "webhook")]
        meetergo.cancel(booked, by="attendee")
        meetergo.deliver(everything=True)
        hub.settle()
        assert [kind for kind, _ in facts(hub, booked)] == ["BookingCancelled", "BookingCreated"]

        meetergo.ask("POST", "/_keys", token=PLATFORM_KEY, expires_at=at(1, 0).isoformat())
        late = meetergo.book(at(28, 9), who="Jon")["id"]
        meetergo.deliver(everything=True)
        wait_until(lambda: source(hub)["state"] == "auth_failed", what="the pause")
        assert "source_auth_failed" in hub.cli("issues", "list").stdout
        assert httpx.get(f"{hub.url}/readyz", timeout=60).status_code == 200
        counter = f"{hub.url}/webhooks/counter/{COUNTER_TOKEN}"
        trusted = payload("booking_created.flat")
        assert httpx.post(counter, json=trusted, timeout=60).status_code == 200
        wait_until(lambda: is_known(hub, trusted["id"]), what="the trusted booking")
        refused = hub.cli("sources", "resume", "meetergo", check=False)
        assert (refused.returncode, "401" in refused.stderr) == (1, True)

        meetergo.ask("POST", "/_keys", token=PLATFORM_KEY)
        hub.cli("sources", "resume", "meetergo")
        hub.settle()
        assert facts(hub, late) == [("BookingCreated", "webhook")]
        assert source(hub)["state"] == "running"

        hub.cli("sources", "pause", "meetergo", "--reason", "a new key")
        paused = meetergo.book(at(29, 9), who="Berit")["id"]
        meetergo.deliver(everything=True)
        hub.kill()
        hub.start()
        wait_until(lambda: hub.api("status")["inbox"]["dirty"] == 1, what="the mark of what came meanwhile")
        assert source(hub)["state"] == "paused"
        hub.cli("sources", "resume", "meetergo")
        hub.settle()
        assert facts(hub, paused) == [("BookingCreated", "webhook")]
        hub.terminate()
        telling = [path for path, content in bytes_below(tmp_path) if secret.encode() in content]
        assert telling == []
        telling = [path for path, content in bytes_below(tmp_path) if PLATFORM_KEY.encode() in content]
        assert telling == [hub.config]
