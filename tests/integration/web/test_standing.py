"""How the hub stands: status, issues, sinks, sources, projections, operations, deliveries."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlmodel
from sqlmodel import Session

from adapters.errors import AdapterError, AuthError, PermanentError, RefusalError, TransientError
from hub.errors import LogUnavailableError
from hub.settings import Rate
from hub.store import installation, operations, sinks, sources, unconfirmed
from hub.store.deliveries import ASKS
from hub.store.tables import DeliveryRow, QuarantineRow
from hub.web.issues import KINDS
from tests.factories import at, history, snapshot
from tests.fake_provider import FakeProvider
from tests.integration.web.world import KINDS as SINKS
from tests.integration.web.world import NOW, TOKEN, World, keys, on_both_databases

DELIVERY_KEYS = keys("sink event_id key position state attempts due_at last_error")
ADDED_TO_DELIVERY = {
    "booking_id",
    "event_type",
    "reason",
    "outcome",
    "url",
    "created_at",
    "finished_at",
    "cause",
    "held",
}


def settle(world: World, state: str = "delivered", **where: str) -> None:
    """Bring delivery rows to a state."""

    def work(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(**where)).all():
            row.state, row.changed_at = state, NOW

    world.change(work)


async def status(world: World) -> dict[str, Any]:
    answer = await world.client("read").get("/api/v1/status")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


async def test_status_has_every_key_of_the_contract(world: World) -> None:
    world.booking(provider_id="b1")
    shown = await status(world)
    assert set(shown) == keys("state version url started_at issues log inbox store sources sinks projections")
    assert set(shown["issues"]) == {"critical", "warning"}
    assert set(shown["log"]) == keys("mode events last_position bytes durable diverged_at")
    assert set(shown["inbox"]) == keys("waiting dirty quarantined unconfirmed")
    assert set(shown["sources"]["meetergo"]) == {"type"} | keys(
        """
        state last_webhook_at last_poll_at last_poll_ok facts_by_webhook facts_by_poll
        key_expires_at registered
    """
    )
    assert set(shown["sinks"]["crm"]) == keys(
        """
        type state wait_until probe_at lag_events lag_seconds in_flight parked dead uncertain
        out_of_step last_success_at last_error
    """
    )
    assert set(shown["projections"]) == {"bookings", "attendees", "contacts", "timeline"}
    assert set(shown["projections"]["bookings"]) == keys("position lag_events lag_seconds generation")
    assert shown["started_at"] == "2026-10-21T11:00:00Z"
    assert shown["log"] == {
        "mode": "embedded", "events": 1, "last_position": 1, "bytes": 512, "durable": True,
        "diverged_at": None,
    }  # fmt: skip


@on_both_databases
async def test_zeros_mean_done(world: World) -> None:
    world.booking(provider_id="b1")
    shown = await status(world)
    assert [sink["lag_events"] for sink in shown["sinks"].values()] == [1, 1, 1]
    assert shown["sinks"]["crm"]["out_of_step"] == 1
    settle(world)
    shown = await status(world)
    assert shown["state"] == "ok"
    assert [sink["lag_events"] for sink in shown["sinks"].values()] == [0, 0, 0]
    assert [sink["lag_seconds"] for sink in shown["sinks"].values()] == [0, 0, 0]
    assert shown["projections"]["timeline"] == {
        "position": 1,
        "lag_events": 0,
        "lag_seconds": 0,
        "generation": 1,
    }
    assert shown["sources"]["meetergo"]["facts_by_webhook"] == 1


async def test_unread_events_are_lag_of_projections_and_sinks(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    facts = history(snapshot(provider_id="b2", version=at(0)))
    world.log.events += [
        type(world.log.events[0]).from_message(
            world.log.events[0].of(facts[0], provenance="webhook").to_message(),
            position=2,
            recorded_at=NOW - timedelta(seconds=90),
        )
    ]
    shown = await status(world)
    assert shown["projections"]["bookings"]["lag_events"] == 1
    assert shown["projections"]["bookings"]["lag_seconds"] == 90
    assert shown["sinks"]["crm"]["lag_events"] == 1
    assert shown["issues"] == {"critical": 0, "warning": 1}


async def test_nothing_is_done_while_the_position_is_not_proven(world: World) -> None:
    """A log that lost its end reads as fully read until somebody compares."""
    world.booking(provider_id="b1")
    settle(world)
    world.using(position_verified=lambda: False)
    shown = await status(world)
    assert shown["projections"]["bookings"]["lag_events"] == 1
    assert shown["sinks"]["crm"]["lag_events"] == 1
    world.using(position_verified=lambda: True)
    assert (await status(world))["projections"]["bookings"]["lag_events"] == 0
    world.log.events.clear()
    assert (await status(world))["projections"]["bookings"]["lag_events"] == 1


async def test_status_reads_upstream_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moves on while the status is read must be met again further down."""
    order: list[str] = []
    read, waiting, state = world.database.read, world.inbox.waiting, world.log.state

    async def noted_waiting() -> int:
        order.append("waiting")
        return await waiting()

    async def noted_state() -> Any:
        order.append("log")
        return await state()

    async def noted_read(work: Any) -> Any:
        order.append(work.__name__)
        return await read(work)

    def noted_verified() -> bool:
        order.append("verified")
        return True

    world.using(position_verified=noted_verified)
    client = world.client("read")
    await client.get("/api/v1/status")
    order.clear()
    monkeypatch.setattr(world.inbox, "waiting", noted_waiting)
    monkeypatch.setattr(world.log, "state", noted_state)
    monkeypatch.setattr(world.database, "read", noted_read)
    await client.get("/api/v1/status")
    order = [step for step in order if step != "<lambda>"]
    assert order == ["verified", "waiting", "_read_door", "log"]


