"""Sinks and sources: paused, resumed, prepared."""

import pytest

from adapters.errors import AuthError
from hub.store import sources
from tests.integration.cli.served import bookinghub
from tests.integration.web.world import NOW, World


def test_sink_is_paused_and_resumed(hub: World) -> None:
    assert bookinghub("sinks", "pause", "crm", "--dry-run").code == 0
    assert bookinghub("sinks", "show", "crm", "--json").json["state"] == "running"
    assert bookinghub("sinks", "pause", "crm", "--reason", "holiday").code == 0
    assert "holiday" in bookinghub("sinks", "list").out
    assert bookinghub("sinks", "resume", "crm", "--json").json["state"] == "running"


def test_source_is_paused_and_resumed(hub: World) -> None:
    hub.change(lambda session: sources.see(session, "meetergo", type="meetergo", now=NOW) and None)
    would = bookinghub("sources", "pause", "meetergo", "--dry-run")
    assert (would.code, would.err) == (0, "meetergo would be paused\n")
    assert bookinghub("sources", "pause", "meetergo", "--reason", "a new key").code == 0
    assert "a new key" in bookinghub("sources", "list").out
    assert "sources resume meetergo" in bookinghub("issues", "list").out
    ran = bookinghub("sources", "resume", "meetergo", "--json")
    assert (ran.json["state"], ran.json["reason"]) == ("running", None)
    assert bookinghub("sources", "resume", "other").code == 1


@pytest.mark.parametrize("verb", ["poll", "backfill"])
@pytest.mark.usefixtures("hub")
def test_a_dry_run_of_asking_knows_its_source(verb: str) -> None:
    would = bookinghub("sources", verb, "meetergo", "--dry-run")
    assert (would.code, would.out) == (0, "")
    assert "nothing is written at the provider" in would.err
    as_json = bookinghub("sources", verb, "meetergo", "--dry-run", "--json")
    assert (as_json.json, as_json.err) == ({"source": "meetergo", "dry_run": True}, "")
    assert bookinghub("sources", verb, "other", "--dry-run").code == 1


def test_a_target_is_prepared(hub: World) -> None:
    tried = bookinghub("sinks", "prepare", "crm", "--dry-run")
    assert (tried.code, tried.out.split()) == (0, ["made", "crm.hub_contact", "(string)"])
    assert "would be made" in tried.err
    done = bookinghub("sinks", "prepare", "crm", "--json")
    assert done.json == {"name": "crm", "made": ["crm.hub_contact (string)"], "dry_run": False}
    again = bookinghub("sinks", "prepare", "crm")
    assert (again.code, again.out, again.err) == (0, "", "crm has all it needs\n")
    hub.refusal = AuthError("401 the token has expired")
    refused = bookinghub("sinks", "prepare", "crm")
    assert refused.code == 1
    assert "401 the token has expired" in refused.err
