"""The commands against a hub that answers: exit codes, the JSON promise, confirmations, how it looks."""

import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from adapters.errors import AuthError
from hub.ingest.intake import new_receipt_id
from hub.store import attempts, deliveries, inbox, quarantine, sinks, sources, tokens
from hub.store.deliveries import ASKS, DeliveryFilter
from hub.store.tables import AttemptRow, DeliveryRow, QuarantineRow
from tests.factories import NOON, at, attendee, history, snapshot
from tests.integration.cli.served import announce, bookinghub, serving, wait_until
from tests.integration.web.test_story import receipt
from tests.integration.web.world import NOW, World

ILSE = attendee("a1", name="Ilse Brandvold", email="ilse@kunde.example")
JON = attendee("a2", name="Jon Ekdal", email="jon@kunde.example")


def dead(world: World, sink: str = "crm") -> None:
    def work(session: Any) -> None:
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "dead" if row.sink == sink else "delivered"

    world.change(work)


def asking(world: World, sink: str = "crm") -> None:
    """What this sink has to do waits for a person to let it through; all else is done."""

    def work(session: Any) -> None:
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "parked" if row.sink == sink else "delivered"
            row.error_class, row.error_message = ASKS, "49.00 EUR would go back"

    world.change(work)


@pytest.mark.parametrize(
    "noun",
    ["bookings", "contacts", "events", "inbox", "deliveries", "operations", "issues"],
)
def test_empty_list_prints_nothing(hub: World, noun: str) -> None:
    for flags in (["--json"], []):
        ran = bookinghub(noun, "list", *flags)
        assert (ran.code, ran.out, ran.err) == (0, "", "")


@pytest.mark.parametrize("noun", ["sinks", "sources", "projections", "tokens"])
def test_lists_print_one_object_per_line(hub: World, noun: str) -> None:
    ran = bookinghub(noun, "list", "--json")
    assert ran.code == 0
    assert all(isinstance(item, dict) for item in ran.lines)
    assert len(bookinghub(noun, "list").out.splitlines()) == len(ran.lines) + 1


def test_list_that_is_cut_ends_with_the_cursor(hub: World) -> None:
    for number in range(3):
        hub.booking(provider_id=f"b{number}")
    cut = bookinghub("bookings", "list", "--limit", "2", "--json")
    assert [item.get("booking_id") for item in cut.lines] == ["b2", "b1", None]
    rest = bookinghub("bookings", "list", "--json", "--cursor", cut.lines[-1]["next"])
    assert [item["booking_id"] for item in rest.lines] == ["b0"]
    every = bookinghub("bookings", "list", "--all", "--json")
    assert [item["booking_id"] for item in every.lines] == ["b2", "b1", "b0"]
    people = bookinghub("bookings", "list", "--limit", "2")
    assert "--all" in people.err


def test_selectors_of_the_command_line_are_those_of_the_api(hub: World) -> None:
    hub.booking(provider_id="b1", meeting_type_slug="vor-ort", attendees=[ILSE])
    hub.booking(provider_id="b2", attendees=[JON])
    for arguments, found in (
        (["--meeting-type", "vor-*"], ["b1"]),
        (["--contact", "jon@kunde.example"], ["b2"]),
        (["--state", "active", "--state", "cancelled"], ["b2", "b1"]),
        (["--from", "2026-10-24"], []),
        (["--host", "h1", "--booking", "b2"], ["b2"]),
    ):
        ran = bookinghub("bookings", "list", "--json", *arguments)
        assert [item["booking_id"] for item in ran.lines] == found, arguments


def test_times_without_a_zone_are_echoed_in_full(hub: World) -> None:
    ran = bookinghub("bookings", "list", "--from", "2026-10-23 10:00")
    assert "from=2026-10-23T10:00:00+02:00" in ran.err


