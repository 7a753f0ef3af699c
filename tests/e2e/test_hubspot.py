"""A CRM from nothing: the sink says what is missing, one command makes it, then the numbers appear."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.hubspot.simulator import TOKEN, config, create_app
from adapters.testing import SimulatedSide, SimulatorServer
from tests.e2e.harness import bytes_below, payload, running_hub, wait_until

MAIL = "ilse.brandvold@kunde.example"


@pytest.fixture
def account() -> Iterator[SimulatedSide]:
    """An account that nobody has prepared."""
    server = SimulatorServer(create_app())
    server.start()
    yield SimulatedSide(server, create_app(tokens=[TOKEN], prepare=False))
    server.stop()


def contacts(account: SimulatedSide) -> list[dict[str, Any]]:
    return list(account.objects().values())


def test_a_crm_is_prepared_and_then_shows_the_numbers(account: SimulatedSide, tmp_path: Path) -> None:
    sinks = {"crm": {"type": "hubspot", "config": config(account.url)}}
    with running_hub(tmp_path / "hub", sinks=sinks) as hub:
        assert hub.post(payload("booking_created.flat")).status_code == 200
        told = wait_until(lambda: hub.api("sinks/crm")["last_error"], what="the failure to open")
        assert told["message"].endswith("bookinghub sinks prepare crm")
        assert contacts(account) == []
        assert {row["state"] for row in hub.items("deliveries")} == {"pending"}

        tried = json.loads(hub.cli("sinks", "prepare", "crm", "--dry-run", "--json").stdout)
        assert "contacts.hub_no_show_count (number)" in tried["made"]
        made = json.loads(hub.cli("sinks", "prepare", "crm", "--json").stdout)
        assert made == tried | {"dry_run": False}
        assert hub.cli("sinks", "prepare", "crm").stderr == "crm has all it needs\n"

        hub.settle()
        (shown,) = contacts(account)
        assert (shown["email"], shown["hub_booking_count"]) == (MAIL, "1")
        hub.post(payload("booking_rescheduled.flat"))
        wait_until(lambda: contacts(account)[0]["hub_reschedule_count"] == "1", what="the move")
        story = json.loads(hub.cli("why", "ilse", "--json").stdout)
        assert [target["sink"] for target in story["targets"]] == ["crm"]
    for file, content in bytes_below(tmp_path):
        assert TOKEN.encode() not in content or file.name == "hub.yaml"
