"""Commands around a changed configuration, as people type them."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from hub.store import guard, receipts, sinks
from hub.store.tables import DeliveryRow, TargetReceiptRow
from tests.integration.cli.served import bookinghub, serving
from tests.integration.web.test_changes import EFFECT, FakeReload
from tests.integration.web.world import NOW, World

SINK = "team-calendar"


def hold(hub: World, count: int) -> None:
    for number in range(count):
        hub.booking(provider_id=f"b{number}")

    def work(session: Any) -> None:
        for row in session.exec(select(DeliveryRow).where(DeliveryRow.sink == SINK)):
            row.guard, row.due_at = guard.HELD, guard.UNTIL_LET_GO

    hub.change(work)


def held(hub: World) -> int:
    found = hub.change(guard.held)
    return found[SINK].count if SINK in found else 0


def test_what_the_guard_holds_is_shown_and_asked_about(hub: World) -> None:
    hold(hub, 22)
    shown = bookinghub("sinks", "resume", SINK, typed="n\n")
    assert shown.code == 0
    assert "the guard holds 22 objects: 0 to remove, 22 to change" in shown.err
    assert "and 2 more" in shown.err
    assert "nothing was done" in shown.err
    assert held(hub) == 22
    assert bookinghub("sinks", "resume", SINK).code == 2
    assert bookinghub("sinks", "resume", SINK, "--confirm", "21").code == 2
    dry = bookinghub("sinks", "resume", SINK, "--dry-run", "--json").json
    assert (dry["dry_run"], dry["waiting"]["count"], held(hub)) == (True, 22, 22)
    assert bookinghub("sinks", "resume", SINK, typed="y\n").code == 0
    assert held(hub) == 0


def test_yes_lets_go_and_a_sink_that_holds_nothing_is_not_asked_about(hub: World) -> None:
    hold(hub, 2)
    assert bookinghub("sinks", "resume", SINK, "--yes", "--json").json["held"] == 0
    assert bookinghub("sinks", "resume", SINK).code == 0


def test_forgetting_needs_the_name_typed(hub: World) -> None:
    def leave(session: Any) -> None:
        sinks.see(session, "old", type="any", start_position=0, now=NOW)
        held = TargetReceiptRow(
            sink="old", key="b1", part="", target="t", external_id="x", position=1, updated_at=NOW
        )
        receipts.put(session, held)

    hub.change(leave)
    assert "1 object stays" in bookinghub("sinks", "forget", "old", "--dry-run").err
    assert bookinghub("sinks", "forget", "old", "--yes").code == 2
    assert bookinghub("sinks", "forget", "old", typed="odl\n").code == 2
    assert hub.change(lambda session: sinks.get(session, "old")) is not None
    assert bookinghub("sinks", "forget", "old", typed="old\n").code == 0
    assert hub.change(lambda session: sinks.get(session, "old")) is None
    assert bookinghub("sinks", "forget", SINK, "--confirm", SINK).code == 2


def test_a_reload_asks_before_it_touches_targets(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reload = FakeReload()
    with serving(world.using(reload=reload)) as url:
        monkeypatch.setenv("BOOKINGHUB_URL", url)
        monkeypatch.setenv("BOOKINGHUB_TOKEN", world.token())
        told = bookinghub("config", "diff").out.splitlines()
        assert told[0] == "  http.listen  127.0.0.1:1 → 127.0.0.1:2   (at the next start)"
        assert told[-1] == EFFECT.text
        assert bookinghub("config", "reload").code == 2
        assert bookinghub("config", "reload", typed="n\n").code == 0
        assert reload.taken_over == 0
        assert bookinghub("config", "reload", "--dry-run", "--json").json["preview"] == "now"
        assert bookinghub("config", "reload", typed="y\n").code == 0
        assert bookinghub("config", "reload", "--yes", "--json").json["dry_run"] is False
        assert reload.taken_over == 2


def test_bookings_of_the_hub_are_routed_by_files_that_are_not_in_effect(hub: World, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(
        json.dumps(
            {
                "sinks": {
                    "mine": {"type": "console_log", "match": {"host": "mara@*"}},
                    "rooms": {"type": "console_log", "match": {"meeting_type": "vor-ort-*"}},
                }
            }
        )
    )
    hub.booking(provider_id="b1")
    hub.booking(provider_id="b2", hosts=())
    told = bookinghub("config", "test", "--booking", "b1", "--config", str(file)).out.splitlines()
    assert "rooms" in told[2]
    assert told[2].endswith("meeting_type is erstgespraech, rooms wants vor-ort-*")
    one = bookinghub("config", "test", "--booking", "b2", "--json", "--config", str(file)).json
    assert (one["booking_id"], one["sinks"]["mine"]["takes"]) == ("b2", False)
    everything = bookinghub("config", "test", "--all", "--config", str(file)).out.splitlines()
    assert everything == [
        "2 bookings",
        "  mine  takes 1; kept out: 1 by host",
        "  rooms  takes 0; kept out: 2 by meeting_type",
    ]
    assert len(bookinghub("config", "test", "--all", "--json", "--config", str(file)).lines) == 2
