"""The command line itself: bad usage, help, rights, and what goes wrong in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.served import bookinghub
from tests.integration.web.world import World


@pytest.mark.parametrize(
    "arguments",
    [
        ["bookings", "list", "--form", "x"],
        ["bookings", "list", "--state", "moved"],
        ["bookings", "list", "--since", "yesterday"],
        ["bookings", "list", "--limit", "0"],
        ["bookings", "show"],
        ["bookings", "frobnicate"],
        ["bookings"],
        ["doctor"],
        ["bookings", "reschedule", "b1"],
        ["sinks", "forget", "crm"],
        ["status", "--as-of", "2h"],
        ["run", "--roles", "cook"],
        ["run", "--log-format", "xml"],
        ["bookings", "list", "--offline", "--url", "http://x"],
        ["bookings", "list", "--url", "x"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_line_and_code_2(hub: World, arguments: list[str]) -> None:
    ran = bookinghub(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1, ran.err
    problem = json.loads(bookinghub(*arguments, "--json").err)
    assert problem["code"] == "invalid"


def test_what_is_planned_is_not_yet(hub: World) -> None:
    for arguments in (["replay"], ["doctor"], ["events", "export"], ["contacts", "forget", "x"]):
        assert "not yet" in bookinghub(*arguments).err


def test_help_names_no_command_that_is_not_there(hub: World) -> None:
    shown = bookinghub("--help").out
    assert "doctor" not in shown
    for noun in ("bookings", "deliveries", "config"):
        assert bookinghub(noun, "--help").code == 0


def test_scope_too_small_is_code_5(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKINGHUB_TOKEN", hub.token("read"))
    ran = bookinghub("sinks", "pause", "crm")
    assert ran.code == 5
    assert "operate" in ran.err
    monkeypatch.setenv("BOOKINGHUB_TOKEN", "wrong")
    assert bookinghub("status").code == 5


def test_missing_configuration_is_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = bookinghub("status", "--config", "none.yaml")
    assert (ran.code, "none.yaml is not there" in ran.err) == (2, True)


def test_defect_is_one_line(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr("hub.cli.status.print_status", broken)
    ran = bookinghub("status")
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "Traceback" not in ran.err


def test_version_needs_no_hub(configured: Path) -> None:
    assert bookinghub("version").code == 0
    assert set(bookinghub("version", "--json").json) == {"version"}
    assert bookinghub("config", "fields").code == 0
