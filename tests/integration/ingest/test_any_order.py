"""Whatever order a booking's webhooks come in, however often and in whichever form: it ends the same."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from events import AttendeeSnapshot, Booking, BookingSnapshot
from tests.integration.ingest.column import Column
from tests.unit.events.strategies import Provider, providers

STYLES = ("flat", "wrapped")
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Delivered:
    """A booking's life, and its webhooks as they happen to come."""

    provider: Provider
    webhooks: list[dict[str, Any]]


def drawn(count: int) -> list[Delivered]:
    """So many lives, each with its webhooks doubled and shuffled, in both envelopes and both precisions."""
    found: list[Delivered] = []

    @settings(
        max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(providers(apart=st.integers(1, 90)), st.data())
    def draw(provider: Provider, data: st.DataObject) -> None:
        booking_id = f"booking-{len(found)}"
        again = data.draw(st.lists(st.sampled_from(provider.told), max_size=4))
        webhooks = [
            webhook(
                told,
                booking_id,
                style=data.draw(st.sampled_from(STYLES)),
                precise=data.draw(st.booleans()),
            )
            for told in data.draw(st.permutations([*provider.told, *again]))
        ]
        found.append(Delivered(provider, webhooks))

    draw()
    return found


def webhook(told: BookingSnapshot, booking_id: str, *, style: str, precise: bool) -> dict[str, Any]:
    """The snapshot as the provider would have sent it."""
    appointment = {
        "id": booking_id,
        "start": rfc(told.start),
        "end": rfc(told.end),
        "isCancelled": told.cancelled,
        "cancel": {"actionAt": rfc(told.cancel.at), "reason": told.cancel.reason} if told.cancel else None,
        "attendees": [person(attendee) for attendee in told.attendees],
        "rescheduledAt": rfc(told.rescheduled_at),
        "createdAt": rfc(told.created_at),
        "updatedAt": rfc(told.version, milliseconds=412 if precise else None),
        "meetingType": {"id": "mt1", "slug": "demo", "meetingInfo": {"name": "Demo"}},
    }
    kind, content = "booking_cancelled" if told.cancelled else "booking_created", appointment
    if told.previous_start:
        kind = "booking_rescheduled"
        content = {"rescheduledAppointment": appointment, "oldStartDate": rfc(told.previous_start)}
    return {"webhookType": kind, **content} if style == "flat" else {"event": kind, "data": content}


def person(attendee: AttendeeSnapshot) -> dict[str, Any]:
    return {
        "id": attendee.attendee_id,
        "email": attendee.email,
        "fullname": attendee.name,
        "noShow": attendee.no_show,
        "noShowAt": rfc(attendee.no_show_at),
    }


def rfc(moment: datetime | None, *, milliseconds: int | None = None) -> str | None:
    if moment is None:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{milliseconds}Z" if milliseconds else "Z")


def seen(booking: Booking) -> dict[str, Any]:
    return {
        "start": booking.start,
        "status": booking.status,
        "attendees": sorted(a.attendee_id for a in booking.present),
        "marks": sorted(a.attendee_id for a in booking.present if a.no_show),
    }


async def assert_all_end_as_their_provider_says(column: Column, count: int) -> None:
    delivered = drawn(count)
    for start in range(0, count, MOST_AT_ONCE):
        some = delivered[start : start + MOST_AT_ONCE]
        for at_once in zip_longest(*(one.webhooks for one in some)):
            answers = await asyncio.gather(*(column.send(body) for body in at_once if body))
            assert {answer.status for answer in answers} == {200}
        await column.settled()
    events = await column.events()
    last = {event.booking_id: event.booking for event in events}
    for number, one in enumerate(delivered):
        booking = last[f"booking-{number}"]
        assert booking is not None
        assert seen(booking) == one.provider.ends_in, one.webhooks
    assert len({event.event_id for event in events}) == len(events)


async def test_any_order_and_duplication_ends_in_what_the_provider_holds(column: Column) -> None:
    await assert_all_end_as_their_provider_says(column, 60)


@pytest.mark.slow
async def test_any_order_and_duplication_of_two_thousand_bookings(column: Column) -> None:
    await assert_all_end_as_their_provider_says(column, 2000)