def test_single_object_is_one_line(hub: World) -> None:
    hub.booking(provider_id="b1", attendees=[ILSE])
    assert bookinghub("bookings", "show", "ilse", "--json").json["booking_id"] == "b1"
    shown = bookinghub("bookings", "show", "b1").out
    assert "Erstgespräch" in shown
    assert "23 Oct 2026 10:00" in shown
    assert bookinghub("contacts", "show", "ilse", "--json").json["name"] == "Ilse Brandvold"
    assert bookinghub("events", "show", "1", "--json").json["type"] == "BookingCreated"
    assert bookinghub("sinks", "show", "crm", "--json").json["kind"] == "contact"
    assert bookinghub("projections", "show", "bookings", "--json").json["position"] == 1
    assert bookinghub("sources", "show", "meetergo", "--json").json["webhook"].endswith("0123456789")
    assert (
        bookinghub("deliveries", "show", "--sink", "crm", hub.log.events[0].event_id, "--json").json["tries"]
        == []
    )


def test_nothing_found_is_one_line_and_code_1(hub: World) -> None:
    ran = bookinghub("bookings", "show", "nobody")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "no booking matches 'nobody'; try: bookinghub bookings list\n"
    problem = json.loads(bookinghub("bookings", "show", "nobody", "--json").err)
    assert (problem["code"], problem["status"]) == ("not-found", 404)


def test_several_hits_are_listed_and_code_2(hub: World) -> None:
    hub.booking(provider_id="b-one-111", attendees=[ILSE])
    hub.booking(provider_id="b-two-222", attendees=[ILSE])
    ran = bookinghub("why", "ilse")
    assert (ran.code, ran.out) == (2, "")
    assert "b-one-111" in ran.err
    assert "b-two-222" in ran.err


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


def test_receipts_of_one_moment_are_told_apart(hub: World) -> None:
    ids = [new_receipt_id(at(0) + timedelta(milliseconds=number)) for number in range(3)]
    hub.change(lambda session: inbox.insert(session, [receipt(id) for id in ids]) and None)
    listed = [line.split()[0] for line in bookinghub("inbox", "list").out.splitlines()[1:]]
    assert len(set(listed)) == 3
    for shown in listed:
        assert bookinghub("inbox", "show", shown, "--json").json["receipt_id"].startswith(shown)


def story(world: World) -> None:
    """A booking that moved, was delivered at the second try, and whose webhook came twice."""
    moved = NOON + timedelta(days=4)
    facts = history(
        snapshot(provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(0)),
        snapshot(provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(1)),
        snapshot(
            provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(60), start=moved, rescheduled_at=at(60)
        ),
    )
    envelopes = world.happened(facts, recorded_at=at(60.02))

    def fill(session: Any) -> None:
        inbox.insert(
            session,
            [
                receipt("r_8f2a0001", provider_id="6f1c2d3e-4b5a", received_at=at(60.01)),
                receipt("r_90c10002", provider_id="6f1c2d3e-4b5a", received_at=at(61), status="duplicate"),
            ],
        )
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "delivered" if row.position == 3 else "covered"
            row.finished_at = at(60.2)
        last = envelopes[-1].event_id
        tries = [
            (1, "retry", "503 backendError", None),
            (2, "changed", None, "https://calendar.example/4k2f"),
        ]
        attempts.add(
            session,
            [
                AttemptRow(
                    sink="team-calendar", event_id=last, key="6f1c2d3e-4b5a", booking_id="6f1c2d3e-4b5a",
                    at=at(60.05 + number), number=number, outcome=outcome, message=message,
                    duration_seconds=0.18, url=url,
                )
                for number, outcome, message, url in tries
            ],
        )  # fmt: skip

    world.change(fill)