async def test_log_away_is_down_and_unknown_is_null(world: World) -> None:
    world.log.away = True
    shown = await status(world)
    assert shown["state"] == "down"
    assert shown["log"]["last_position"] is None
    assert shown["projections"]["bookings"]["lag_events"] is None
    assert shown["sinks"]["crm"]["lag_seconds"] is None


async def test_inbox_that_cannot_be_asked_is_null(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> int:
        raise LogUnavailableError("away")

    monkeypatch.setattr(world.inbox, "waiting", broken)
    assert (await status(world))["inbox"]["waiting"] is None


async def issues(world: World) -> dict[str, dict[str, Any]]:
    items = (await world.client("read").get("/api/v1/issues")).json()["items"]
    return {item["code"]: item for item in items}


async def test_a_quiet_hub_has_no_issues(world: World) -> None:
    assert await issues(world) == {}


def _diverged(session: Any) -> None:
    installation.get_or_create(session, now=NOW)
    installation.raise_epoch(session, expected=1, log_created="x", position=0, now=NOW)


def _quarantined(session: Any) -> None:
    session.add(QuarantineRow(receipt_id="r", source="meetergo", received_at=NOW, reason="x", body=b""))


ISSUES: dict[str, Any] = {
    "log_diverged": _diverged,
    "sink_auth_failed": lambda s: sinks.set_state(s, "crm", state="auth_failed", reason="401", now=NOW),
    "circuit_open": lambda s: sinks.set_state(s, "crm", state="circuit_open", reason="503", now=NOW),
    "sink_paused": lambda s: sinks.set_state(s, "crm", state="paused", reason="holiday", now=NOW),
    "quarantine_not_empty": _quarantined,
    "unconfirmed_change": lambda s: unconfirmed.put(s, "meetergo", "b1", receipt_id="r", detail="", now=NOW),
}


@pytest.mark.parametrize("code", ISSUES)
async def test_issue_names_what_to_do(world: World, code: str) -> None:
    world.change(lambda session: ISSUES[code](session) and None)
    found = await issues(world)
    assert set(found) == {code}
    issue = found[code]
    assert set(issue) == keys("issue_id code severity object since meaning what_to_do runbook")
    assert issue["since"] == "2026-10-21T12:00:00Z"
    assert issue["what_to_do"].startswith("bookinghub ")
    assert "{" not in issue["what_to_do"] + issue["meaning"]
    assert (await world.client().get(f"/api/v1/issues/{issue['issue_id']}")).json() == issue
    assert (await world.client().get(f"/api/v1/issues/{code}")).json() == issue
    assert (await status(world))["issues"][issue["severity"]] == 1


@on_both_databases
async def test_a_divergence_is_settled_by_a_comparison_begun_after_it(world: World) -> None:
    def compared(state: operations.FinalState, *, begun: timedelta) -> None:
        def work(session: Any) -> None:
            row = operations.start(session, kind="verify", total=1, now=NOW + begun)
            operations.finish(session, row.operation_id, state=state, now=NOW + timedelta(hours=1))

        world.change(work)

    world.change(_diverged)
    compared("done", begun=-timedelta(minutes=1))
    compared("partly", begun=timedelta(minutes=1))
    assert set(await issues(world)) == {"log_diverged"}
    assert (await status(world))["state"] == "degraded"
    compared("done", begun=timedelta(minutes=2))
    assert await issues(world) == {}
    shown = await status(world)
    assert (shown["state"], shown["log"]["diverged_at"]) == ("ok", "2026-10-21T12:00:00Z")


async def test_an_unconfirmed_change_names_the_booking_that_waits_longest(world: World) -> None:
    for number, provider_id in enumerate(("b2", "b1")):
        when = NOW + timedelta(minutes=number)
        world.change(
            lambda s, id=provider_id, when=when: unconfirmed.put(
                s, "meetergo", id, receipt_id="r", detail="", now=when
            )
        )
    issue = (await issues(world))["unconfirmed_change"]
    assert issue["meaning"].endswith(": 2 bookings")
    assert issue["what_to_do"] == "bookinghub why b2"


@on_both_databases
@pytest.mark.parametrize(
    ("state", "code"),
    [("dead", "delivery_dead"), ("parked", "booking_parked"), ("uncertain", "uncertain_delivery")],
)
async def test_stuck_deliveries_are_one_issue_per_sink(world: World, state: str, code: str) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, state, sink="crm")
    found = await issues(world)
    assert set(found) == {code}
    assert found[code]["object"] == "crm"
    assert "2 deliveries" in found[code]["meaning"]
    assert (await status(world))["sinks"]["crm"]["out_of_step"] == 2


