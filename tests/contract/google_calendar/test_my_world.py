"""Against an independent server: whatever goes wrong, the right entries at the end and no doubles."""

from datetime import datetime
from typing import Any

import pytest

from adapters.errors import AuthError, PermanentError
from adapters.google_calendar import client
from adapters.testing import sample_states
from events import Booking
from events.state import Host
from tests.contract.acting import bring, context, made
from tests.contract.google_calendar.my_world import COLLEAGUE, OWNER, World

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()

KINDS = (
    "timeout",
    "timeout_after_commit",
    "truncated",
    "duplicate_commit",
    "rate_limit",
    "server_error",
    "unavailable",
    "transport_error",
    "bad_gateway",
)


def is_shown(event: dict[str, Any], booking: Booking) -> bool:
    return (
        datetime.fromisoformat(event["start"]["dateTime"]) == booking.start
        and datetime.fromisoformat(event["end"]["dateTime"]) == booking.end
        and event["extendedProperties"]["private"]["hub_position"] == f"1:{booking.position}"
    )


async def test_an_entry_is_created_moved_marked_and_removed(world: World) -> None:
    sink = world.sink(context())
    await sink.open()
    receipt = await made(sink, BOOKED)
    (event,) = world.shown()
    assert is_shown(event, BOOKED)
    assert event["summary"] == "Erstgespräch: Quendolin, Bo"
    assert event["extendedProperties"]["private"]["hub"] == "meetergo:b-1001"
    assert not event.get("attendees")
    moved = await made(sink, MOVED, receipt)
    (event,) = world.shown()
    assert is_shown(event, MOVED)
    assert moved.external_id == receipt.external_id
    missed = await made(sink, MISSED, moved)
    (event,) = world.shown()
    assert event["summary"] == "No-show 1 of 2: Erstgespräch: Quendolin, Bo"
    assert await bring(sink, CANCELLED, missed) is None
    assert world.shown() == []
    assert world.calls() == ["list", "insert", "update", "update", "delete"]


async def test_a_cancelled_booking_is_marked_where_so_configured(world: World) -> None:
    sink = world.sink(context(), on_cancel="mark")
    receipt = await made(sink, BOOKED)
    await made(sink, CANCELLED, receipt)
    (event,) = world.shown()
    assert event["summary"].startswith("Cancelled: ")
    assert event["transparency"] == "transparent"


@pytest.mark.parametrize("kind", KINDS)
async def test_creating_survives(world: World, kind: str) -> None:
    world.fault("insert", kind)
    receipt = await made(world.sink(context()), BOOKED)
    (event,) = world.events()
    assert world.met(kind)
    assert is_shown(event, BOOKED)
    assert receipt.external_id == event["id"]


@pytest.mark.parametrize("kind", KINDS)
async def test_moving_survives(world: World, kind: str) -> None:
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    world.fault("update", kind)
    await made(sink, MOVED, receipt)
    (event,) = world.events()
    assert world.met(kind)
    assert is_shown(event, MOVED)


@pytest.mark.parametrize("kind", KINDS)
async def test_removing_survives(world: World, kind: str) -> None:
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    world.fault("delete", kind)
    assert await bring(sink, CANCELLED, receipt) is None
    assert world.met(kind)
    assert world.shown() == []


@pytest.mark.parametrize("kind", ["timeout_after_commit", "truncated", "duplicate_commit", "server_error"])
async def test_recreating_a_hand_deleted_entry_survives(world: World, kind: str) -> None:
    """It cannot be undeleted there, so the next generation is created, under the fault."""
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    world.delete_by_hand(receipt.external_id)
    world.fault("insert", kind)
    moved = await made(sink, MOVED, receipt)
    (event,) = world.shown()
    assert world.met(kind)
    assert is_shown(event, MOVED)
    assert moved.external_id == event["id"] != receipt.external_id
    assert moved.data["generation"] == 1


