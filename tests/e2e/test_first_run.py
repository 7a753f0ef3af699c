"""What a newcomer sees: a hub without an account, sample webhooks, the story of a booking."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.harness import PAYLOADS, Hub, running_hub

Steps = list[tuple[str, list[str], str]]
"""Samples, the facts that came of each, and what was answered."""

STEPS: Steps = [
    ("booking_created.flat", ["BookingCreated"], "accepted"),
    ("booking_created.wrapped", [], "duplicate"),
    ("booking_rescheduled.flat", ["BookingRescheduled"], "accepted"),
    ("booking_rescheduled.wrapped", [], "duplicate"),
    ("booking_cancelled.flat", ["BookingCancelled"], "accepted"),
    ("booking_cancelled.wrapped", [], "duplicate"),
    ("booking_cancelled.cancelledAt_variant.flat", [], "accepted"),
    ("booking_created.group_first_attendee.flat", ["BookingCreated"], "accepted"),
    ("booking_created.group_further_attendees.flat", ["AttendeeAdded", "AttendeeAdded"], "accepted"),
    ("booking_cancelled.group_attendee_removed.flat", ["AttendeeRemoved"], "accepted"),
    ("booking_created.phone_only.flat", ["BookingCreated"], "accepted"),
    ("booking_cancelled.superseded.flat", ["BookingCreated", "BookingCancelled"], "accepted"),
    (
        "booking_created.replacement_with_link.flat",
        ["BookingContinues", "BookingRescheduled"],
        "accepted",
    ),
    ("new_employee.minimal.flat", [], "ignored"),
    ("form_submission.minimal.flat", [], "ignored"),
    ("unknown_type.flat", [], "quarantined"),
    ("malformed.no_type", [], "quarantined"),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Steps]]:
    """A hub that was sent every sample, and what came of each; no test needs one before it."""
    with running_hub(tmp_path_factory.mktemp("first")) as running:
        steps, known = [], 0
        for name, _, _ in STEPS:
            sent = running.cli("inbox", "send", str(PAYLOADS / f"webhook_{name}.json"), "--json")
            running.settle()
            events = sorted(running.items("events"), key=lambda event: event["position"])
            steps.append(
                (name, [event["type"] for event in events[known:]], json.loads(sent.stdout)["status"])
            )
            known = len(events)
        yield running, steps


@pytest.fixture
def hub(filled: tuple[Hub, Steps]) -> Hub:
    return filled[0]


def test_every_sample_gives_its_facts_and_its_status(filled: tuple[Hub, Steps]) -> None:
    assert filled[1] == STEPS


def test_the_story_of_a_booking_is_told(hub: Hub) -> None:
    told = hub.cli("why", "ilse").stdout
    assert "Ilse Brandvold" in told
    for part in ("BookingCreated", "BookingRescheduled", "BookingCancelled", "duplicate"):
        assert part in told
    story = json.loads(hub.cli("why", "6f1c2d", "--json").stdout)
    assert set(story) == {"booking", "inbox", "events", "deliveries", "targets", "pending", "no_match"}
    assert story["booking"]["status"] == "cancelled"
    assert story["pending"] == []


def test_a_replacement_is_one_booking(hub: Hub) -> None:
    (booking,) = [b for b in hub.items("bookings") if b["booking_id"].startswith("74e2d0c9")]
    assert [provider_id[:8] for provider_id in booking["provider_ids"]] == ["74e2d0c9", "9c0b1a2d"]
    assert booking["status"] == "active"
    assert json.loads(hub.cli("bookings", "show", "9c0b1a", "--json").stdout) == booking


def test_contacts_are_counted(hub: Hub) -> None:
    (ilse,) = [c for c in hub.items("contacts") if c["email"] == "ilse.brandvold@kunde.example"]
    assert (ilse["booking_count"], ilse["reschedule_count"], ilse["cancellation_count"]) == (1, 1, 1)


def test_health_and_metrics_answer_without_a_token(hub: Hub) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert httpx.get(hub.url + path).status_code == 200
    assert httpx.get(f"{hub.url}/api/v1/status").status_code == 401


def test_a_rebuild_changes_nothing_a_reader_sees(hub: Hub) -> None:
    before = (hub.items("bookings"), hub.items("contacts"), hub.items("events"))
    assert hub.cli("rebuild", "--yes").returncode == 0
    assert (hub.items("bookings"), hub.items("contacts"), hub.items("events")) == before
    assert hub.cli("rebuild", "--verify").returncode == 0


def test_a_stopped_hub_can_be_read_offline_and_leaves_nothing_running(hub: Hub, tmp_path: Path) -> None:
    pid = hub.nats_pid()
    assert hub.cli("stop").returncode == 0
    assert hub.process is not None
    assert hub.process.wait(timeout=60) == 0
    hub.process = None
    assert not Path(f"/proc/{pid}").exists()
    assert hub.cli("status", check=False).returncode == 5
    offline = json.loads(hub.cli("status", "--offline", "--json").stdout)
    assert offline["log"]["events"] == sum(len(facts) for _, facts, _ in STEPS)
    assert hub.cli("rebuild", "--offline", "--yes").returncode == 0
    hub.start()
    hub.settle()
