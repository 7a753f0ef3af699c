"""Plans over the API: pages, lines, what keeps one from being made, and what an apply has to name."""

import asyncio
import json
from typing import Any

import pytest
from sqlmodel import select
from starlette.types import Message, Receive, Scope, Send

from adapters.api import Observed
from adapters.errors import AuthError, PermanentError, TransientError
from hub.delivery.applying import Wanted
from hub.delivery.comparison import Comparison
from hub.delivery.errors import NotComparableError
from hub.delivery.plan import Desired, Standing, compare
from hub.store import drift, operations
from hub.store.tables import DeliveryRow, DriftCheckRow, DriftRow
from hub.web.api import plans
from tests.integration.web.world import NOW, World, on_both_databases

LINES = {"accept": "application/x-ndjson"}
SINK = "team-calendar"


def comparison(count: int = 5) -> Comparison:
    """So many bookings, the first of which is in step."""
    wanted = {f"b{n}": Desired(f"b{n}", 1, {"": {"summary": "Demo"}}, f"b{n}") for n in range(count)}
    seen = [Observed(key="b0", external_id="e0", fields={"summary": "Demo"})]
    items = compare(SINK, Standing(1, True, wanted), seen)
    return Comparison(SINK, "Google Calendar", True, items, count, requests=2, seconds=0.5)


def comparing(world: World, found: Any, *, after: asyncio.Event | None = None) -> World:
    """A target that answers at once, or after this."""

    async def look(sink: str, *, keys: frozenset[str] | None = None) -> Comparison:
        if after is not None:
            await after.wait()
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    return world.using(compare=look)


async def test_a_plan_comes_in_pages_what_differs_first(world: World) -> None:
    client = comparing(world, comparison()).client("read")
    first = (await client.get(f"/api/v1/sinks/{SINK}/plan", params={"limit": 3})).json()
    assert [item["key"] for item in first["items"]] == ["b1", "b2", "b3"]
    assert first["counts"] == {
        "create": 4, "change": 0, "remove": 0, "on_its_way": 0, "in_step": 1, "compared": 5,
    }  # fmt: skip
    rest = {"limit": 3, "cursor": first["next"]}
    second = (await client.get(f"/api/v1/sinks/{SINK}/plan", params=rest)).json()
    assert [(item["key"], item["action"]) for item in second["items"]] == [("b4", "create"), ("b0", "none")]
    assert second["next"] is None
    comparing(world, comparison(1))
    gone = await world.client("read").get(f"/api/v1/sinks/{SINK}/plan", params=rest)
    assert (gone.status_code, gone.json()["code"]) == (409, "preview-outdated")
    other = await client.get(f"/api/v1/sinks/{SINK}/plan", params={"cursor": "made.up"})
    assert other.status_code == 422


async def test_lines_are_the_whole_plan_with_its_end_last(world: World) -> None:
    client = comparing(world, comparison()).client("read", **LINES)
    answer = await client.get(f"/api/v1/sinks/{SINK}/plan")
    *items, end = [json.loads(line) for line in answer.text.splitlines()]
    assert len(items) == 5
    assert end["kind"] == "booking"
    assert (end["system"], end["requests"], end["duration_seconds"]) == ("Google Calendar", 2, 0.5)


@pytest.mark.parametrize(
    "found", [comparison(), TransientError("503 backendError")], ids=["a plan", "a problem"]
)
async def test_an_answer_that_takes_long_is_kept_alive(
    world: World, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    monkeypatch.setattr(plans, "QUIET_SECONDS", 0.02)
    heard_twice, quiet = asyncio.Event(), []
    served = comparing(world, found, after=heard_twice).app

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        async def heard(message: Message) -> None:
            if message.get("body") == b"\n":
                quiet.append(message)
            if len(quiet) == 2:
                heard_twice.set()
            await send(message)

        await served(scope, receive, heard)

    world.app = listening  # type: ignore[assignment]
    answer = await world.client("read", **LINES).get(f"/api/v1/sinks/{SINK}/plan")
    lines = answer.text.splitlines()
    assert lines.count("") >= 2
    last = json.loads(lines[-1])
    assert last.get("code") == ("target-unreachable" if isinstance(found, Exception) else None)
    assert ("counts" in last) is not isinstance(found, Exception)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TransientError("503"), 503, "target-unreachable"),
        (AuthError("401"), 502, "target-refused"),
        (PermanentError("404"), 502, "target-refused"),
        (NotComparableError("it cannot be read back"), 501, "not-supported"),
    ],
    ids=["transient", "auth", "permanent", "not comparable"],
)
async def test_what_keeps_a_plan_from_being_made_is_a_problem(
    world: World, error: Exception, status: int, code: str
) -> None:
    comparing(world, error)
    for headers in (LINES, {}):
        answer = await world.client("read", **headers).get(f"/api/v1/sinks/{SINK}/plan")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_unknown_sinks_and_bookings_are_not_found(world: World) -> None:
    client = comparing(world, comparison()).client("read")
    assert (await client.get("/api/v1/sinks/nobody/plan")).status_code == 404
    assert (await client.get(f"/api/v1/sinks/{SINK}/plan", params={"booking": "nobody"})).status_code == 404
    assert (await client.get(f"/api/v1/sinks/{SINK}/plan", params={"colour": "x"})).status_code == 422
    world.using(compare=None)
    assert (await world.client("read").get(f"/api/v1/sinks/{SINK}/plan")).status_code == 501