def asking(world: World, *, sink: str = "team-chat") -> None:
    """Rows of this sink wait for a person to let them through."""

    def work(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(sink=sink)).all():
            row.state, row.changed_at = "parked", NOW
            row.error_class, row.error_message = ASKS, f"49.00 EUR would go back for {row.booking_id}"

    world.change(work)


@on_both_databases
async def test_what_waits_for_an_approval_is_an_issue_of_its_own(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "parked", sink="crm")
    asking(world)
    found = await issues(world)
    assert {code: issue["object"] for code, issue in found.items()} == {
        "booking_parked": "crm",
        "refund_waits": "team-chat",
    }
    assert "2 deliveries" in found["refund_waits"]["meaning"]
    assert found["refund_waits"]["what_to_do"].startswith("bookinghub deliveries approve --sink team-chat")


async def test_only_what_asks_is_let_through_and_only_as_it_was_shown(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "parked", sink="crm")
    asking(world)
    client, url = world.client("operate"), "/api/v1/deliveries/approve"
    assert (await client.post(url, json={})).status_code == 422
    assert (await client.post(url, json={"sink": "crm"})).json()["count"] == 0
    assert (await client.post(url, json={"sink": "team-chat", "state": "dead"})).status_code == 422
    assert (await world.client("read").post(url, json={"sink": "team-chat"})).status_code == 403
    shown = (await client.post(url, json={"sink": "team-chat", "dry_run": True})).json()
    assert (shown["count"], shown["by_sink"]) == (2, {"team-chat": {"parked": 2}})
    assert shown["items"][0]["last_error"]["message"] == "49.00 EUR would go back for b1"

    def dearer(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(sink="team-chat")).all():
            row.error_message = "98.00 EUR would go back"

    world.change(dearer)
    wanted = {"sink": "team-chat", "preview": shown["preview"]}
    assert (await client.post(url, json=wanted)).status_code == 409
    again = (await client.post(url, json={"sink": "team-chat", "dry_run": True})).json()
    done = await client.post(url, json={"sink": "team-chat", "preview": again["preview"]})
    assert done.json()["count"] == 2
    rows = world.change(lambda s: list(s.scalars(sqlmodel.select(DeliveryRow).filter_by(sink="team-chat"))))
    assert {(row.state, row.cause) for row in rows} == {("pending", "approved:operate-test")}
    assert world.woken
    assert set(await issues(world)) == {"booking_parked"}


async def test_issues_of_reader_and_streams_come_from_the_hub(world: World) -> None:
    world.using(
        reader_problem=lambda: "position 7 is of an unknown type", log_differences=lambda: ["max_age is 1h"]
    )
    found = await issues(world)
    assert set(found) == {"projection_stopped", "log_config_differs"}
    assert "position 7" in found["projection_stopped"]["meaning"]
    assert "max_age is 1h" in found["log_config_differs"]["meaning"]


