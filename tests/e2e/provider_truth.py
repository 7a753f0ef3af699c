"""What a hub must say of a company's bookings, by the provider's own books and its record of webhooks."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.e2e.company import Change, MeetergoProcess, Meeting, What
from tests.e2e.harness import Hub, instant

TOLD_OF: Mapping[str, What] = {
    "BookingCreated": "created",
    "BookingRescheduled": "moved",
    "BookingCancelled": "cancelled",
    "AttendeeAdded": "joined",
    "AttendeeRemoved": "left",
}
"""Facts a webhook tells of, and what happened at the provider."""

HAPPENED: Mapping[str, What] = {**TOLD_OF, "AttendeeNoShow": "missed", "AttendeeNoShowReverted": "excused"}
DETAILS = frozenset({"BookingDetailsChanged", "AttendeeDetailsChanged"})
ABOUT_SOMEBODY = frozenset({"joined", "left", "missed", "excused"})

_MILLISECOND = timedelta(milliseconds=1)
"""The provider's clock cuts what is smaller."""

Json = dict[str, Any]


def at_the_provider(appointment: Json) -> Json:
    """What the hub has to show of an appointment; a mark made before a move was for another start."""
    moved = appointment["rescheduled_at"]
    attendees = [
        (one["id"], one["email"], one["no_show"] and (not moved or one["no_show_at"] > moved))
        for one in appointment["attendees"]
    ]
    return {
        "status": "cancelled" if appointment["cancel"] else "active",
        "start": instant(appointment["start"]),
        "end": instant(appointment["end"]),
        "attendees": sorted(attendees),
        "guests": sorted(guest for one in appointment["attendees"] for guest in one["guests"]),
        "notes": appointment["note"],
        "reschedule_count": appointment["reschedule_count"],
        "reason": (appointment["cancel"] or {}).get("reason"),
    }


def at_the_hub(booking: Json) -> Json:
    """The same of a booking as the API shows it."""
    present = [one for one in booking["attendees"] if not one["removed"]]
    return {
        "status": booking["status"],
        "start": instant(booking["start"]),
        "end": instant(booking["end"]),
        "attendees": sorted((one["attendee_id"], one["email"], one["no_show"]) for one in present),
        "guests": sorted(guest["email"] for guest in booking["guests"]),
        "notes": booking["notes"],
        "reschedule_count": booking["reschedule_count"],
        "reason": (booking["cancel"] or {}).get("reason"),
    }


def assert_each_fact_once(events: Sequence[Json], meetings: Sequence[Meeting]) -> None:
    """Nothing twice, and nothing the provider never did, such as a mark taken back and set again."""
    assert len({event["event_id"] for event in events}) == len(events)
    assert sorted(event["position"] for event in events) == list(range(1, len(events) + 1))
    assert {event["type"] for event in events} <= {*HAPPENED, *DETAILS}
    happened = Counter((one.id, change.what, _whom(change)) for one in meetings for change in one.changes)
    recorded = Counter(
        (event["provider_id"], HAPPENED[event["type"]], _about(event))
        for event in events
        if event["type"] in HAPPENED
    )
    assert not {fact: times for fact, times in recorded.items() if times > happened[fact]}
    details = Counter(
        (event["provider_id"], name)
        for event in events
        if event["type"] == "BookingDetailsChanged"
        for name in event["data"]["changed"]
    )
    for meeting in meetings:
        done = Counter(change.what for change in meeting.changes)
        assert details[meeting.id, "notes"] <= done["noted"]
        assert details[meeting.id, "guests"] <= done["brought"] + done["left at home"] + done["left"]


def _whom(change: Change) -> object:
    if change.what == "moved":
        return instant(change.about)
    return change.about if change.what in ABOUT_SOMEBODY else ""


