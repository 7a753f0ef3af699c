"""A changed file: told first, then in effect, by command, signal or restart; held if it takes too much."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import CalendarStandIn, Hub, calendar_stand_in, running_hub, wait_until
from tests.e2e.life import Life

BOOKINGS = 37
READS = ("get", "list", "calendar")


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[CalendarStandIn]:
    with calendar_stand_in(tmp_path) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path, calendar: CalendarStandIn) -> Iterator[Hub]:
    with running_hub(tmp_path, sinks={"team-calendar": calendar.sink}) as running:
        yield running


def rewrite(hub: Hub, **sinks: Any) -> None:
    """The file with these sinks."""
    content = json.loads(hub.config.read_text())
    hub.config.write_text(json.dumps(content | {"sinks": sinks}))


def booked(hub: Hub, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        assert hub.post(Life(number, random.Random(number)).created()).status_code == 200


def sink_state(hub: Hub) -> str:
    state: str = hub.api("status")["sinks"]["team-calendar"]["state"]
    return state


def issue_codes(hub: Hub) -> set[str]:
    return {issue["code"] for issue in hub.items("issues")}


def test_an_edit_that_would_remove_37_entries_is_held_and_says_so(
    hub: Hub, calendar: CalendarStandIn
) -> None:
    booked(hub, BOOKINGS)
    hub.settle()
    assert len(calendar.entries()) == BOOKINGS
    rewrite(hub, **{"team-calendar": calendar.sink | {"match": {"meeting_type": "vor-ort-*"}}})

    told = hub.cli("config", "diff").stdout
    effect = (
        "team-calendar: match changed: 37 bookings leave; the guard holds 37, see: "
        "bookinghub sinks resume team-calendar --dry-run"
    )
    assert effect in told.splitlines()
    refused = hub.cli("config", "reload", check=False)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert hub.cli("config", "reload", "--yes").returncode == 0
    assert sink_state(hub) == "held"
    assert len(calendar.entries()) == BOOKINGS
    assert "guard_held" in issue_codes(hub)
    assert effect in hub.errors.read_text()
    hub.post(Life(3, random.Random(1)).cancelled())
    wait_until(lambda: len(calendar.entries()) == BOOKINGS - 1, what="the cancellation")

    shown = hub.cli("sinks", "resume", "team-calendar", "--dry-run")
    assert "36 to remove, 0 to change" in shown.stderr
    assert hub.cli("sinks", "resume", "team-calendar", "--confirm", "35", check=False).returncode == 2
    hub.cli("sinks", "resume", "team-calendar", "--confirm", "36")
    hub.settle()
    assert calendar.entries() == []
    assert sink_state(hub) == "running"
    why = hub.cli("why", Life(5, random.Random(5)).booking_id).stdout
    assert "team-calendar – (no match: meeting_type is demo, team-calendar wants vor-ort-*)" in why  # noqa: RUF001


def test_a_change_is_noticed_at_a_restart_too(hub: Hub, calendar: CalendarStandIn) -> None:
    booked(hub, 3)
    hub.settle()
    preview = ("sinks", "preview", "team-calendar", "--booking", "ada1", "--json")
    shown = json.loads(hub.cli(*preview).stdout)
    assert shown["parts"][0]["object"]["summary"].startswith("Demo")
    hub.terminate()

    titled = calendar.sink
    titled["config"] = titled["config"] | {"event": {"title": "Meeting"}}
    rewrite(hub, **{"team-calendar": titled})
    before = len(calendar.calls())
    offline = json.loads(hub.cli(*preview, "--offline").stdout)
    assert offline["parts"][0]["object"]["summary"] == "Meeting"
    assert len(calendar.calls()) == before

    hub.start()
    hub.settle()
    assert {entry["summary"] for entry in calendar.entries()} == {"Meeting"}
    assert "config.event.title changed: 3 bookings are written again" in hub.errors.read_text()
    written = [call["call"] for call in calendar.calls()[before:] if call["call"] not in READS]
    assert written == ["update"] * 3
    hub.terminate()
    hub.start()
    hub.settle()
    assert [call["call"] for call in calendar.calls()[before:] if call["call"] not in READS] == written


@pytest.mark.parametrize("by", ["signal", "command"])
def test_a_reload_waits_for_no_target_that_hangs(hub: Hub, calendar: CalendarStandIn, by: str) -> None:
    calendar.fault(kind="delay", seconds=600, on="insert", times=None)
    booked(hub, 1)
    wait_until(lambda: hub.api("status")["sinks"]["team-calendar"]["in_flight"] == 1, what="a call under way")
    rewrite(
        hub,
        **{"team-calendar": calendar.sink | {"grace": "2s"}, "console": {"type": "console_log"}},
    )
    assert hub.process is not None
    if by == "signal":
        os.kill(hub.process.pid, signal.SIGHUP)
    else:
        hub.cli("config", "reload", "--yes")
    wait_until(lambda: "console" in hub.api("status")["sinks"], what="the new sink")
    booked(hub, 1, first=1)
    wait_until(lambda: hub.api("status")["sinks"]["console"]["last_success_at"], what="the console's line")
    assert calendar.entries() == []
    calendar.heal()
    hub.settle()
    assert len(calendar.entries()) == 2
    assert "BookingCreated" in hub.output.read_text()


def test_a_file_that_cannot_be_used_changes_nothing(hub: Hub, calendar: CalendarStandIn) -> None:
    sound = hub.config.read_text()
    rewrite(hub, **{"team-calendar": calendar.sink | {"mach": {"host": "x"}}})
    assert hub.process is not None
    os.kill(hub.process.pid, signal.SIGHUP)
    wait_until(lambda: "reload_failed" in issue_codes(hub), what="the issue")
    refused = hub.cli("config", "reload", "--yes", check=False)
    assert refused.returncode == 2
    assert "unknown key; did you mean match?" in refused.stderr
    booked(hub, 1)
    hub.settle()
    assert len(calendar.entries()) == 1
    hub.config.write_text(sound)
    assert "the files say what is in effect" in hub.cli("config", "diff").stdout
    hub.cli("config", "reload")
    assert "reload_failed" not in issue_codes(hub)


def test_tokens_and_names_follow_and_the_address_waits_for_a_restart(
    hub: Hub, calendar: CalendarStandIn
) -> None:
    booked(hub, 2)
    hub.settle()
    content = json.loads(hub.config.read_text())
    content["sources"]["meetergo"]["webhook"]["token"] = "another-token-of-the-tests"
    content["http"]["listen"] = f"127.0.0.1:{hub.port + 1}"
    content["sinks"] = {"calendar-of-all": calendar.sink | {"renamed_from": "team-calendar"}}
    hub.config.write_text(json.dumps(content))
    told = hub.cli("config", "reload", "--url", hub.url).stdout
    assert "calendar-of-all: renamed from team-calendar: nothing changes at the target" in told
    assert "(at the next start)" in told
    assert hub.post({}).status_code == 404
    assert set(hub.api("status")["sinks"]) == {"calendar-of-all"}
    assert {row["sink"] for row in hub.items("deliveries")} == {"calendar-of-all"}
    assert "sink_orphaned" not in issue_codes(hub)
    assert len(calendar.entries()) == 2


def test_another_calendar_leaves_the_entries_of_the_former_and_says_so(
    hub: Hub, calendar: CalendarStandIn
) -> None:
    booked(hub, 2)
    hub.settle()
    moved = calendar.sink
    moved["config"] = moved["config"] | {"calendar": "other@group.calendar.google.com"}
    rewrite(hub, **{"team-calendar": moved})
    told = hub.cli("config", "reload", "--yes").stdout
    assert "2 bookings enter; 2 objects stay at the former target" in told
    hub.settle()
    assert len(calendar.entries()) == 2
    assert "sink_orphaned" in issue_codes(hub)
    rewrite(hub)
    hub.cli("config", "reload", "--yes")
    assert hub.cli("sinks", "forget", "team-calendar", check=False).returncode == 2
    hub.cli("sinks", "forget", "team-calendar", "--confirm", "team-calendar")
    assert "sink_orphaned" not in issue_codes(hub)
    assert hub.items("deliveries") == []
    assert len(calendar.entries()) == 2