async def test_every_code_is_known(world: World) -> None:
    world.log.away = True
    assert set(await issues(world)) <= set(KINDS)


async def test_paused_source_is_an_issue(world: World) -> None:
    _see_source(world, state="paused", reason="paused by admin")
    assert set(await issues(world)) == {"source_paused"}
    assert (await status(world))["sources"]["meetergo"]["state"] == "paused"


async def test_refused_credentials_of_a_source_are_an_issue(world: World) -> None:
    _see_source(world, state="auth_failed", reason="appointment: api.test answered 401")
    found = await issues(world)
    assert set(found) == {"source_auth_failed"}
    assert "api.test answered 401" in found["source_auth_failed"]["meaning"]
    assert found["source_auth_failed"]["what_to_do"] == "bookinghub sources resume meetergo"
    shown = await status(world)
    assert (shown["state"], shown["sources"]["meetergo"]["state"]) == ("degraded", "auth_failed")
    assert (await world.client(None).get("/readyz")).status_code == 200


@on_both_databases
async def test_a_source_is_paused_with_a_reason_and_resumed(world: World) -> None:
    _see_source(world)
    woken: list[int] = []
    client = world.using(wake_sources=lambda: woken.append(1)).client("operate")
    would = await client.post("/api/v1/sources/meetergo/pause", json={"dry_run": True})
    assert (would.json()["state"], would.json()["dry_run"]) == ("running", True)
    paused = (await client.post("/api/v1/sources/meetergo/pause", json={"reason": "new key"})).json()
    assert (paused["state"], paused["reason"]) == ("paused", "paused by operate-test: new key")
    assert TOKEN not in json.dumps(paused)
    assert (await client.get("/api/v1/sources")).json()["items"][0]["reason"] == paused["reason"]
    assert (await client.post("/api/v1/sources/meetergo/resume", json={"dry_run": True})).json()[
        "state"
    ] == "paused"
    assert woken == []
    resumed = (await client.post("/api/v1/sources/meetergo/resume", json={})).json()
    assert (resumed["state"], resumed["reason"], woken) == ("running", None, [1])


async def test_a_source_with_refused_credentials_has_to_prove_them(world: World) -> None:
    _see_source(world, state="auth_failed", reason="401")
    provider = FakeProvider()
    client = world.using(providers={"meetergo": provider}).client("operate")
    for failure, status_code, code in (
        (AuthError("user: api.test answered 401"), 502, "provider-refused"),
        (TransientError("user: api.test answered 503"), 503, "provider-unreachable"),
    ):
        provider.failure = failure
        answer = await client.post("/api/v1/sources/meetergo/resume", json={})
        assert (answer.status_code, answer.json()["code"]) == (status_code, code)
        assert str(failure) in answer.json()["detail"]
    assert set(await issues(world)) == {"source_auth_failed"}
    provider.failure = RefusalError("user: api.test answered 400", code="needs-user")
    assert (await client.post("/api/v1/sources/meetergo/resume", json={})).json()["state"] == "running"
    assert await issues(world) == {}


async def test_pausing_a_source_needs_the_right_to_act(world: World) -> None:
    _see_source(world)
    for verb in ("pause", "resume"):
        answer = await world.client("read").post(f"/api/v1/sources/meetergo/{verb}", json={})
        assert answer.status_code == 403
        unknown = await world.client("operate").post(f"/api/v1/sources/other/{verb}", json={})
        assert unknown.status_code == 404
        odd = await world.client("operate").post(f"/api/v1/sources/meetergo/{verb}", json={"dryrun": True})
        assert odd.status_code == 422


def _see_source(world: World, *, state: str = "running", reason: str | None = None) -> None:
    def work(session: Session) -> None:
        sources.see(session, "meetergo", type="meetergo", now=NOW)
        sources.set_state(session, "meetergo", state=state, reason=reason)

    world.change(work)


async def test_sinks_show_how_they_stand(world: World) -> None:
    listed = (await world.client("read").get("/api/v1/sinks")).json()["items"]
    assert [sink["name"] for sink in listed] == list(SINKS)
    assert listed[0]["kind"] == "booking"
    assert listed[0]["state"] == "running"