def test_why_tells_the_story(hub: World) -> None:
    story(hub)
    ran = bookinghub("why", "ilse")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "Erstgespräch: Ilse Brandvold with Mara Lindqvist        booking 6f1c2d3e, meetergo"
    assert lines[1] == (
        "active · Tue 27 Oct 2026 09:00\N{EN DASH}09:45 Europe/Berlin · moved once (was Fri 23 Oct 10:00)"
    )
    assert lines[2] == "in step   team-calendar ✓   crm ✓   team-chat ✓"
    assert lines[3] == ""
    told = [line for line in lines if line.startswith("12 Oct")]
    assert told[0].startswith("12 Oct 10:31:09.6  inbox          booking_created, receipt r_8f2a0001")
    assert told[0].endswith("accepted")
    moved = next(line for line in told if "BookingRescheduled" in line)
    assert "fact   #3" in moved
    assert "Fri 23 Oct 10:00 → Tue 27 Oct 09:00" in moved
    assert moved.endswith("webhook")
    assert "BookingDetailsChanged" not in ran.out
    assert any("retry: 503 backendError in 0.18 s" in line and line.endswith("attempt 1") for line in told)
    assert any(
        "changed in 0.18 s" in line and line.endswith("https://calendar.example/4k2f") for line in told
    )
    assert any("the same webhook again, receipt r_90c10002" in line for line in told)
    assert lines[-1] == "Nothing pending."
    times = [line[:18] for line in told]
    assert times == sorted(times)
    assert (
        len({line.index(word) for line in told for word in ("inbox", "fact ", "crm ") if word in line[:30]})
        == 1
    )


def test_why_says_what_is_pending(hub: World) -> None:
    hub.booking(provider_id="b1", attendees=[ILSE])
    ran = bookinghub("why", "b1")
    assert "Pending: crm pending, due" in ran.out
    assert "Nothing pending" not in ran.out
    assert set(bookinghub("why", "b1", "--json").json) == {
        "booking", "inbox", "events", "deliveries", "targets", "pending", "no_match",
    }  # fmt: skip