class Applying:
    """Takes what it is asked for and begins an operation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[Wanted] = []

    async def __call__(self, wanted: Wanted) -> str:
        self.asked.append(wanted)
        return await self.world.database.write(
            lambda session: operations.start(session, kind="apply", total=None, now=NOW).operation_id
        )


async def test_an_apply_names_sinks_a_booking_or_items_as_they_were_shown(world: World) -> None:
    applying = Applying(world)
    client = comparing(world, comparison()).using(apply=applying).client("operate")
    world.booking(provider_id="b1")
    shown = (await client.get(f"/api/v1/sinks/{SINK}/plan")).json()["items"]
    for body in ({}, {"sinks": ["crm"]}, {"sinks": [SINK], "booking": "b1"}, {"items": shown[:2]}):
        begun = await client.post("/api/v1/operations", json={"kind": "apply", **body})
        assert (begun.status_code, begun.json()["kind"]) == (202, "apply")
    everything, one, limited, items = applying.asked
    assert (everything.sinks, everything.asks) == ((SINK, "crm"), None)
    assert one.sinks == ("crm",)
    assert limited.keys == {SINK: frozenset({"b1"})}
    assert items.sinks == (SINK,)
    assert items.asks is not None
    assert [(ask.key, ask.action, ask.ticket.position) for ask in items.asks] == [
        ("b1", "create", 1),
        ("b2", "create", 1),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"sinks": "team-calendar"},
        {"items": {}},
        {"items": [{}]},
        {"items": ["x"]},
        {"items": [{"sink": SINK, "key": "b", "part": "", "action": "create", "observed": {}}]},
        {"colour": "red"},
    ],
    ids=["sinks", "items", "empty item", "text", "no ticket", "unknown"],
)
async def test_an_apply_that_cannot_be_understood_begins_nothing(world: World, body: dict[str, Any]) -> None:
    applying = Applying(world)
    client = world.using(apply=applying).client("operate")
    answer = await client.post("/api/v1/operations", json={"kind": "apply", **body})
    assert (answer.status_code, applying.asked) == (422, [])


async def test_reading_is_not_acting(world: World) -> None:
    client = world.using(apply=Applying(world)).client("read")
    assert (await client.post("/api/v1/operations", json={"kind": "apply"})).status_code == 403


def drifted(key: str, cause: str, *, sink: str = SINK, booking_id: str | None = None) -> DriftRow:
    return DriftRow(
        sink=sink,
        key=key,
        part="",
        external_id=f"e-{key}-{cause}",
        booking_id=booking_id,
        action="change",
        cause=cause,
        members=["start"],
        since=NOW,
    )


@on_both_databases
async def test_what_the_last_check_found_is_in_status_bookings_and_issues(world: World) -> None:
    for number in range(3):
        world.booking(provider_id=f"b{number}")
    world.change(lambda session: [setattr(row, "state", "delivered") for row in _rows(session)] and None)
    client = world.client("read")

    async def standing() -> tuple[int, dict[str, str], list[str]]:
        status = (await client.get("/api/v1/status")).json()
        booking = (await client.get("/api/v1/bookings/b0")).json()
        issues = (await client.get("/api/v1/issues")).json()["items"]
        return status["sinks"][SINK]["out_of_step"], booking["in_step"], [one["issue_id"] for one in issues]

    assert await standing() == (0, {SINK: "in_step", "crm": "in_step", "team-chat": "in_step"}, [])
    assert (await client.get(f"/api/v1/sinks/{SINK}")).json()["drift"] is None
    check = DriftCheckRow(sink=SINK, next_at=NOW, checked_at=NOW, compared=3)
    found = [
        drifted("b0", "edited_by_hand", booking_id="b0"),
        drifted("b1", "deleted_by_hand", booking_id="b1"),
        drifted("b1", "doubled", booking_id="b1"),
    ]
    world.change(lambda session: drift.record_check(session, check, found))
    count, in_step, issues = await standing()
    assert (count, in_step[SINK], in_step["crm"]) == (2, "drifted", "in_step")
    assert issues == [f"double_entries:{SINK}", f"drift_found:{SINK}"]
    shown = (await client.get(f"/api/v1/issues/drift_found:{SINK}")).json()
    assert "1 deleted by hand, 1 edited by hand" in shown["meaning"]
    assert shown["what_to_do"] == f"bookinghub plan {SINK}"
    sink = (await client.get(f"/api/v1/sinks/{SINK}")).json()["drift"]
    assert (sink["compared"], sink["drifted"], sink["error"]) == (3, 3, None)
    world.change(lambda session: drift.clear(session, sink=SINK, key="b1"))
    assert (await standing())[0] == 1
    again = DriftCheckRow(sink=SINK, next_at=NOW, checked_at=NOW, compared=3)
    world.change(lambda session: drift.record_check(session, again, []))
    assert await standing() == (0, {SINK: "in_step", "crm": "in_step", "team-chat": "in_step"}, [])


async def test_a_contact_that_drifted_is_seen_in_its_bookings(world: World) -> None:
    world.booking(provider_id="b0")
    world.change(lambda session: [setattr(row, "state", "delivered") for row in _rows(session)] and None)
    client = world.client("read")
    (contact,) = [row.key for row in world.change(_rows) if row.sink == "crm"]
    check = DriftCheckRow(sink="crm", next_at=NOW, checked_at=NOW, compared=1)
    world.change(
        lambda session: drift.record_check(session, check, [drifted(contact, "outdated", sink="crm")])
    )
    booking = (await client.get("/api/v1/bookings/b0")).json()
    assert booking["in_step"] == {SINK: "in_step", "crm": "drifted", "team-chat": "in_step"}
    assert (await client.get("/api/v1/status")).json()["sinks"]["crm"]["out_of_step"] == 1


def _rows(session: Any) -> list[Any]:
    return list(session.exec(select(DeliveryRow)))