async def test_sink_is_paused_with_a_reason_and_resumed(world: World) -> None:
    client = world.client("operate")
    tried = (await client.post("/api/v1/sinks/crm/pause", json={"dry_run": True})).json()
    assert (tried["state"], tried["dry_run"]) == ("running", True)
    paused = (await client.post("/api/v1/sinks/crm/pause", json={"reason": "holiday"})).json()
    assert (paused["state"], paused["reason"]) == ("paused", "paused by operate-test: holiday")
    assert (await status(world))["state"] == "degraded"
    resumed = (await client.post("/api/v1/sinks/crm/resume")).json()
    assert (resumed["state"], resumed["reason"]) == ("running", None)
    assert world.woken == 2


async def test_a_target_is_prepared_once(world: World) -> None:
    client, address = world.client("operate"), "/api/v1/sinks/crm/prepare"
    wanted = {"name": "crm", "made": ["crm.hub_contact (string)"]}
    assert (await client.post(address, json={"dry_run": True})).json() == wanted | {"dry_run": True}
    assert (world.prepared, world.woken) == (set(), 0)
    assert (await client.post(address)).json() == wanted | {"dry_run": False}
    assert (world.prepared, world.woken) == ({"crm"}, 1)
    assert (await client.post(address)).json()["made"] == []
    assert world.woken == 1


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AuthError("401 the token has expired"), 502, "provider-refused"),
        (PermanentError("400 too many properties"), 502, "provider-refused"),
        (TransientError("no answer"), 503, "provider-unreachable"),
    ],
)
async def test_a_target_that_cannot_be_prepared_is_a_problem(
    world: World, error: AdapterError, status: int, code: str
) -> None:
    world.refusal = error
    answer = await world.client("operate").post("/api/v1/sinks/crm/prepare")
    assert answer.status_code == status
    told = answer.json()
    assert (told["code"], told["detail"]) == (code, f"crm: {error}")
    assert told["next"] == "bookinghub sinks show crm"


async def test_preparing_needs_a_known_sink_a_right_and_a_hub(world: World) -> None:
    client = world.client("operate")
    assert (await client.post("/api/v1/sinks/nobody/prepare")).status_code == 404
    assert (await client.post("/api/v1/sinks/crm/prepare", json={"force": True})).status_code == 422
    assert (await world.client("read").post("/api/v1/sinks/crm/prepare")).status_code == 403


async def test_sink_shows_what_it_waits_for(world: World) -> None:
    def stop(session: Any) -> None:
        row = sinks.get(session, "crm")
        row.state, row.reason, row.since = "circuit_open", "503", NOW
        row.failing_since, row.probe_at = NOW - timedelta(minutes=1), NOW + timedelta(seconds=30)
        row.wait_until = NOW + timedelta(seconds=90)

    world.change(stop)
    settings = world.settings.sinks["crm"].model_copy(update={"rate": Rate(8, timedelta(seconds=1))})
    world.using(settings=replace(world.settings, sinks=dict(world.settings.sinks) | {"crm": settings}))
    client = world.client("operate")
    shown = (await client.get("/api/v1/sinks/crm")).json()
    assert (shown["state"], shown["rate"], shown["concurrency"]) == ("circuit_open", "8/s", 8)
    assert shown["failing_since"] == "2026-10-21T11:59:00Z"
    assert (shown["probe_at"], shown["wait_until"]) == ("2026-10-21T12:00:30Z", "2026-10-21T12:01:30Z")
    assert (await status(world))["state"] == "degraded"
    metrics = (await world.client().get("/metrics")).text
    assert 'bookinghub_sink_state{sink="crm",state="circuit_open"} 1.0' in metrics
    assert 'bookinghub_sink_wait_seconds{sink="crm"} 90.0' in metrics
    assert 'bookinghub_sink_rate_tokens{sink="crm"} 1.0' in metrics

    resumed = (await client.post("/api/v1/sinks/crm/resume")).json()
    assert (resumed["state"], resumed["wait_until"]) == ("circuit_open", None)
    assert resumed["probe_at"] == "2026-10-21T12:00:00Z"


async def test_a_wait_that_is_over_is_not_shown(world: World) -> None:
    def wait(session: Any) -> None:
        sinks.get(session, "crm").wait_until = NOW

    world.change(wait)
    assert (await status(world))["sinks"]["crm"]["wait_until"] is None


