"""Which facts the provider's sample webhooks give."""

import json
from typing import Any

import pytest

from hub.store import inbox, quarantine
from hub.store.inbox import InboxFilter
from tests.integration.ingest.column import Column, sample

GROUP = ("booking_created.group_first_attendee.flat", "booking_created.group_further_attendees.flat")
MOVED = ("booking_created.flat", "booking_rescheduled.flat")
CANCELLED = (*MOVED, "booking_cancelled.flat")
NOTHING: list[str] = []

CASES: list[tuple[tuple[str, ...], str, str, list[str]]] = [
    ((), "booking_created.flat", "accepted", ["BookingCreated"]),
    ((), "booking_created.wrapped", "accepted", ["BookingCreated"]),
    ((), "booking_created.phone_only.flat", "accepted", ["BookingCreated"]),
    ((), "booking_created.replacement.flat", "accepted", ["BookingCreated"]),
    ((), "booking_created.replacement_with_link.flat", "accepted", ["BookingCreated"]),
    ((), GROUP[0], "accepted", ["BookingCreated"]),
    (GROUP[:1], GROUP[1], "accepted", ["AttendeeAdded", "AttendeeAdded"]),
    (GROUP, "booking_cancelled.group_attendee_removed.flat", "accepted", ["AttendeeRemoved"]),
    (
        (*GROUP, "booking_cancelled.group_attendee_removed.flat"),
        "booking_cancelled.group_cancel_all.flat",
        "accepted",
        ["BookingCancelled"],
    ),
    (MOVED[:1], "booking_rescheduled.flat", "accepted", ["BookingRescheduled"]),
    (MOVED[:1], "booking_rescheduled.wrapped", "accepted", ["BookingRescheduled"]),
    (MOVED[:1], "booking_created.wrapped", "duplicate", NOTHING),
    (MOVED, "booking_rescheduled.wrapped", "duplicate", NOTHING),
    (MOVED, "booking_created.flat", "duplicate", NOTHING),
    (MOVED, "booking_cancelled.flat", "accepted", ["BookingCancelled"]),
    (CANCELLED, "booking_cancelled.wrapped", "duplicate", NOTHING),
    (CANCELLED, "booking_cancelled.cancelledAt_variant.flat", "accepted", NOTHING),
    ((), "booking_rescheduled.flat", "accepted", ["BookingCreated", "BookingRescheduled"]),
    ((), "booking_cancelled.superseded.flat", "accepted", ["BookingCreated", "BookingCancelled"]),
    (
        ("booking_cancelled.superseded.flat",),
        "booking_created.replacement_with_link.flat",
        "accepted",
        ["BookingContinues", "BookingRescheduled"],
    ),
    ((), "unknown_type.flat", "quarantined", NOTHING),
    ((), "malformed.no_type", "quarantined", NOTHING),
    ((), "new_employee.minimal.flat", "ignored", NOTHING),
    ((), "form_submission.minimal.flat", "ignored", NOTHING),
]


@pytest.mark.parametrize(
    ("before", "name", "status", "facts"), CASES, ids=[f"{len(case[0])} then {case[1]}" for case in CASES]
)
async def test_sample_gives_its_facts(
    column: Column, before: tuple[str, ...], name: str, status: str, facts: list[str]
) -> None:
    for earlier in before:
        await column.send(sample(earlier))
        await column.settled()
    known = len(await column.events())
    answer = await column.send(sample(name))
    await column.settled()
    assert (answer.status, answer.json["status"]) == (200, status)
    assert await column.facts(after=known) == facts
    listed = await column.database.read(lambda session: inbox.listing(session, InboxFilter()))
    assert listed.items[0].receipt_id == answer.json["receipt"]
    waiting = await column.database.read(quarantine.count_waiting)
    assert waiting == (status == "quarantined")


async def test_facts_know_where_they_came_from(column: Column) -> None:
    receipt = (await column.send(sample("booking_created.flat"))).json["receipt"]
    await column.settled()
    (created,) = await column.events()
    assert (created.provenance, created.causation_id) == ("webhook", receipt)
    assert created.booking is not None
    assert created.booking.title == "Erstgespräch"
    assert created.booking.booker == created.booking.attendees[0].contact_id
    assert created.booking.attendees[0].email == "ilse.brandvold@kunde.example"


async def test_a_replacement_goes_on_under_the_root(column: Column) -> None:
    for name in ("booking_cancelled.superseded.flat", "booking_created.replacement_with_link.flat"):
        await column.send(sample(name))
        await column.settled()
    root = "74e2d0c9-8b1a-4f36-a5d7-e6c3b2a190f8"
    new = "9c0b1a2d-3e4f-4a5b-8c6d-7e8f90a1b2c3"
    last = (await column.events())[-1].booking
    assert last is not None
    assert (last.booking_id, last.provider_ids, last.status) == (root, (root, new), "active")
    cancelled = json.loads(sample("booking_created.replacement_with_link.flat"))
    cancelled |= {"isCancelled": True, "updatedAt": "2026-11-09T10:00:00Z"}
    await column.send(cancelled)
    await column.settled()
    final = (await column.events())[-1]
    assert (final.type, final.booking_id, final.provider_id) == ("BookingCancelled", root, new)


async def test_old_half_changes_nothing_any_more(column: Column) -> None:
    created = json.loads(sample("booking_cancelled.superseded.flat"))
    created |= {"isCancelled": False, "cancel": None, "updatedAt": "2026-10-30T06:55:41Z"}
    await column.send(created)
    await column.settled()
    await column.send(sample("booking_created.replacement_with_link.flat"))
    await column.settled()
    await column.send(sample("booking_cancelled.superseded.flat"))
    await column.settled()
    assert await column.facts() == ["BookingCreated", "BookingContinues", "BookingRescheduled"]


def variants() -> list[dict[str, Any]]:
    """One webhook in both envelopes, its version in both precisions."""
    flat: dict[str, Any] = json.loads(sample("booking_created.flat"))
    precise = {**flat, "updatedAt": "2026-10-12T07:31:09.412Z"}
    found = []
    for body in (flat, precise):
        data = {name: value for name, value in body.items() if name != "webhookType"}
        found += [body, {"event": "booking_created", "data": data}]
    return found


async def test_one_webhook_a_thousand_times_is_one_fact(column: Column) -> None:
    for _ in range(10):
        for body in variants() * 25:
            assert (await column.send(body)).status == 200
    await column.settled()
    assert await column.facts() == ["BookingCreated"]
    receipts = await column.database.read(lambda session: inbox.listing(session, InboxFilter(), limit=None))
    assert len(receipts.items) == 1000
