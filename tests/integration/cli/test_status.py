"""Status and issues: a sentence and a table, and commands that can be pasted."""

import sys
from pathlib import Path

import pytest

from hub.store import sinks
from tests.integration.cli.served import bookinghub
from tests.integration.web.world import NOW, World


def test_status_is_a_sentence_and_a_table(hub: World) -> None:
    hub.booking(provider_id="b1")
    shown = bookinghub("status")
    assert shown.code == 0
    assert shown.out.startswith("ok  not in step: team-calendar, crm, team-chat")
    assert "team-chat" in shown.out
    assert bookinghub("status", "--json").json["log"]["last_position"] == 1
    assert bookinghub("status", "--exit-code").code == 0
    hub.change(lambda session: sinks.set_state(session, "crm", state="paused", reason="x", now=NOW))
    assert bookinghub("status", "--exit-code").code == 3
    assert "bookinghub issues list" in bookinghub("status").out
    assert bookinghub("issues", "show", "sink_paused", "--json").json["object"] == "crm"
    assert "sinks resume crm" in bookinghub("issues", "list").out


def test_commands_are_printed_as_they_can_be_pasted(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.change(lambda session: sinks.set_state(session, "crm", state="paused", reason="x", now=NOW))
    monkeypatch.setattr(sys, "argv", [str(Path(".venv/bin/bookinghub"))])
    assert (
        bookinghub("issues", "show", "sink_paused")
        .out.splitlines()[-2]
        .endswith("  .venv/bin/bookinghub sinks resume crm")
    )
    assert "  .venv/bin/bookinghub sinks resume crm" in bookinghub("issues", "list").out
    assert "try: .venv/bin/bookinghub " in bookinghub("issues", "show", "nothing").err
    shown = bookinghub("issues", "show", "sink_paused", "--json").json
    assert shown["what_to_do"] == "bookinghub sinks resume crm"