async def test_a_later_generation_is_found_again_without_its_receipt(world: World) -> None:
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    for _ in range(2):
        world.delete_by_hand(receipt.external_id)
        receipt = await made(sink, MOVED.model_copy(update={"position": receipt.position + 1}), receipt)
        receipt = receipt.model_copy(update={"fingerprint": None})
    assert receipt.data["generation"] == 2
    await made(sink, CHANGED.model_copy(update={"position": 90}), None)
    (event,) = world.shown()
    assert event["id"] == receipt.external_id
    assert await bring(sink, CANCELLED.model_copy(update={"position": 91}), None) is None
    assert world.shown() == []


async def test_an_entry_deleted_by_hand_counts_as_removed(world: World) -> None:
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    world.delete_by_hand(receipt.external_id)
    assert await bring(sink, CANCELLED, receipt) is None
    assert world.shown() == []


async def test_each_host_has_an_entry_in_the_own_calendar(world: World) -> None:
    sink = world.sink(context(), per="host")
    host = Host(id="h-1", email=OWNER.title(), name="Host")
    other = Host(id="h-2", email=COLLEAGUE, name="Deniz")
    booked = BOOKED.model_copy(update={"hosts": (host,)})
    assert sink.parts(booked) == ("h-1",)
    receipt = await bring(sink, booked, part="h-1")
    (event,) = world.shown()
    assert event["calendarId"] == OWNER
    handed_over = MOVED.model_copy(update={"hosts": (other,)})
    assert sink.parts(handed_over) == ("h-2",)
    with pytest.raises(AuthError, match="requiredAccessLevel"):
        await sink.sync(handed_over, "h-2", None)
    assert await bring(sink, None, receipt, part="h-1") is None
    assert world.shown() == []


async def test_no_calendar_and_no_token_are_told_apart(world: World) -> None:
    with pytest.raises(PermanentError, match="no such calendar"):
        await world.sink(context(), calendar="nobody@acme.com").sync(BOOKED, "", None)
    with pytest.raises(AuthError):
        await world.sink(context(), credentials={"access_token": "ya29.wrong"}).open()


async def test_what_is_read_back_is_what_was_written_and_nobody_elses(world: World) -> None:
    sink, other = world.sink(context()), world.sink(context(installation="installation-2"))
    for state in (BOOKED, MOVED, CHANGED, MISSED):
        receipt = await made(sink, state)
        for seen in (await sink.observe("b-1001", "", receipt), *await sink.survey_all([], [])):
            assert seen is not None
            assert seen.fields == sink.preview(state, "")
    await made(other, BOOKED)
    entry = next(event for event in world.shown() if event["id"] == receipt.external_id)
    when = {name: entry[name] for name in ("start", "end")}
    world.insert_by_hand(summary="Lunch", **when)
    world.insert_by_hand(summary="A copy", extendedProperties=entry["extendedProperties"], **when)
    assert len(world.shown()) == 4
    assert [seen.external_id for seen in await sink.survey_all([], [])] == [receipt.external_id]


async def test_many_pages_are_read_to_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE_SIZE", 2)
    sink = world.sink(context())
    for number in range(5):
        name = f"b-{number}"
        await made(sink, BOOKED.model_copy(update={"booking_id": name, "provider_id": name}))
    world.insert_by_hand(summary="Lunch", start={"date": "2026-10-23"}, end={"date": "2026-10-24"})
    assert len(await sink.survey_all([], [])) == 5
    assert world.calls().count("list") == 3


async def test_what_people_did_is_seen_and_repaired_when_told_to_look(world: World) -> None:
    sink = world.sink(context())
    receipt = await made(sink, BOOKED)
    told_to_look = receipt.model_copy(update={"etag": None, "fingerprint": None})
    world.edit_by_hand(receipt.external_id, summary="Mine now")
    (seen,) = await sink.survey_all([], [])
    assert seen.fields == sink.preview(BOOKED, "") | {"summary": "Mine now"}
    await made(sink, BOOKED, told_to_look)
    (event,) = world.shown()
    assert event["summary"] == "Erstgespräch: Quendolin, Bo"
    world.delete_by_hand(receipt.external_id)
    assert await sink.survey_all([], []) == []
    assert await sink.observe("b-1001", "", receipt) is None
    await made(sink, BOOKED, told_to_look)
    (seen,) = await sink.survey_all([], [])
    assert seen.fields == sink.preview(BOOKED, "")
    assert await sink.sync(None, "", seen.receipt) is None
    assert world.shown() == []
