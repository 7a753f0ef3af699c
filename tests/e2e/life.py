"""Bookings that live at a made-up provider: the webhooks they cause, and what must be true in the end."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

PEOPLE = ("ada", "ben", "cleo", "dora")


def rfc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Life:
    """One booking: `change` does something to it and returns the webhook the provider would send."""

    number: int
    chance: random.Random
    now: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    )
    start: datetime = field(init=False)
    people: list[str] = field(default_factory=lambda: ["ada"])
    cancelled_at: datetime | None = None
    rescheduled_at: datetime | None = None
    created_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.created_at = self.now
        self.start = self.now.replace(minute=0, second=0) + timedelta(days=30, hours=self.number % 500)

    @property
    def booking_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012d}"

    def created(self) -> dict[str, Any]:
        return {"webhookType": "booking_created", **self.shown()}

    def change(self) -> dict[str, Any] | None:
        """The next webhook; None if nothing can happen any more."""
        if self.cancelled_at:
            return None
        self._later()
        roll = self.chance.random()
        if roll < 0.5:
            return self.moved()
        if roll < 0.75 and len(self.people) < len(PEOPLE):
            self.people.append(PEOPLE[len(self.people)])
            return {"webhookType": "booking_created", **self.shown()}
        if roll < 0.9 and len(self.people) > 1:
            self.people.pop()
            return {"webhookType": "booking_cancelled", **self.shown()}
        return self.cancelled()

    def cancelled(self) -> dict[str, Any]:
        self._later()
        self.cancelled_at = self.now
        return {"webhookType": "booking_cancelled", **self.shown()}

    def _later(self) -> None:
        self.now += timedelta(seconds=self.chance.randint(1, 20))

    def moved(self) -> dict[str, Any]:
        self._later()
        old, self.start = self.start, self.start + timedelta(hours=self.chance.randint(1, 90))
        self.rescheduled_at = self.now
        return {
            "webhookType": "booking_rescheduled",
            "rescheduledAppointment": self.shown(),
            "oldStartDate": rfc(old),
        }

    def shown(self) -> dict[str, Any]:
        """The booking as a webhook shows it."""
        return {
            "id": self.booking_id,
            "secret": f"secret-of-booking-{self.number}",
            "start": rfc(self.start),
            "end": rfc(self.start + timedelta(minutes=45)),
            "location": None,
            "isCancelled": self.cancelled_at is not None,
            "rescheduledAt": self.rescheduled_at and rfc(self.rescheduled_at),
            "meetingInfo": {"channel": "connect", "meetingLink": f"https://meet.example/{self.number}"},
            "attendees": [
                {
                    "id": f"{name}-{self.number}",
                    "email": f"{name}{self.number}@kunde.example",
                    "fullname": f"{name.title()} {self.number}",
                    "phone": None,
                    "timezone": "Europe/Berlin",
                    "language": "de",
                }
                for name in self.people
            ],
            "hosts": [{"id": "h1", "email": "mara@studio.example", "fullName": "Mara Lindqvist"}],
            "meetingType": {"id": "mt1", "slug": "demo", "meetingInfo": {"name": "Demo"}, "metadata": {}},
            "meetingTypeId": "mt1",
            "createdAt": rfc(self.created_at),
            "updatedAt": rfc(self.now),
            "cancel": {"actionSource": "host", "actionAt": rfc(self.cancelled_at), "reason": "ill"}
            if self.cancelled_at
            else None,
        }

    @property
    def ends_in(self) -> dict[str, Any]:
        """What the hub has to show in the end."""
        return {
            "status": "cancelled" if self.cancelled_at else "active",
            "start": rfc(self.start),
            "attendees": sorted(f"{name}-{self.number}" for name in self.people),
        }


def in_the_end(booking: dict[str, Any]) -> dict[str, Any]:
    """The same of a booking as the API shows it."""
    return {
        "status": booking["status"],
        "start": booking["start"],
        "attendees": sorted(a["attendee_id"] for a in booking["attendees"] if not a["removed"]),
    }
