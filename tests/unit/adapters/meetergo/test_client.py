"""What goes over the wire, member by member: the provider drops what it does not know without a word."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapters.errors import TransientError
from adapters.http import HttpClient
from adapters.meetergo.budget import Budget
from adapters.meetergo.client import MeetergoClient
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.listing import Listing
from adapters.meetergo.wire import Wire
from adapters.provider import FreeTimes, NewBooking, Person, Scope

NINE = datetime.fromisoformat("2026-10-27T10:00:00+01:00")
TEN = datetime(2026, 10, 27, 10, 0, tzinfo=UTC)
ILSE = Person(
    "Ilse Brandvold",
    "ilse@kunde.example",
    phone="+4930",
    timezone="Europe/Berlin",
    language="de",
    answers={"Thema": "Umbau"},
    guests=["kim@kunde.example"],
)
ATTENDEE = {
    "email": "ilse@kunde.example",
    "fullname": "Ilse Brandvold",
    "phone": "+4930",
    "timezone": "Europe/Berlin",
    "language": "de",
    "bringalongEmails": ["kim@kunde.example"],
    "receiveReminders": True,
    "dataPolicyAccepted": True,
    "notes": {"Thema": "Umbau"},
}


class Recorder:
    """Answers everything with one document and keeps what was asked."""

    def __init__(self, answer: Any = None) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []
        http = HttpClient(timeout=timedelta(seconds=5), transport=httpx.MockTransport(self._respond))
        self.client = MeetergoClient(
            Wire(http, ApiSettings.model_validate({"key": "rgo-x"}), budget=Budget())
        )

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json=self._answer)

    @property
    def asked(self) -> tuple[str, str, Any]:
        (request,) = self.requests
        return request.method, request.url.raw_path.decode(), json.loads(request.content or "null")


Call = Callable[[MeetergoClient], Awaitable[object]]

WRITES: list[tuple[str, Call, tuple[str, str, Any], Any]] = [
    (
        "booking",
        lambda c: c.book(NewBooking("mt", NINE, ILSE, host_ids=["h1", "h2"])),
        (
            "POST",
            "/v4/booking",
            {
                "meetingTypeId": "mt",
                "start": "2026-10-27T09:00:00.000Z",
                "attendee": ATTENDEE,
                "hostIds": ["h1", "h2"],
            },
        ),
        {"appointmentId": "a1", "secret": "s"},
    ),
    (
        "replacement by telephone over a queue",
        lambda c: c.book(
            NewBooking("mt", NINE, Person("Ruth"), queue_id="q", ignore_availability=True, replaces="a0")
        ),
        (
            "POST",
            "/v4/booking",
            {
                "meetingTypeId": "mt",
                "start": "2026-10-27T09:00:00.000Z",
                "attendee": {
                    "fullname": "Ruth",
                    "receiveReminders": True,
                    "dataPolicyAccepted": True,
                    "notes": {},
                },
                "queueId": "q",
                "ignoreAvailability": True,
                "rescheduledFromId": "a0",
                "phoneOnlyBooking": True,
            },
        ),
        {"appointmentId": "a1"},
    ),
    (
        "reschedule",
        lambda c: c.reschedule("a1", NINE),
        ("POST", "/v4/appointment/a1/reschedule", {"start": "2026-10-27T09:00:00.000Z"}),
        {},
    ),
    (
        "reschedule over",
        lambda c: c.reschedule("a1", NINE, ignore_availability=True),
        (
            "POST",
            "/v4/appointment/a1/reschedule",
            {"start": "2026-10-27T09:00:00.000Z", "ignoreAvailability": True},
        ),
        {},
    ),
    ("cancel", lambda c: c.cancel("a1"), ("POST", "/v4/appointment/a1/cancel", {}), {}),
    (
        "cancel one",
        lambda c: c.cancel("a1", reason="weg", scope=Scope(attendee_id="t1")),
        ("POST", "/v4/appointment/a1/cancel", {"attendeeId": "t1", "reason": "weg"}),
        {},
    ),
    (
        "cancel all of a series",
        lambda c: c.cancel("a1", scope=Scope(everybody=True, series=True)),
        ("POST", "/v4/appointment/a1/cancel", {"cancelAll": True, "cancelEntireSeries": True}),
        {},
    ),
    (
        "note",
        lambda c: c.note("a1", "klingeln"),
        ("PATCH", "/v4/appointment/a1/notes", {"note": "klingeln"}),
        None,
    ),
    (
        "guest",
        lambda c: c.add_guest("a1", attendee_id="t1", email="k@x.example"),
        ("PATCH", "/v4/appointment/a1/guest", {"attendeeId": "t1", "email": "k@x.example"}),
        None,
    ),
    (
        "no guest",
        lambda c: c.remove_guest("a1", attendee_id="t1", email="k@x.example"),
        ("DELETE", "/v4/appointment/a1/guest", {"attendeeId": "t1", "email": "k@x.example"}),
        None,
    ),
    ("no-show", lambda c: c.mark_no_show("t 1"), ("POST", "/v4/attendee/t%201/no-show", None), None),
    (
        "webhook",
        lambda c: c.register_webhook("https://hub.example/x", ["booking_created"], description="hub"),
        (
            "POST",
            "/webhooks",
            {"endpoint": "https://hub.example/x", "eventTypes": ["booking_created"], "description": "hub"},
        ),
        {"id": 17},
    ),
    (
        "webhook changed",
        lambda c: c.change_webhook("17", event_types=["booking_created"]),
        ("PATCH", "/webhooks/17", {"eventTypes": ["booking_created"]}),
        {},
    ),
    ("webhook removed", lambda c: c.remove_webhook("17"), ("DELETE", "/webhooks/17", None), None),
]


@pytest.mark.parametrize(("call", "asked", "answer"), [w[1:] for w in WRITES], ids=[w[0] for w in WRITES])
async def test_a_write_sends_exactly_this(call: Call, asked: tuple[str, str, Any], answer: Any) -> None:
    recorder = Recorder(answer)
    await call(recorder.client)
    assert recorder.asked == asked


READS: list[tuple[str, Call, str, Any]] = [
    ("user", lambda c: c.account(), "/v4/user/me", {"id": "u1"}),
    ("appointment", lambda c: c.appointment("a/1?"), "/v4/appointment/a%2F1%3F", {"id": "a/1?"}),
    (
        "list",
        lambda c: c.page(Listing(start=NINE, end=TEN, host="h1"), 2),
        "/v4/appointment/paginated?page=2&pageSize=100&sortBy=appointment.start&sortDirection=ASC"
        "&start=2026-10-27T09%3A00%3A00.000Z&end=2026-10-27T10%3A00%3A00.000Z&userId=h1",
        {"appointments": []},
    ),
    (
        "free times",
        lambda c: c.availability(FreeTimes("mt", NINE, TEN, host_ids=["h1", "h2"], moving="a1")),
        "/v4/booking-availability?meetingTypeId=mt&start=2026-10-27T09%3A00%3A00.000Z"
        "&end=2026-10-27T10%3A00%3A00.000Z&hostIds=h1&hostIds=h2&existingAppointmentId=a1",
        {"dates": []},
    ),
    ("webhooks", lambda c: c.webhooks(), "/webhooks", []),
]


@pytest.mark.parametrize(("call", "path", "answer"), [r[1:] for r in READS], ids=[r[0] for r in READS])
async def test_a_read_asks_exactly_this(call: Call, path: str, answer: Any) -> None:
    recorder = Recorder(answer)
    await call(recorder.client)
    assert recorder.asked == ("GET", path, None)


@pytest.mark.parametrize("answer", [{"id": "a2"}, {"id": "a"}, {}, [], [{"id": "a1"}], "a1"])
async def test_something_else_than_what_was_asked_for_is_no_appointment(answer: Any) -> None:
    """An id that came with a forged webhook may name another route, such as `today`."""
    with pytest.raises(TransientError, match="something else"):
        await Recorder(answer).client.appointment("a1")


async def test_ids_that_are_numbers_are_the_same_ids() -> None:
    assert await Recorder({"id": 17}).client.appointment("17") == {"id": 17}


async def test_clients_of_one_key_share_its_budget() -> None:
    one, other = (ApiSettings.model_validate({"key": f"rgo-{name}"}) for name in ("one", "other"))
    http = HttpClient()
    first, second, third = (MeetergoClient.of(http, settings) for settings in (one, one, other))
    assert first._wire.budget is second._wire.budget
    assert first._wire.budget is not third._wire.budget
