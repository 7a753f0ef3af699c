"""What needs a person: one issue per cause, and what to do."""

from datetime import timedelta
from typing import Any

import pytest

from hub.store import installation, operations, sinks, unconfirmed
from hub.store.tables import QuarantineRow
from hub.web.issues import KINDS
from tests.integration.web.standing import issues, see_source, settle, status
from tests.integration.web.world import NOW, World, keys, on_both_databases


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
    see_source(world, state="paused", reason="paused by admin")
    assert set(await issues(world)) == {"source_paused"}
    assert (await status(world))["sources"]["meetergo"]["state"] == "paused"


async def test_refused_credentials_of_a_source_are_an_issue(world: World) -> None:
    see_source(world, state="auth_failed", reason="appointment: api.test answered 401")
    found = await issues(world)
    assert set(found) == {"source_auth_failed"}
    assert "api.test answered 401" in found["source_auth_failed"]["meaning"]
    assert found["source_auth_failed"]["what_to_do"] == "bookinghub sources resume meetergo"
    shown = await status(world)
    assert (shown["state"], shown["sources"]["meetergo"]["state"]) == ("degraded", "auth_failed")
    assert (await world.client(None).get("/readyz")).status_code == 200
