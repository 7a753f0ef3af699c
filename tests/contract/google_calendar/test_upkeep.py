"""What Google documents and myworld does not do: conditional writes, undelete, tombstones that vanish."""

from collections.abc import Iterator

import pytest

from adapters.api import Receipt
from adapters.errors import AuthError, TransientError
from adapters.google_calendar.upkeep import SETTLED
from adapters.testing import sample_states
from tests.contract.acting import Clock, bring, context, made
from tests.contract.google_calendar.stand_in import CALENDAR, CalendarServer, StandIn, sink_on

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()


@pytest.fixture
def calendar(calendar_server: CalendarServer) -> Iterator[StandIn]:
    stand_in = StandIn(calendar_server)
    yield stand_in
    stand_in.close()


@pytest.fixture
def strict(calendar_server: CalendarServer) -> Iterator[StandIn]:
    """A calendar in which nothing can be undeleted."""
    stand_in = StandIn(calendar_server, undelete=False)
    yield stand_in
    stand_in.close()


async def test_each_state_takes_one_call_and_no_change_takes_none(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt: Receipt | None = None
    for state in (BOOKED, MOVED, CHANGED, MISSED, MISSED, CANCELLED):
        receipt = await bring(sink, state, receipt)
    assert calendar.made() == ["insert", "update", "update", "update", "delete"]


async def test_nobody_is_mailed_or_invited(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    assert "attendees" not in calendar.only()
    receipt = await made(sink, MOVED, receipt)
    await bring(sink, CANCELLED, receipt)
    assert {call["send_updates"] for call in calendar.called()} == {"none"}


async def test_changes_are_conditional_on_the_last_known_etag(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    receipt = await made(sink, MOVED, receipt)
    await bring(sink, CANCELLED, receipt)
    assert [call["if_match"] is not None for call in calendar.called()] == [False, True, True]


async def test_a_hand_edit_is_read_first_and_what_others_added_stays(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    calendar.by_hand(
        "PATCH",
        receipt.external_id,
        summary="edited",
        attendees=[{"email": "kim@studio.example"}],
        extendedProperties={"private": {"other": "tool"}},
    ).raise_for_status()
    calendar.forget_calls()
    moved = await made(sink, MOVED, receipt)
    assert calendar.made() == ["update", "get", "update"]
    entry = calendar.only()
    assert entry["summary"] == "Erstgespräch: Quendolin, Bo"
    assert entry["attendees"] == [{"email": "kim@studio.example"}]
    assert entry["extendedProperties"]["private"]["other"] == "tool"
    changed = await made(sink, MISSED, moved)
    assert calendar.only()["attendees"] == [{"email": "kim@studio.example"}]
    assert changed.data["foreign"] is True


@pytest.mark.parametrize("with_receipt", [True, False], ids=["held", "receipt lost"])
async def test_a_hand_deleted_entry_is_restored(calendar: StandIn, with_receipt: bool) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    calendar.by_hand("DELETE", receipt.external_id)
    moved = await made(sink, MOVED, receipt if with_receipt else None)
    assert moved.external_id == receipt.external_id
    assert moved.detail == "restored"
    assert calendar.only()["start"]["dateTime"] == "2026-10-27T09:00:00+01:00"
    assert not calendar.entries(deleted=True)


@pytest.mark.parametrize("with_receipt", [True, False], ids=["held", "receipt lost"])
async def test_where_undelete_is_refused_the_next_generation_follows(
    strict: StandIn, with_receipt: bool
) -> None:
    sink = sink_on(strict, context())
    receipt = await made(sink, BOOKED)
    strict.by_hand("DELETE", receipt.external_id)
    moved = await made(sink, MOVED, receipt if with_receipt else None)
    assert (moved.detail, moved.data["generation"]) == ("created", 1)
    assert strict.only()["id"] == moved.external_id != receipt.external_id
    assert await made(sink, MOVED, None) == moved.model_copy(update={"detail": "unchanged"})
    assert await bring(sink, CANCELLED, None) is None
    assert not strict.entries()


async def test_an_undelete_that_works_again_does_not_double_a_later_generation(strict: StandIn) -> None:
    sink = sink_on(strict, context())
    receipt = await made(sink, BOOKED)
    strict.by_hand("DELETE", receipt.external_id)
    moved = await made(sink, MOVED, receipt)
    strict.switch(undelete=True)
    await made(sink, CHANGED, receipt)
    assert strict.only()["id"] == moved.external_id


async def test_a_vanished_entry_gets_the_next_generation_once_it_is_old(calendar: StandIn) -> None:
    clock = Clock()
    sink = sink_on(calendar, context(clock))
    receipt = await made(sink, BOOKED)
    calendar.vanish(receipt.external_id)
    with pytest.raises(TransientError, match="cannot be read yet"):
        await sink.sync(MOVED, "", receipt)
    clock.advance(SETTLED)
    moved = await made(sink, MOVED, receipt)
    assert moved.data["generation"] == 1
    assert calendar.only()["id"] == moved.external_id


async def test_an_id_in_use_that_cannot_be_read_is_not_taken_for_done(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    calendar.fault(kind="status", on="insert", status=409, reason="duplicate")
    with pytest.raises(TransientError, match="cannot be read yet"):
        await sink.sync(BOOKED, "", None)
    await made(sink, BOOKED)
    assert calendar.only()


async def test_a_deleted_entry_of_a_cancelled_booking_stays_deleted(calendar: StandIn) -> None:
    sink = sink_on(calendar, context(), on_cancel="mark")
    receipt = await made(sink, BOOKED)
    calendar.by_hand("DELETE", receipt.external_id)
    assert await bring(sink, CANCELLED, receipt) is None
    assert not calendar.entries()


async def test_a_cancelled_booking_never_shown_creates_nothing(calendar: StandIn) -> None:
    for on_cancel in ("delete", "mark"):
        sink = sink_on(calendar, context(), on_cancel=on_cancel)
        assert await bring(sink, CANCELLED) is None
    assert calendar.entries() == calendar.entries(deleted=True) == {}


async def test_a_cancelled_booking_that_was_shown_unknown_to_us_is_marked_or_removed(
    calendar: StandIn,
) -> None:
    await made(sink_on(calendar, context()), BOOKED)
    await made(sink_on(calendar, context(), on_cancel="mark"), CANCELLED)
    assert calendar.only()["summary"].startswith("Cancelled: ")
    assert await bring(sink_on(calendar, context()), CANCELLED) is None
    assert not calendar.entries()


async def test_an_older_removal_leaves_a_newer_entry(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    old = await made(sink, BOOKED)
    reinstated = MOVED.model_copy(update={"position": 40})
    await made(sink, reinstated, old)
    left = await bring(sink, CANCELLED, old)
    assert left is not None
    assert left.position == 40
    assert calendar.only()["start"]["dateTime"] == "2026-10-27T09:00:00+01:00"


async def test_an_older_state_does_not_restore_what_was_deleted_at_a_newer(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, MOVED)
    calendar.by_hand("DELETE", receipt.external_id)
    assert await bring(sink, BOOKED) is None
    assert not calendar.entries()


async def test_a_reinstated_booking_comes_back(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    assert await bring(sink, CANCELLED, receipt) is None
    again = CANCELLED.reinstated().model_copy(update={"position": 60})
    back = await made(sink, again)
    assert calendar.only()["id"] == back.external_id


async def test_two_installations_do_not_touch_each_other(calendar: StandIn) -> None:
    production = sink_on(calendar, context(installation="production"))
    rehearsal = sink_on(calendar, context(installation="rehearsal"))
    receipt = await made(production, BOOKED)
    await made(rehearsal, BOOKED)
    assert len(calendar.entries()) == 2
    await bring(rehearsal, CANCELLED)
    assert calendar.only()["id"] == receipt.external_id


async def test_a_receipt_of_another_calendar_is_not_ours(calendar: StandIn) -> None:
    elsewhere = await made(sink_on(calendar, context(), calendar="old@group.calendar.google.com"), BOOKED)
    receipt = await made(sink_on(calendar, context()), BOOKED, elsewhere)
    assert receipt.external_id != elsewhere.external_id
    assert {name.partition("/")[0] for name in calendar.entries()} == {
        "old@group.calendar.google.com",
        CALENDAR,
    }


async def test_a_host_whose_address_changes_takes_the_entry_along(calendar: StandIn) -> None:
    sink = sink_on(calendar, context(), per="host")
    receipt = await bring(sink, BOOKED, part="h-1")
    renamed = BOOKED.hosts[0].model_copy(update={"email": "mara.neu@studio.example"})
    moved = MOVED.model_copy(update={"hosts": (renamed,)})
    assert await bring(sink, moved, receipt, part="h-1")
    (name,) = calendar.entries()
    assert name.startswith("mara.neu@studio.example/")


async def test_the_entries_of_a_booking_are_found_by_one_property(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    await made(sink, BOOKED.model_copy(update={"booking_id": "b-other"}))
    found = calendar.by_hand("GET", "?privateExtendedProperty=hub%3Dmeetergo%3Ab-1001").json()
    assert [entry["id"] for entry in found["items"]] == [receipt.external_id]


async def test_an_entry_that_never_shows_what_was_written_is_not_done(calendar: StandIn) -> None:
    """A person drags it back as fast as it is written: the hub waits instead of spinning."""
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    calendar.fault(kind="status", on="update", status=412, reason="conditionNotMet", times=None)
    with pytest.raises(TransientError, match="does not show"):
        await sink.sync(MOVED, "", receipt)
    assert len(calendar.made()) < 12


async def test_an_update_refused_for_lack_of_rights_is_for_a_person(calendar: StandIn) -> None:
    """The same 403 that a tombstone may answer; the entry is there, so it is about us."""
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    calendar.fault(kind="status", on="update", status=403, reason="forbidden", times=None)
    with pytest.raises(AuthError):
        await sink.sync(MOVED, "", receipt)


async def test_a_rate_limit_in_an_undelete_is_no_refusal(calendar: StandIn) -> None:
    sink = sink_on(calendar, context())
    receipt = await made(sink, BOOKED)
    calendar.by_hand("DELETE", receipt.external_id)
    calendar.fault(kind="status", on="update", status=403, reason="rateLimitExceeded", skip=1)
    with pytest.raises(TransientError):
        await sink.sync(MOVED, "", receipt)
    moved = await made(sink, MOVED, receipt)
    assert moved.external_id == receipt.external_id


async def test_an_address_in_the_receipt_leads_to_the_entry(calendar: StandIn) -> None:
    receipt = await made(sink_on(calendar, context()), BOOKED)
    assert receipt.url is not None
    assert receipt.url.endswith(receipt.external_id)
    assert receipt.target is not None
    assert CALENDAR in receipt.target
    assert receipt.position == BOOKED.position