def _about(event: Json) -> object:
    if event["type"] == "BookingRescheduled":
        return instant(event["data"]["start"])
    return event["data"].get("attendee_id", "")


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`sent` counts changes that were announced, each once; `lost` those of them that nobody told the hub."""

    sent: int
    lost: int
    doubled: int


class Told:
    """Which changes a webhook told the hub of, as the stand-in's record says.

    A webhook whose answer was cut off by a kill counts as told if the hub has it all the same.
    """

    def __init__(
        self, hub: Hub, meetergo: MeetergoProcess, meetings: Sequence[Meeting], *, since: datetime
    ) -> None:
        """`since`: from this moment on the provider had our address."""
        deliveries = meetergo.deliveries()
        arrived = {one["copy_of"] or one["number"] for one in deliveries if one["outcome"] == "delivered"}
        letters: dict[str, list[int]] = {}
        for number, booking in sorted(
            {(one["copy_of"] or one["number"], one["appointment_id"]) for one in deliveries}
        ):
            letters.setdefault(booking, []).append(number)
        self._meetings = {meeting.id: meeting for meeting in meetings}
        self._arrived: dict[str, list[tuple[Change, bool]]] = {}
        for meeting in meetings:
            announced = [change for change in meeting.announced if change.began >= since]
            numbers = letters.get(meeting.id, [])
            assert len(numbers) == len(announced), meeting
            self._arrived[meeting.id] = [
                (change, number in arrived) for change, number in zip(announced, numbers, strict=True)
            ]
        self._look_into_the_inbox(hub)
        changes = [told for found in self._arrived.values() for _, told in found]
        copies = sum(one["copy_of"] is not None for one in deliveries)
        self.webhooks = Webhooks(len(changes), changes.count(False), copies)

    def first_seen_by_poll(self, events: Sequence[Json], *, since: str) -> int:
        """Facts of a poll that no webhook told of: not its own, nor that of a later change it saw as well."""
        return sum(
            not self._is_told(event)
            for event in counted(events, since=since)
            if event["provenance"] == "poll"
        )

    def _is_told(self, event: Json) -> bool:
        own = self._change_of(event)
        seen = datetime.fromisoformat(event["data"]["booking"]["version"]) + _MILLISECOND
        return any(
            told for change, told in self._arrived[event["provider_id"]] if own.began <= change.began <= seen
        )

    def _change_of(self, event: Json) -> Change:
        """What the provider did for this fact to be one; a move is known by its time."""
        what, about = HAPPENED[event["type"]], _about(event)
        at = datetime.fromisoformat(event["occurred_at"])
        changes = self._meetings[event["provider_id"]].changes
        fitting = [one for one in changes if one.what == what and _whom(one) == about]
        if what == "moved":
            fitting = [one for one in fitting if one.began - _MILLISECOND <= at <= one.ended]
        (change,) = fitting
        return change

    def _look_into_the_inbox(self, hub: Hub) -> None:
        unsure = {booking for booking, found in self._arrived.items() if not all(told for _, told in found)}
        for receipt in hub.items("inbox"):
            booking = receipt["provider_id"]
            if booking in unsure:
                shown = _version(json.loads(hub.api(f"inbox/{receipt['receipt_id']}")["payload"]))
                self._arrived[booking] = list(_with(self._arrived[booking], shown))


def counted(events: Sequence[Json], *, since: str) -> Iterator[Json]:
    """The facts that count among those a webhook should have told of."""
    for event in events:
        is_since = instant(event["occurred_at"]) >= instant(since)
        if event["type"] in TOLD_OF and event["provenance"] in ("webhook", "poll") and is_since:
            yield event


def _version(payload: Json) -> datetime:
    appointment = payload.get("rescheduledAppointment", payload)
    return datetime.fromisoformat(appointment["updatedAt"])


def _with(found: Sequence[tuple[Change, bool]], shown: datetime) -> Iterator[tuple[Change, bool]]:
    for change, told in found:
        yield change, told or change.began.replace(microsecond=0) <= shown <= change.ended
