"""The source contract on what the stand-in posts."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.meetergo.config import MeetergoConfig
from adapters.meetergo.simulated.asked import BookingDto, CancelDto
from adapters.meetergo.simulated.company import example_company
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.state import Subscription
from adapters.meetergo.source import MeetergoSource
from adapters.testing import SourceContract
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, MONDAY, at


class TestPosted(SourceContract):
    def source(self) -> MeetergoSource:
        return MeetergoSource(MeetergoConfig(), instance="meetergo")

    def payloads(self) -> Mapping[str, Mapping[str, Any]]:
        return posted()

    def golden(self) -> Mapping[str, Sequence[str]]:
        return {
            "booking_created": ("BookingCreated",),
            "booking_rescheduled": ("BookingCreated", "BookingRescheduled"),
            "booking_cancelled": ("BookingCreated", "BookingRescheduled", "BookingCancelled"),
        }


def posted() -> dict[str, dict[str, Any]]:
    """One webhook of each kind as the stand-in makes it."""
    state = example_company()
    hub = Subscription(id=1, endpoint="x", event_types=BOOKING_EVENTS, created_at=MONDAY)
    state.subscriptions.append(hub)
    provider = Provider(state, clock=lambda: MONDAY)
    attendee = {"email": "a@b.example", "fullname": "A B", "receiveReminders": True, "notes": {}}
    kind = state.kind_named("erstgespraech")
    assert kind is not None
    booked = provider.desk.book(
        BookingDto.model_validate(
            {"meetingTypeId": kind.id, "start": at(27, 9), "hostIds": kind.host_ids, "attendee": attendee}
        )
    )
    provider.reschedule(booked.id, at(28, 9), ignore_availability=False)
    provider.cancel(booked.id, CancelDto(reason="weg"), by_guest=True, who=None)
    return {letter.kind: letter.body for letter in state.letters}
