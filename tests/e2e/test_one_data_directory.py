"""One hub and one nats-server per data directory, whatever was killed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Hub, free_port, is_alive, payload, running_hub, wait_until


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running_hub(tmp_path) as running:
        yield running


def test_a_second_hub_is_refused_in_one_line(hub: Hub) -> None:
    hub.post(payload("booking_created.flat"))
    refused = hub.cli("run", "--listen", f"127.0.0.1:{free_port()}", check=False)
    assert refused.returncode == 2
    (line,) = refused.stderr.strip().splitlines()
    assert hub.process is not None
    assert str(hub.process.pid) in line
    assert hub.url in line
    hub.settle()
    assert len(hub.items("events")) == 1


def test_an_orphaned_server_is_adopted_not_doubled(hub: Hub) -> None:
    hub.post(payload("booking_created.flat"))
    orphan = hub.nats_pid()
    hub.kill()
    assert is_alive(orphan)
    hub.start()
    assert hub.nats_pid() == orphan
    hub.settle()
    assert [event["type"] for event in hub.items("events")] == ["BookingCreated"]
    hub.terminate()
    assert not is_alive(orphan)


def test_a_dead_server_is_restarted_and_webhooks_wait_for_it(hub: Hub) -> None:
    before = hub.nats_pid()
    hub.kill_nats()
    answer = hub.post(payload("booking_created.flat"))
    assert answer.status_code == 200
    assert hub.nats_pid() != before
    hub.settle()
    assert len(hub.items("events")) == 1


def test_a_torn_tail_diverges_and_nothing_is_skipped(hub: Hub) -> None:
    """The newest block of the log loses its end, as on a disk that lied about a flush."""
    for name in ("booking_created.flat", "booking_rescheduled.flat", "booking_cancelled.flat"):
        hub.post(payload(name))
        hub.settle()
    facts = sorted((e["position"], e["event_id"]) for e in hub.items("events"))
    tear_tail(hub, "HUB_EVENTS", by=600)
    hub.start()
    hub.settle()
    assert sorted((e["position"], e["event_id"]) for e in hub.items("events")) == facts
    assert hub.api("status")["log"]["diverged_at"] is not None
    assert "log_diverged" in hub.errors.read_text()
    assert "log_diverged" in {issue["code"] for issue in hub.items("issues")}
    (booking,) = hub.items("bookings")
    assert booking["status"] == "cancelled"


def test_the_only_event_is_torn_away_and_comes_back(hub: Hub) -> None:
    """Nothing is left that both sides agree on, so every receipt is looked at again."""
    hub.post(payload("booking_created.flat"))
    hub.settle()
    facts = [(e["position"], e["event_id"]) for e in hub.items("events")]
    tear_tail(hub, "HUB_EVENTS", by=100)
    hub.start()
    hub.settle()
    assert [(e["position"], e["event_id"]) for e in hub.items("events")] == facts
    assert hub.api("status")["log"]["diverged_at"] is not None


def test_receipts_after_a_torn_inbox_are_worked(hub: Hub) -> None:
    """Their places in HUB_INBOX were taken before, by receipts that are gone and acknowledged."""
    for number in range(5):
        hub.post(payload("booking_created.flat") | {"id": f"before-{number}"})
    hub.settle()
    tear_tail(hub, "HUB_INBOX", by=3000)
    hub.start()
    for number in range(3):
        hub.post(payload("booking_created.flat") | {"id": f"after-{number}"})
    hub.settle()
    wanted = {f"before-{number}" for number in range(5)} | {f"after-{number}" for number in range(3)}
    assert {booking["booking_id"] for booking in hub.items("bookings")} == wanted


def tear_tail(hub: Hub, stream: str, *, by: int) -> None:
    """End both processes and cut off the end of the stream's newest block."""
    hub.kill()
    server = hub.nats_pid()
    hub.kill_nats()
    wait_until(lambda: not is_alive(server))
    blocks = (hub.data / "nats").rglob(f"{stream}/msgs/*.blk")
    newest = max(blocks, key=lambda path: int(path.stem))
    os.truncate(newest, newest.stat().st_size - by)
