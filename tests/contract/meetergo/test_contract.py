"""The source contract, on every sample webhook, with the facts each gives on an empty log."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import MeetergoConfig
from adapters.testing import SourceContract
from tests.unit.adapters.meetergo.payloads import FOLDER, payload

CREATED = ("BookingCreated",)
MOVED = ("BookingCreated", "BookingRescheduled")
CANCELLED = ("BookingCreated", "BookingCancelled")

GOLDEN: Mapping[str, Sequence[str]] = {
    "booking_created.flat": CREATED,
    "booking_created.wrapped": CREATED,
    "booking_created.phone_only.flat": CREATED,
    "booking_created.group_first_attendee.flat": CREATED,
    "booking_created.group_further_attendees.flat": CREATED,
    "booking_created.replacement.flat": CREATED,
    "booking_created.replacement_with_link.flat": CREATED,
    "booking_rescheduled.flat": MOVED,
    "booking_rescheduled.wrapped": MOVED,
    "booking_cancelled.flat": ("BookingCreated", "BookingRescheduled", "BookingCancelled"),
    "booking_cancelled.wrapped": ("BookingCreated", "BookingRescheduled", "BookingCancelled"),
    "booking_cancelled.cancelledAt_variant.flat": (
        "BookingCreated",
        "BookingRescheduled",
        "BookingCancelled",
    ),
    "booking_cancelled.superseded.flat": CANCELLED,
    "booking_cancelled.group_cancel_all.flat": CANCELLED,
    "booking_cancelled.group_attendee_removed.flat": CREATED,
    "new_employee.minimal.flat": ("ignored",),
    "form_submission.minimal.flat": ("ignored",),
    "unknown_type.flat": ("unreadable",),
    "malformed.no_type": ("unreadable",),
}
NO_WEBHOOKS = ("subscription", "subscriptions_list")


class TestMeetergo(SourceContract):
    def source(self) -> MeetergoSource:
        return MeetergoSource(MeetergoConfig(), instance="meetergo")

    def payloads(self) -> Mapping[str, Mapping[str, Any]]:
        names = (path.stem.removeprefix("webhook_") for path in FOLDER.glob("webhook_*.json"))
        return {name: payload(f"webhook_{name}.json") for name in names if name not in NO_WEBHOOKS}

    def golden(self) -> Mapping[str, Sequence[str]]:
        return GOLDEN