async def test_door_is_shown_whole_to_those_who_may_act(world: World) -> None:
    whole = f"https://hub.studio.example/webhooks/meetergo/{TOKEN}"
    masked = "https://hub.studio.example/webhooks/meetergo/***"
    assert (await world.client("operate").get("/api/v1/sources/meetergo")).json()["webhook"] == whole
    assert (await world.client("read").get("/api/v1/sources/meetergo")).json()["webhook"] == masked
    assert (await world.client("admin").get("/api/v1/sources")).json()["items"][0]["webhook"] == masked


async def test_projections_name_their_version(world: World) -> None:
    world.booking(provider_id="b1")
    listed = (await world.client("read").get("/api/v1/projections")).json()["items"]
    assert {item["name"] for item in listed} == {"bookings", "attendees", "contacts", "timeline"}
    assert set(listed[0]) == {"name", "version", "position", "lag_events", "lag_seconds", "generation"}
    one = (await world.client("read").get("/api/v1/projections/bookings")).json()
    assert (one["position"], one["version"]) == (1, "1")


@on_both_databases
async def test_rebuild_is_an_operation(world: World) -> None:
    client = world.client("operate")
    begun = await client.post("/api/v1/operations", json={"kind": "rebuild", "verify": True})
    assert begun.status_code == 202
    shown = (await client.get(begun.headers["location"])).json()
    assert set(shown) == keys(
        """
        operation_id kind state done failed total rate_per_second started_at finished_at detail
    """
    )
    assert (shown["kind"], shown["state"], shown["detail"]) == ("rebuild", "running", {"verify": True})
    world.change(
        lambda s: (
            operations.finish(s, shown["operation_id"], state="done", now=NOW + timedelta(seconds=2)) and None
        )
    )
    listed = (await client.get("/api/v1/operations", params={"state": "done"})).json()["items"]
    assert [item["operation_id"] for item in listed] == [shown["operation_id"]]
    for body in (
        {"kind": "nonsense"},
        {"kind": "rebuild", "projections": ["x"]},
        {"kind": "rebuild", "x": 1},
    ):
        assert (await client.post("/api/v1/operations", json=body)).status_code == 422


async def test_deliveries_have_every_key_of_the_contract(world: World) -> None:
    world.booking(provider_id="b1")
    client = world.client("read")
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert set(listed[0]) == DELIVERY_KEYS | ADDED_TO_DELIVERY
    assert listed[0]["last_error"] is None
    event = listed[0]["event_id"]
    assert (await client.get(f"/api/v1/deliveries/{event}")).status_code == 409
    one = await client.get(f"/api/v1/deliveries/{event[:8]}", params={"sink": "crm"})
    assert one.json() == listed[0] | {"tries": []}
    assert (await client.get(f"/api/v1/deliveries/{event}", params={"colour": "x"})).status_code == 422

    def fail(session: Any) -> None:
        row = session.get(DeliveryRow, ("crm", event, listed[0]["key"]))
        row.error_class, row.error_message, row.error_at = "PermanentError", "400", NOW

    world.change(fail)
    failed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"][0]
    assert failed["last_error"] == {"class": "PermanentError", "message": "400", "at": "2026-10-21T12:00:00Z"}


@on_both_databases
async def test_selectors_choose_deliveries(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world, "dead", booking_id="b2", sink="crm")
    client = world.client("read")

    async def count(**query: str) -> int:
        return len((await client.get("/api/v1/deliveries", params=query)).json()["items"])

    assert await count() == 6
    assert await count(state="dead") == 1
    assert await count(booking="b1") == 3
    assert await count(sink="crm", booking="b1") == 1
    assert await count(contact="a1@kunde.example") == 6
    assert await count(type="BookingCancelled") == 0
    assert await count(**{"from": "2026-10-24"}) == 0


