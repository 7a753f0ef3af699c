"""Reading a calendar back: own entries on all pages, nobody else's, and what a person did to them."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.errors import AuthError, TransientError
from adapters.google_calendar import client
from adapters.google_calendar.simulator import CALENDAR
from adapters.testing import sample_booking, sample_states
from events import Booking
from events.state import Host
from tests.contract.acting import NOON, Clock, context, made
from tests.contract.google_calendar.stand_in import CalendarServer, StandIn, sink_on

BOOKED, MOVED, *_, CANCELLED = sample_states()
WHEN = {
    "start": {"dateTime": "2026-10-23T10:00:00+02:00"},
    "end": {"dateTime": "2026-10-23T11:00:00+02:00"},
}


@pytest.fixture
def stand_in(calendar_server: CalendarServer) -> StandIn:
    return StandIn(calendar_server)


def numbered(number: int) -> Booking:
    return sample_booking(booking_id=f"b-{number}", provider_id=f"b-{number}")


def copied(entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: entry[name] for name in ("summary", "start", "end", "extendedProperties")} | changes


async def test_all_pages_are_read_in_as_many_requests(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE_SIZE", 3)
    sink = sink_on(stand_in, context())
    for number in range(7):
        await made(sink, numbered(number))
    before = sink.requests()
    seen = await sink.survey_all([], [])
    assert sorted(one.key for one in seen) == [f"b-{number}" for number in range(7)]
    assert sink.requests() - before == 3
    stand_in.fault(kind="status", status=503, on="list", skip=1)
    with pytest.raises(TransientError):
        await sink.survey()


async def test_a_cut_page_is_no_answer(stand_in: StandIn) -> None:
    sink = sink_on(stand_in, context())
    await made(sink, BOOKED)
    stand_in.fault(kind="truncated", on="list")
    with pytest.raises(TransientError):
        await sink.survey()


async def test_strangers_and_copies_that_people_made_are_never_listed(stand_in: StandIn) -> None:
    sink, other = sink_on(stand_in, context()), sink_on(stand_in, context(installation="installation-2"))
    receipt = await made(sink, BOOKED)
    await made(other, BOOKED)
    ours = stand_in.entries()[f"{CALENDAR}/{receipt.external_id}"]
    for body in (copied(ours), copied(ours, id="00c0p1ed"), WHEN | {"summary": "Lunch"}):
        stand_in.insert_by_hand(body)
    assert [one.external_id for one in await sink.survey_all([], [])] == [receipt.external_id]
    assert len(stand_in.entries()) == 5


async def test_an_edit_shows_in_the_fields_and_a_reformatted_time_does_not(stand_in: StandIn) -> None:
    clock = Clock()
    sink = sink_on(stand_in, context(clock))
    receipt = await made(sink, BOOKED)
    entry = stand_in.only()
    same = {
        "start": {"dateTime": "2026-10-23T09:00:00+01:00", "timeZone": "Europe/London"},
        "summary": f"  {entry['summary']} ",
        "location": f"{entry['location']} ",
        "attendees": [{"email": "jo@kunde.example"}],
    }
    stand_in.by_hand("PATCH", receipt.external_id, **same).raise_for_status()
    for seen in (await sink.observe("b-1001", "", receipt), *await sink.survey_all([], [])):
        assert seen is not None
        assert seen.fields == sink.preview(BOOKED, "")
        assert seen.etag != receipt.etag
        assert seen.edited_by is None
        assert seen.edited_at is not None
    stand_in.by_hand("PATCH", receipt.external_id, summary="Mine now", **WHEN).raise_for_status()
    (seen,) = await sink.survey_all([], [])
    changed = {name for name, value in sink.preview(BOOKED, "").items() if seen.fields[name] != value}
    assert changed == {"summary", "end"}
    stand_in.by_hand("PATCH", receipt.external_id, start={"date": "2026-10-23"}, end={"date": "2026-10-24"})
    (seen,) = await sink.survey_all([], [])
    assert (seen.fields["start"], seen.fields["end"]) == ("2026-10-23", "2026-10-24")


async def test_tombstones_are_absent_and_a_later_generation_is_found(stand_in: StandIn) -> None:
    stand_in.switch(undelete=False)
    sink = sink_on(stand_in, context())
    first = await made(sink, BOOKED)
    stand_in.by_hand("DELETE", first.external_id)
    assert await sink.observe("b-1001", "", first) is None
    assert await sink.survey_all([], []) == []
    second = await made(sink, MOVED, first)
    assert second.external_id != first.external_id
    for receipt in (first, second, None):
        seen = await sink.observe("b-1001", "", receipt)
        assert seen is not None
        assert seen.external_id == second.external_id


async def test_of_two_living_generations_the_newest_comes_last_and_either_can_be_removed(
    stand_in: StandIn,
) -> None:
    stand_in.switch(undelete=False)
    sink = sink_on(stand_in, context())
    first = await made(sink, BOOKED)
    stand_in.by_hand("DELETE", first.external_id)
    second = await made(sink, MOVED, first)
    stand_in.switch(undelete=True)
    stand_in.by_hand("PATCH", first.external_id, status="confirmed")
    older, newer = await sink.survey_all([], [])
    assert [older.external_id, newer.external_id] == [first.external_id, second.external_id]
    assert (older.key, older.part) == (newer.key, newer.part)
    assert await sink.sync(None, older.part, older.receipt) is None
    assert stand_in.only()["id"] == second.external_id


async def test_with_an_entry_per_host_every_calendar_that_is_named_is_read(stand_in: StandIn) -> None:
    mara, deniz = Host(id="h-1", email="Mara@studio.example"), Host(id="h-2", email="deniz@studio.example")
    both = BOOKED.model_copy(update={"hosts": (mara, deniz)})
    sink = sink_on(stand_in, context(), per="host")
    receipts = [await sink.sync(both, part, None) for part in sink.parts(both)]
    alone = MOVED.model_copy(update={"hosts": (mara,)})
    assert await sink.survey() is None
    seen = await sink.survey_all([alone], [receipt for receipt in receipts if receipt])
    assert {one.part: one.fields["calendar"] for one in seen} == {
        "h-1": "mara@studio.example",
        "h-2": "deniz@studio.example",
    }
    assert [one.part for one in await sink.survey_all([alone], [])] == ["h-1"]
    moved = both.model_copy(update={"hosts": (mara.model_copy(update={"email": "new@studio.example"}),)})
    assert sink.preview(moved, "h-1")["calendar"] == "new@studio.example"


async def test_a_hosts_calendar_that_is_gone_holds_nothing_and_one_not_shared_is_told(
    calendar_server: CalendarServer,
) -> None:
    stand_in = StandIn(calendar_server, **{"mara@studio.example": "owner"})
    sink = sink_on(stand_in, context(), per="host")
    hosts = (Host(id="h-1", email="mara@studio.example"), Host(id="h-2", email="left@studio.example"))
    booking = BOOKED.model_copy(update={"hosts": hosts})
    await sink.sync(booking, "h-1", None)
    assert [one.part for one in await sink.survey_all([booking], [])] == ["h-1"]
    stand_in.fault(kind="status", status=403, reason="forbidden", on="list")
    with pytest.raises(AuthError):
        await sink.survey_all([booking], [])


@pytest.mark.parametrize("edit", ["deleted", "edited", "untouched"])
async def test_told_to_look_it_repairs_what_a_person_did(stand_in: StandIn, edit: str) -> None:
    clock = Clock()
    sink = sink_on(stand_in, context(clock))
    receipt = await made(sink, BOOKED)
    clock.advance(timedelta(hours=1))
    if edit == "deleted":
        stand_in.by_hand("DELETE", receipt.external_id)
    elif edit == "edited":
        stand_in.by_hand("PATCH", receipt.external_id, summary="Mine now")
    trusted = await made(sink, BOOKED, receipt)
    assert trusted.detail == "unchanged"
    stand_in.forget_calls()
    looked = await made(sink, BOOKED, receipt.model_copy(update={"etag": None, "fingerprint": None}))
    assert looked.detail == {"deleted": "restored", "edited": "changed", "untouched": "unchanged"}[edit]
    assert stand_in.made()[0] == "get"
    (seen,) = await sink.survey_all([], [])
    assert seen.fields == sink.preview(BOOKED, "")
    assert clock.now > NOON
