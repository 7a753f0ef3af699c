"""What a changed configuration shows of itself: held objects, orphans, previews, differences, reasons."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from adapters.api import AdapterContext, BookingMirror, Receipt, Sink, SinkConfig
from events import Booking
from hub.errors import ConfigError, Problem
from hub.projections.effects import Effect
from hub.settings.changes import Change
from hub.settings.match import Match
from hub.settings.models import SinkSettings
from hub.store import former, guard, receipts, sinks
from hub.store.tables import DeliveryRow, TargetReceiptRow
from hub.web.services import PreviewOutdatedError, Reloaded, ReloadProblem
from tests.integration.web.standing import issues, status
from tests.integration.web.world import NOW, World, on_both_databases

SINK = "team-calendar"


class BoardConfig(SinkConfig):
    """Nothing to set."""


class Board(BookingMirror[BoardConfig]):
    """Says what it would write."""

    name = "board"
    config_class = BoardConfig
    closed = 0

    def target(self) -> str:
        return "board-1"

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        return {"title": booking.title} if booking.status == "active" else {}

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        return None

    async def close(self) -> None:
        Board.closed += 1


class Silent(Board):
    preview = BookingMirror.preview


def with_match(world: World, **keys: Any) -> World:
    """The calendar takes some bookings only, as the reader and the settings know."""
    match = Match.model_validate(keys)
    world.registrations = [
        replace(one, match=match) if one.name == SINK else one for one in world.registrations
    ]
    sink = world.settings.sinks[SINK].model_copy(update={"match": match})
    world.settings = replace(world.settings, sinks={**world.settings.sinks, SINK: sink})
    return world.using(settings=world.settings)


def holding(world: World, count: int) -> World:
    """A calendar that holds bookings of which it should have none, held by the guard."""
    for number in range(count):
        world.booking(provider_id=f"b{number}")

    def work(session: Any) -> None:
        for row in guard_rows(session):
            row.state, row.guard, row.due_at = "pending", guard.HELD, guard.UNTIL_LET_GO
            row.cause = "config:2"
            receipts.put(session, receipt(row.key))

    world.change(work)
    return with_match(world, host="nobody")


def guard_rows(session: Any) -> list[DeliveryRow]:
    return list(session.exec(select(DeliveryRow).where(DeliveryRow.sink == SINK)))


def receipt(key: str, target: str = "board-1", sink: str = SINK) -> TargetReceiptRow:
    return TargetReceiptRow(
        sink=sink, key=key, part="", target=target, external_id=f"x-{key}", position=1, updated_at=NOW
    )


@on_both_databases
async def test_a_sink_the_guard_holds_says_so_everywhere(world: World) -> None:
    holding(world, 3)
    shown = (await status(world))["sinks"][SINK]
    assert shown["state"] == "held"
    assert (await status(world))["state"] == "degraded"
    found = (await issues(world))["guard_held"]
    assert (found["object"], found["severity"]) == (SINK, "critical")
    assert "3 objects" in found["meaning"]
    client = world.client("read")
    sink = (await client.get(f"/api/v1/sinks/{SINK}")).json()
    assert (sink["held"], sink["match"], sink["guard"]) == (3, {"host": "nobody"}, 20)
    booking = (await client.get("/api/v1/bookings/b0")).json()
    assert booking["in_step"][SINK] == "paused"
    story = (await client.get("/api/v1/bookings/b0/story")).json()
    [pending] = [item for item in story["pending"] if item["object"] == SINK]
    assert (pending["due_at"], pending["detail"]) == (None, f"held: bookinghub sinks resume {SINK}")


async def test_what_is_held_is_listed_and_chosen_by_a_state_of_its_own(world: World) -> None:
    holding(world, 3)
    client = world.client("operate")
    listed = (await client.get("/api/v1/deliveries", params={"state": "held"})).json()["items"]
    assert {(row["sink"], row["state"], row["held"], row["cause"]) for row in listed} == {
        (SINK, "pending", True, "config:2")
    }
    assert {row["due_at"] for row in listed} == {None}
    both = (await client.get("/api/v1/deliveries", params={"state": ["held", "dead"]})).json()["items"]
    assert len(both) == 3
    dropped = await client.post("/api/v1/deliveries/drop", json={"sink": SINK, "state": "held"})
    assert dropped.json()["count"] == 3
    assert (await status(world))["sinks"][SINK]["state"] == "running"
    assert (await client.post("/api/v1/deliveries/retry", json={"state": "held"})).status_code == 422


async def test_held_objects_are_let_go_as_they_were_shown(world: World) -> None:
    holding(world, 25)
    client = world.client("operate")
    url = f"/api/v1/sinks/{SINK}/resume"
    shown = (await client.post(url, json={"dry_run": True})).json()
    waiting = shown["waiting"]
    assert (waiting["count"], waiting["remove"], waiting["change"]) == (25, 25, 0)
    assert len(waiting["items"]) == 20
    assert (await status(world))["sinks"][SINK]["state"] == "held"
    assert (await client.post(url, json={})).json()["held"] == 25
    assert (await client.post(url, json={"preview": "other"})).status_code == 409
    resumed = await client.post(url, json={"preview": waiting["preview"]})
    assert (resumed.json()["held"], resumed.json()["state"]) == (0, "running")
    rows = world.change(guard_rows)
    assert {(row.guard, row.due_at) for row in rows} == {(None, NOW)}
    assert world.woken


async def test_a_pause_and_a_guard_are_ended_by_one_act(world: World) -> None:
    holding(world, 1)
    client = world.client("operate")
    await client.post(f"/api/v1/sinks/{SINK}/pause", json={"reason": "holiday"})
    assert (await status(world))["sinks"][SINK]["state"] == "paused"
    preview = (await client.post(f"/api/v1/sinks/{SINK}/resume", json={"dry_run": True})).json()["waiting"]
    await client.post(f"/api/v1/sinks/{SINK}/resume", json={"preview": preview["preview"]})
    assert (await status(world))["sinks"][SINK]["state"] == "running"


async def test_why_a_booking_is_not_taken_is_told(world: World) -> None:
    with_match(world, meeting_type="vor-ort-*")
    world.booking(provider_id="b1")
    client = world.client("read")
    story = (await client.get("/api/v1/bookings/b1/story")).json()
    assert story["booking"]["in_step"][SINK] == "not_matched"
    assert story["no_match"] == {SINK: f"meeting_type is erstgespraech, {SINK} wants vor-ort-*"}
    [row] = world.change(guard_rows)
    assert (row.state, row.reason) == ("skipped", "not_matched")


async def test_a_removed_booking_is_not_matched_rather_than_in_step(world: World) -> None:
    world.booking(provider_id="b1")

    def removed(session: Any) -> None:
        for row in guard_rows(session):
            row.state, row.reason, row.outcome = "delivered", "not_matched", "removed"

    world.change(removed)
    booking = (await world.client("read").get("/api/v1/bookings/b1")).json()
    assert booking["in_step"][SINK] == "not_matched"


def adapters(world: World, adapter_class: type[Board]) -> World:
    async def adapter(entry: SinkSettings) -> Sink:
        context = AdapterContext(instance=entry.name, installation_id="i1", clock=world.clock.now)
        return adapter_class(BoardConfig(), context)

    return world.using(adapter=adapter)


async def test_a_preview_shows_the_object_and_calls_nobody(world: World) -> None:
    adapters(with_match(world, host="nobody"), Board)
    world.booking(provider_id="b1", title="Demo")
    Board.closed = 0
    client = world.client("read")
    shown = (await client.get(f"/api/v1/sinks/{SINK}/preview", params={"booking": "b1"})).json()
    assert shown == {
        "sink": SINK,
        "booking_id": "b1",
        "target": "board-1",
        "no_match": f"host is mara@studio.example, {SINK} wants nobody",
        "parts": [{"part": "", "object": {"title": "Demo"}}],
    }
    assert Board.closed == 1
    for query in ({}, {"booking": "b1", "x": "y"}, {"ref": "b1"}):
        assert (await client.get(f"/api/v1/sinks/{SINK}/preview", params=query)).status_code == 422
    assert (await client.get(f"/api/v1/sinks/{SINK}/preview?booking=zz")).status_code == 404


async def test_an_adapter_that_shows_nothing_says_so(world: World) -> None:
    adapters(world, Silent)
    world.booking(provider_id="b1")
    client = world.client("read")
    answer = await client.get(f"/api/v1/sinks/{SINK}/preview", params={"booking": "b1"})
    assert (answer.status_code, answer.json()["code"]) == (501, "not-supported")


@on_both_databases
async def test_an_orphan_is_an_issue_until_it_is_forgotten(world: World) -> None:
    world.booking(provider_id="b1")

    def leave(session: Any) -> None:
        sinks.see(session, "old", type="any", start_position=0, now=NOW)
        receipts.put(session, receipt("b1", sink="old"))

    world.change(leave)
    found = (await issues(world))["sink_orphaned"]
    assert (found["object"], found["what_to_do"]) == ("old", "bookinghub sinks forget old --dry-run")
    assert "1 object" in found["meaning"]
    client = world.client("admin")
    shown = (await client.post("/api/v1/sinks/old/forget", json={"dry_run": True})).json()
    assert (shown["receipts"], shown["deliveries"], shown["dry_run"]) == (1, 0, True)
    for confirm in ({}, {"confirm": "olld"}):
        assert (await client.post("/api/v1/sinks/old/forget", json=confirm)).status_code == 422
    assert (await client.post("/api/v1/sinks/old/forget", json={"confirm": "old"})).status_code == 200
    assert "sink_orphaned" not in await issues(world)
    assert (await client.post("/api/v1/sinks/old/forget", json={"dry_run": True})).status_code == 404
    operator = world.client("operate")
    assert (await operator.post("/api/v1/sinks/old/forget", json={"dry_run": True})).status_code == 403


async def test_a_sink_in_the_configuration_is_not_forgotten_but_what_it_left_is(world: World) -> None:
    client = world.client("admin")
    refused = await client.post(f"/api/v1/sinks/{SINK}/forget", json={"confirm": SINK})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")

    def turn(session: Any) -> None:
        receipts.put(session, receipt("b1", target="board-0"))
        former.turn_to(session, SINK, target="board-1", now=NOW)

    world.change(turn)
    assert "1 object at board-0" in (await issues(world))["sink_orphaned"]["meaning"]
    sink = (await client.get(f"/api/v1/sinks/{SINK}")).json()
    assert [(one["target"], one["count"]) for one in sink["former"]] == [("board-0", 1)]
    assert (await client.post(f"/api/v1/sinks/{SINK}/forget", json={"confirm": SINK})).status_code == 200
    assert "sink_orphaned" not in await issues(world)
    assert world.change(lambda session: sinks.get(session, SINK)) is not None


EFFECT = Effect(sink=SINK, kind="booking", changes=("match",), enter=37, leave=12)


class FakeReload:
    def __init__(self) -> None:
        self.taken_over = 0
        self.error: Exception | None = None

    async def __call__(self, *, dry_run: bool, preview: str | None = None) -> Reloaded:
        if self.error is not None:
            raise self.error
        if preview not in (None, "now"):
            raise PreviewOutdatedError("the files have changed since; look again")
        self.taken_over += not dry_run
        changes = [
            Change("http.listen", "127.0.0.1:1", "127.0.0.1:2", "restart"),
            Change(f"sinks.{SINK}.match", None, {"host": "x"}, "reload"),
        ]
        return Reloaded(changes, [EFFECT], "now", applied=not dry_run)


async def test_a_difference_is_told_and_taken_over(world: World) -> None:
    reload = FakeReload()
    world.using(reload=reload)
    client = world.client("admin")
    shown = (await client.get("/api/v1/config/diff")).json()
    assert shown["restart"] == ["http.listen"]
    assert shown["effects"][0]["text"] == f"{SINK}: match changed: 37 bookings enter, 12 leave"
    assert shown["changes"][1] == {
        "key": f"sinks.{SINK}.match", "before": None, "after": {"host": "x"}, "applies": "reload",
    }  # fmt: skip
    dry = (await client.post("/api/v1/config/reload", json={"dry_run": True})).json()
    assert dry == shown
    assert reload.taken_over == 0
    outdated = await client.post("/api/v1/config/reload", json={"preview": "before"})
    assert (outdated.status_code, outdated.json()["code"]) == (409, "preview-outdated")
    done = await client.post("/api/v1/config/reload", json={"preview": dry["preview"]})
    assert (done.status_code, done.json()["dry_run"], reload.taken_over) == (200, False, 1)
    assert (await world.client("operate").post("/api/v1/config/reload", json={})).status_code == 403


async def test_files_that_cannot_be_used_are_refused_with_every_problem(world: World) -> None:
    reload = FakeReload()
    reload.error = ConfigError(
        "…", [Problem("hub.yaml", 3, 5, "sinks.x", "unknown key"), Problem("hub.yaml", 9, 1, "y", "empty")]
    )
    world.using(reload=reload)
    for call in (
        world.client("admin").get("/api/v1/config/diff"),
        world.client("admin").post("/api/v1/config/reload", json={}),
    ):
        answer = await call
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "invalid")
        assert [(one["pointer"], one["line"]) for one in problem["errors"]] == [("sinks.x", "3"), ("y", "9")]
        assert problem["next"].startswith("bookinghub config check")


async def test_a_failed_reload_is_an_issue(world: World) -> None:
    world.using(reload_problem=lambda: ReloadProblem(NOW - timedelta(minutes=1), "hub.yaml:3:5 x: unknown"))
    found = (await issues(world))["reload_failed"]
    assert (found["object"], found["severity"]) == ("configuration", "critical")
    assert "hub.yaml:3:5" in found["meaning"]


async def test_a_hub_that_does_not_run_reloads_nothing(world: World) -> None:
    answer = await world.client("admin").get("/api/v1/config/diff")
    assert (answer.status_code, answer.json()["next"]) == (501, "bookinghub run")


@pytest.mark.parametrize("path", ["/api/v1/config/diff", f"/api/v1/sinks/{SINK}/preview?booking=b1"])
async def test_reading_needs_a_token(world: World, path: str) -> None:
    assert (await world.client(None).get(path)).status_code == 401