async def test_dead_deliveries_are_tried_again(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    settle(world)
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    shown = (await client.post("/api/v1/deliveries/retry", json={"sink": "crm", "dry_run": True})).json()
    assert set(shown) == {"count", "dry_run", "preview", "by_sink", "items"}
    assert (shown["count"], shown["by_sink"]) == (2, {"crm": {"dead": 2}})
    done = await client.post("/api/v1/deliveries/retry", json={"sink": "crm", "preview": shown["preview"]})
    assert done.json()["count"] == 2
    assert world.woken == 1
    again = await client.post("/api/v1/deliveries/retry", json={"sink": "crm"})
    assert again.json()["count"] == 0
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert {item["state"] for item in listed} == {"pending"}


@on_both_databases
async def test_what_was_shown_is_what_runs(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    shown = (await client.post("/api/v1/deliveries/drop", json={"sink": "crm", "dry_run": True})).json()
    world.booking(provider_id="b2")
    settle(world, "dead", sink="crm")
    refused = await client.post("/api/v1/deliveries/drop", json={"sink": "crm", "preview": shown["preview"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "preview-outdated")
    listed = (await client.get("/api/v1/deliveries", params={"sink": "crm"})).json()["items"]
    assert {item["state"] for item in listed} == {"dead"}


async def test_dropped_deliveries_are_skipped_and_say_by_whom(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    settle(world, "dead", sink="team-calendar")
    client = world.client("operate")
    body = {"booking": "b1", "state": ["dead"], "reason": "entry is gone"}
    assert (await client.post("/api/v1/deliveries/drop", json=body)).json()["count"] == 1
    row = (await client.get("/api/v1/deliveries", params={"sink": "team-calendar"})).json()["items"][0]
    assert (row["state"], row["reason"]) == ("skipped", "dropped by operate-test: entry is gone")
    booking = (await client.get("/api/v1/bookings/b1")).json()
    assert booking["in_step"]["team-calendar"] == "drifted"


async def test_uncertain_deliveries_are_retried_only_if_named(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world)
    settle(world, "uncertain", sink="team-chat")
    client = world.client("operate")
    assert (await client.post("/api/v1/deliveries/retry", json={"sink": "team-chat"})).json()["count"] == 0
    named = {"sink": "team-chat", "state": "uncertain"}
    assert (await client.post("/api/v1/deliveries/retry", json=named)).json()["count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dry_run": True},
        {"colour": "x"},
        {"state": "delivered"},
        {"sink": 1},
        {"sink": [["crm"]]},
        {"as_of": "2h"},
    ],
    ids=str,
)
async def test_acting_on_deliveries_needs_known_selectors(world: World, body: dict[str, Any]) -> None:
    answer = await world.client("operate").post("/api/v1/deliveries/retry", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_act_on_one_booking_honours_if_match(world: World) -> None:
    world.booking(provider_id="b1")
    settle(world, "dead", sink="crm")
    client = world.client("operate")
    tag = (await client.get("/api/v1/bookings/b1")).headers["etag"]
    body = {"booking": "b1"}
    stale = await client.post("/api/v1/deliveries/retry", json=body, headers={"If-Match": '"99"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    unclear = await client.post("/api/v1/deliveries/retry", json={"sink": "crm"}, headers={"If-Match": tag})
    assert unclear.status_code == 422
    done = await client.post("/api/v1/deliveries/retry", json=body, headers={"If-Match": tag})
    assert done.json()["count"] == 1


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["delivered"], "in_step"),
        (["dead", "delivered"], "in_step"),
        (["delivered", "pending"], "pending"),
        (["delivered", "sending"], "pending"),
        (["covered", "parked"], "parked"),
        (["delivered", "dead"], "dead"),
        (["delivered", "uncertain"], "parked"),
        (["skipped"], "not_matched"),
        (["delivered", "skipped"], "in_step"),
    ],
    ids=str,
)
async def test_newest_row_says_whether_a_mirror_is_in_step(
    world: World, states: list[str], expected: str
) -> None:
    facts = history(*(snapshot(provider_id="b1", version=at(n), title=f"t{n}") for n in range(len(states))))
    made = world.happened(facts, recorded_at=at(5))
    assert len(made) == len(states)
    for envelope, state in zip(made, states, strict=True):
        settle(world, state, sink="team-calendar", event_id=envelope.event_id)
    booking = (await world.client().get("/api/v1/bookings/b1")).json()
    assert booking["in_step"]["team-calendar"] == expected


async def test_reactor_owes_every_row_and_a_paused_sink_says_so(world: World) -> None:
    made = world.happened(
        history(
            snapshot(provider_id="b1", version=at(0)), snapshot(provider_id="b1", version=at(1), title="x")
        ),
        recorded_at=at(5),
    )
    settle(world)
    settle(world, "dead", sink="team-chat", event_id=made[0].event_id)
    settle(world, "pending", sink="crm")
    world.change(
        lambda session: sinks.set_state(session, "crm", state="paused", reason="x", now=NOW) and None
    )
    booking = (await world.client().get("/api/v1/bookings/b1")).json()
    assert booking["in_step"] == {"team-calendar": "in_step", "team-chat": "dead", "crm": "paused"}
