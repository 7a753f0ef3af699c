"""The demo's closing table: what is lost, doubled or out of step shows in it."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from hub.demo.verdict import Check, verdict

START, END = "2126-10-27T09:00:00.000Z", "2126-10-27T09:45:00.000Z"
MAIL = "ilse@guests.example"
RIGHT: dict[str, Any] = {
    "appointments": {
        "b1": {
            "start": START,
            "end": END,
            "cancel": None,
            "reschedule_count": 1,
            "attendees": [{"id": "a1", "email": MAIL, "no_show": False}],
        },
        "b2": {
            "start": "2026-10-01T09:00:00Z",
            "end": "2026-10-01T10:00:00Z",
            "cancel": None,
            "reschedule_count": 0,
            "attendees": [{"id": "a2", "email": MAIL, "no_show": True}],
        },
        "b3": {"start": START, "end": END, "cancel": {"at": START}, "reschedule_count": 0, "attendees": []},
    },
    "bookings": [
        {
            "booking_id": "b1",
            "start": START,
            "status": "active",
            "attendees": [
                {"attendee_id": "a1", "no_show": False, "removed": False},
                {"attendee_id": "gone", "no_show": False, "removed": True},
            ],
        },
        {
            "booking_id": "b2",
            "start": "2026-10-01T09:00:00Z",
            "status": "active",
            "attendees": [{"attendee_id": "a2", "no_show": True, "removed": False}],
        },
        {"booking_id": "b3", "start": START, "status": "cancelled", "attendees": []},
    ],
    "events": [
        {"event_id": "e1", "booking_id": "b1", "type": "BookingCreated", "provenance": "backfill"},
        {"event_id": "e2", "booking_id": "b1", "type": "BookingRescheduled", "provenance": "webhook"},
        {"event_id": "e3", "booking_id": "b3", "type": "BookingCancelled", "provenance": "backfill"},
    ],
    "contacts": [{"email": MAIL, "booking_count": 2, "no_show_count": 1}],
    "calendar": {"team/x": {"start": {"dateTime": START}, "end": {"dateTime": END}}},
    "crm": {f"contacts/{MAIL}": {"hub_booking_count": "2", "hub_no_show_count": "1"}},
    "mail": {"0001": {"title": "Moved"}},
    "status": {
        "sinks": {
            "team-calendar": {
                "type": "google_calendar",
                "out_of_step": 0,
                "lag_events": 0,
                "parked": 0,
                "dead": 0,
            }
        }
    },
    "plan": [{"action": "none", "booking_id": "b1"}, {"counts": {"create": 0}}],
}


class Api:
    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def get(self, path: str) -> Any:
        assert path == "/status"
        return self._told["status"]

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        assert path == "/sinks/team-calendar/plan"
        yield from self._told["plan"]


class Told:
    """A world that is as it is told to be."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.api = Api(told)

    def items(self, path: str) -> Any:
        return self._told[path.strip("/")]

    def stand_in(self, name: str, path: str) -> Any:
        if path == "/_state":
            return {"appointments": self._told["appointments"]}
        return self._told[{"google_calendar": "calendar", "hubspot": "crm", "notify": "mail"}[name]]


def wrong(told: dict[str, Any]) -> list[str]:
    checks: list[Check] = verdict(Told(told))  # type: ignore[arg-type]
    assert len(checks) == 6
    return [check.what for check in checks if check.wrong]


def test_what_is_right_is_right() -> None:
    assert wrong(RIGHT) == []


def lose_a_booking(told: dict[str, Any]) -> None:
    del told["bookings"][0]


def keep_an_old_time(told: dict[str, Any]) -> None:
    told["bookings"][0]["start"] = END


def miss_a_cancellation(told: dict[str, Any]) -> None:
    told["bookings"][2]["status"] = "active"


def miss_a_mark(told: dict[str, Any]) -> None:
    told["bookings"][1]["attendees"][0]["no_show"] = False


def know_too_many_people(told: dict[str, Any]) -> None:
    told["bookings"][0]["attendees"][1]["removed"] = False


def invent_a_booking(told: dict[str, Any]) -> None:
    told["bookings"].append(told["bookings"][0] | {"booking_id": "b9"})


def double_a_fact(told: dict[str, Any]) -> None:
    told["events"].append(dict(told["events"][1]) | {"event_id": "e9", "provenance": "backfill"})


def list_a_fact_twice(told: dict[str, Any]) -> None:
    told["events"].append(told["events"][0] | {"type": "BookingDetailsChanged"})


def double_an_entry(told: dict[str, Any]) -> None:
    told["calendar"]["team/y"] = told["calendar"]["team/x"]


def lose_an_entry(told: dict[str, Any]) -> None:
    told["calendar"].clear()


def leave_an_entry_behind(told: dict[str, Any]) -> None:
    told["calendar"]["team/x"]["start"]["dateTime"] = "2126-10-27T08:00:00Z"


def count_a_no_show_twice(told: dict[str, Any]) -> None:
    told["crm"][f"contacts/{MAIL}"]["hub_no_show_count"] = "2"


def forget_a_booking_in_the_crm(told: dict[str, Any]) -> None:
    told["crm"][f"contacts/{MAIL}"]["hub_booking_count"] = ""


def send_a_message_twice(told: dict[str, Any]) -> None:
    told["mail"]["0002"] = told["mail"]["0001"]


def send_no_message(told: dict[str, Any]) -> None:
    told["mail"].clear()


def leave_something_undone(told: dict[str, Any]) -> None:
    told["status"]["sinks"]["team-calendar"]["parked"] = 1


def find_a_difference(told: dict[str, Any]) -> None:
    told["plan"][0]["action"] = "change"


BOOKINGS, FACTS = "bookings as at the provider", "facts, each once"
ENTRIES, CONTACTS, MESSAGES = "calendar entries", "contacts in the CRM", "letters in the mailbox"
TARGETS = "targets in step"


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lose_a_booking, BOOKINGS),
        (keep_an_old_time, BOOKINGS),
        (miss_a_cancellation, BOOKINGS),
        (miss_a_mark, BOOKINGS),
        (know_too_many_people, BOOKINGS),
        (invent_a_booking, BOOKINGS),
        (double_a_fact, FACTS),
        (list_a_fact_twice, FACTS),
        (double_an_entry, ENTRIES),
        (lose_an_entry, ENTRIES),
        (leave_an_entry_behind, ENTRIES),
        (count_a_no_show_twice, CONTACTS),
        (forget_a_booking_in_the_crm, CONTACTS),
        (send_a_message_twice, MESSAGES),
        (send_no_message, MESSAGES),
        (leave_something_undone, TARGETS),
        (find_a_difference, TARGETS),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_shows(spoil: Callable[[dict[str, Any]], None], found: str) -> None:
    told = deepcopy(RIGHT)
    spoil(told)
    assert wrong(told) == [found]