def test_payload_is_sent_to_our_own_door(hub: World, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_bytes(b'{"id": "x"}')
    ran = bookinghub("inbox", "send", str(file))
    assert ran.code == 0
    assert "accepted, receipt r_new" in ran.err
    assert (
        bookinghub("inbox", "send", str(file), "--source", "meetergo", "--json").json["status"] == "accepted"
    )
    assert bookinghub("inbox", "send", "-", stdin=b"{}").code == 0
    assert [body for _, body in hub.door.received] == [b'{"id": "x"}', b'{"id": "x"}', b"{}"]
    assert bookinghub("inbox", "send", str(file), "--dry-run").code == 0
    assert len(hub.door.received) == 3
    assert bookinghub("inbox", "send", str(tmp_path / "none.json")).code == 2
    assert bookinghub("inbox", "send", str(file), "--source", "other").code == 1
    hub.door.status, hub.door.body = 400, b'{"detail":"not JSON; kept in quarantine","receipt":"r_k"}'
    refused = bookinghub("inbox", "send", str(file))
    assert refused.code == 2
    assert "kept in quarantine" in refused.err


def test_receipt_is_reprocessed(hub: World) -> None:
    row = QuarantineRow(receipt_id="r_bad00002", source="meetergo", received_at=NOW, reason="x", body=b"{")
    hub.change(
        lambda s: (inbox.insert(s, [receipt("r_bad00002", status="quarantined")]), quarantine.put(s, [row]))
    )
    assert bookinghub("inbox", "show", "r_bad0", "--json").json["payload"] == "{"
    assert bookinghub("inbox", "reprocess", "r_bad0", "--dry-run").code == 0
    assert hub.reprocessed == []
    assert bookinghub("inbox", "reprocess", "r_bad0").code == 0
    assert hub.reprocessed == ["r_bad00002"]


def test_acting_on_many_asks_and_needs_a_flag_without_a_terminal(hub: World) -> None:
    hub.booking(provider_id="b1")
    dead(hub)
    ran = bookinghub("deliveries", "retry", "--sink", "crm")
    assert ran.code == 2
    assert "--yes" in ran.err
    ran = bookinghub("deliveries", "retry", "--sink", "crm", "--dry-run")
    assert ran.code == 0
    assert "crm: 1 dead" in ran.err
    ran = bookinghub("deliveries", "retry", "--sink", "crm", typed="n\n")
    assert (ran.code, "nothing was done" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"dead": 1}
    ran = bookinghub("deliveries", "retry", "--sink", "crm", typed="y\n")
    assert (ran.code, "1 delivery. Try these again?" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"pending": 1}


def test_letting_money_through_needs_the_number(hub: World) -> None:
    hub.booking(provider_id="b1")
    asking(hub)
    approve = ("deliveries", "approve", "--sink", "crm")
    ran = bookinghub(*approve, "--dry-run")
    assert (ran.code, "49.00 EUR would go back" in ran.out) == (0, True)
    ran = bookinghub(*approve, "--yes")
    assert (ran.code, "--confirm 1" in ran.err) == (2, True)
    ran = bookinghub(*approve, "--confirm", "2")
    assert (ran.code, "nothing was let through" in ran.err) == (2, True)
    ran = bookinghub(*approve, typed="y\n")
    assert (ran.code, "nothing was let through" in ran.err) == (2, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"parked": 1}
    ran = bookinghub(*approve, typed="1\n")
    assert (ran.code, "1 delivery. Type the number" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"pending": 1}
    ran = bookinghub(*approve, "--confirm", "1")
    assert (ran.code, "nothing matches" in ran.err) == (0, True)


def test_dropping_with_a_flag_does_not_ask(hub: World) -> None:
    hub.booking(provider_id="b1")
    dead(hub)
    event = hub.log.events[0].event_id
    ran = bookinghub("deliveries", "drop", event[:10], "--yes", "--reason", "gone", "--json")
    assert (ran.code, ran.json["count"]) == (0, 1)
    page = hub.database.read_now(lambda s: deliveries.listing(s, DeliveryFilter(sink="crm")))
    assert page.items[0].reason == "dropped by admin-test: gone"
    assert bookinghub("deliveries", "drop", "--sink", "crm").err == "nothing matches\n"
    assert bookinghub("deliveries", "drop").code == 2
    assert "delivered" in bookinghub("deliveries", "list").out


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


def test_token_is_made_used_and_revoked(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bookinghub("tokens", "create", "grafana", "--scope", "read")
    secret = made.out.strip()
    assert secret.startswith("bh_")
    listed = bookinghub("tokens", "list", "--json").lines
    token = next(item for item in listed if item["name"] == "grafana")
    assert secret not in bookinghub("tokens", "list").out
    assert bookinghub("tokens", "revoke", token["token_id"]).code == 2
    assert bookinghub("tokens", "revoke", token["token_id"], "--yes").code == 0
    monkeypatch.setenv("BOOKINGHUB_TOKEN", secret)
    assert bookinghub("status").code == 5
    assert hub.database.read_now(lambda s: tokens.authenticate(s, secret)) is None


@pytest.mark.parametrize(
    ("state", "detail", "code"),
    [
        ("done", {}, 0),
        ("partly", {"differences": [{"table": "bookings", "key": ["b1"], "columns": ["title"]}]}, 3),
        ("done", {"differences": []}, 0),
        ("failed", {"error": "a rebuild is running already"}, 1),
    ],
)
def test_rebuild_is_followed_to_its_end(hub: World, state: Any, detail: dict[str, Any], code: int) -> None:
    from hub.store import operations

    async def quick(*, verify: bool) -> str:
        row = await hub.database.write(lambda s: operations.start(s, kind="rebuild", total=3, now=NOW))
        await hub.database.write(
            lambda s: operations.finish(s, row.operation_id, state=state, now=NOW, detail=detail)
        )
        return row.operation_id

    object.__setattr__(hub.services, "rebuild", quick)
    ran = bookinghub("rebuild", "--verify", "--json")
    assert (ran.code, ran.json["state"]) == (code, state)
    shown = bookinghub("rebuild", "--verify")
    assert shown.code == code
    assert len(shown.err.splitlines()) == 1
    assert bookinghub("operations", "show", ran.json["operation_id"], "--json").json["kind"] == "rebuild"
    assert bookinghub("rebuild", "--dry-run").code == 0
    assert bookinghub("rebuild", "nonsense").code == 2


def test_tail_follows_and_takes_up_again(hub: World, capfd: pytest.CaptureFixture[str]) -> None:
    hub.booking(provider_id="b1")
    hub.booking(provider_id="b2")
    ended: list[Any] = []

    def follow() -> None:
        from hub.cli.address import find_address
        from hub.client import HttpTransport, HubClient

        address = find_address((), os.environ["BOOKINGHUB_URL"])
        client = HubClient(HttpTransport(address.url), token=address.token)
        for event in client.events([], after=1):
            ended.append(event)
            if len(ended) == 2:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    wait_until(lambda: ended, "the first event")
    hub.booking(provider_id="b3")
    thread.join(timeout=60)
    assert [event["booking_id"] for event in ended] == ["b2", "b3"]


def test_tail_prints_a_line_per_event_until_interrupted(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.cli import events

    hub.booking(provider_id="b1")
    hub.booking(provider_id="b2")
    seen: list[Any] = []
    original = events._print

    def stop_after_two(*arguments: Any) -> None:
        original(*arguments)
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(events, "_print", stop_after_two)
    ran = bookinghub("events", "tail", "--after", "0", "--json")
    assert ran.code == 130
    assert [event["booking_id"] for event in ran.lines] == ["b1", "b2"]


def test_stop_asks_the_hub_and_waits(hub: World, configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["BOOKINGHUB_URL"]
    monkeypatch.delenv("BOOKINGHUB_URL")
    sleeper = threading.Thread(target=time.sleep, args=(0,))
    sleeper.start()
    announce(configured / "data", url, os.getpid())
    assert bookinghub("stop", "--dry-run").code == 0
    assert not hub.stopped
    monkeypatch.setattr("hub.cli.running_hub._is_gone", lambda pid: hub.stopped)
    ran = bookinghub("stop")
    assert (ran.code, hub.stopped) == (0, True)
    assert "stopped" in ran.err
    sleeper.join()


def test_hub_json_then_the_configured_address_say_where_to_ask(
    hub: World, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["BOOKINGHUB_URL"]
    monkeypatch.delenv("BOOKINGHUB_URL")
    monkeypatch.delenv("BOOKINGHUB_TOKEN")
    (configured / "data" / "admin.token").write_text(hub.token("admin") + "\n")
    announce(configured / "data", url, os.getpid())
    assert bookinghub("status").code == 0
    (configured / "data" / "hub.json").unlink()
    port = url.rpartition(":")[2]
    (configured / "config" / "hub.yaml").write_text(
        f"hub: {{data_dir: ../data}}\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    assert bookinghub("status").code == 0
    (configured / "config" / "hub.yaml").write_text(
        f"hub: {{data_dir: '${{NOWHERE:-../data}}'}}\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    assert bookinghub("status").code == 0


def test_no_hub_is_code_5_and_says_how_to_start_one(configured: Path) -> None:
    (configured / "config" / "hub.yaml").write_text("http: {listen: '127.0.0.1:9'}\n")
    for arguments in (["status"], ["why", "x"], ["events", "tail"], ["stop"], ["inbox", "send", "-"]):
        ran = bookinghub(*arguments) if arguments != ["events", "tail"] else bookinghub("events", "list")
        assert ran.code == 5, arguments
        assert "bookinghub run" in ran.err
        assert len(ran.err.splitlines()) == 1
    assert json.loads(bookinghub("status", "--json").err)["code"] == "unreachable"
    announce(configured / "data", "http://127.0.0.1:9", 2**22 - 3)
    assert bookinghub("stop").code == 5


def test_what_is_no_hub_is_code_5(configured: Path) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    class Other:
        app = other

    with serving(Other()) as url:  # type: ignore[arg-type]
        ran = bookinghub("status", "--url", url)
    assert ran.code == 5
    assert "no booking hub" in ran.err


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
