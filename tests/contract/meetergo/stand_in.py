"""The stand-in for meetergo over HTTP, a listener for its webhooks, and the client that is tried on it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from adapters.http import HttpClient
from adapters.meetergo.budget import Budget
from adapters.meetergo.client import MeetergoClient
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.mapping import read_row, read_webhook
from adapters.meetergo.simulated.company import DENIZ, MARA, PLATFORM_KEY, example_company
from adapters.meetergo.simulated.state import State
from adapters.meetergo.simulator import create_app
from adapters.meetergo.wire import Wire
from adapters.provider import Priority
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply
from adapters.testing import SimulatedSide, SimulatorServer
from events import BookingSnapshot

MONDAY = datetime(2026, 10, 19, 6, 0, 0, 120_000, tzinfo=UTC)
"""Eight in the morning in Berlin; the stand-in's clock stands still there until it is set forward."""

NEVER_WAITS = 10_000
BOOKING_EVENTS = ("booking_created", "booking_cancelled", "booking_rescheduled")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of the week after, in UTC; Berlin is an hour ahead of it from the 25th on."""
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


class Desk:
    """What people do at a running stand-in, and what any caller may ask of it."""

    _client: httpx.Client

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """One control route, as `adapters.meetergo.simulated.steering` lists them."""
        return self._client.request(method, path, json=body).raise_for_status().json()

    def switch(self, **switches: Any) -> None:
        self.ask("POST", "/_switches", **switches)

    def advance(self, seconds: float) -> None:
        self.ask("POST", "/_time", advance=seconds)

    def book(self, start: datetime, *, kind: str = "erstgespraech", who: str = "Ilse", **more: Any) -> Any:
        """Somebody books on the public page; answers `{"id", "attendees", "series"}`."""
        attendee = {"fullname": f"{who} Brandvold", "email": f"{who.lower()}@kunde.example"}
        return self.ask(
            "POST", "/_book", meeting_type=kind, start=start.isoformat(), attendee=attendee, **more
        )

    def move(self, appointment_id: str, start: datetime) -> None:
        self.ask("POST", "/_move", id=appointment_id, start=start.isoformat())

    def cancel(self, appointment_id: str, **scope: Any) -> None:
        self.ask("POST", "/_cancel", id=appointment_id, **scope)

    def deliver(self, *, everything: bool = False) -> list[dict[str, Any]]:
        """Send what is due; what became of each."""
        made: list[dict[str, Any]] = self.ask("POST", "/_deliver", everything=everything)
        return made

    def raw(
        self, path: str, *, key: str | None = PLATFORM_KEY, user: str | None = MARA, **params: Any
    ) -> httpx.Response:
        """What the API answers to a plain GET, whatever the status."""
        return self._client.get(path, headers=_headers(key, user), params=params)

    def send(
        self, method: str, path: str, *, key: str = PLATFORM_KEY, user: str = MARA, **body: Any
    ) -> httpx.Response:
        """What the API answers to anything else."""
        return self._client.request(method, path, json=body, headers=_headers(key, user))

    def subscribe(self, url: str, *events: str) -> str:
        """Register an address for these events, by default those of bookings; the id."""
        body = {"endpoint": f"{url}/hook", "eventTypes": list(events or BOOKING_EVENTS)}
        made: dict[str, Any] = self.send("POST", "/webhooks", **body).raise_for_status().json()
        return str(made["id"])


class StandIn(SimulatedSide, Desk):
    """A company without bookings on a running server."""

    def __init__(
        self,
        server: SimulatorServer,
        state: State | None = None,
        *,
        clock: Callable[[], datetime] = lambda: MONDAY,
    ) -> None:
        super().__init__(server, create_app(state or example_company(), clock=clock))
        self.switch(hold=True)


def _headers(key: str | None, user: str | None) -> dict[str, str]:
    named = {"x-meetergo-api-user-id": user} if user else {}
    return named | ({"Authorization": f"Bearer {key}"} if key else {})


class Listener(Simulation):
    """An address that keeps what is posted to it."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[Mapping[str, str], dict[str, Any]]] = []

    def call_of(self, request: Request) -> str:
        return "webhook"

    def objects(self) -> Mapping[str, Any]:
        return {str(number): body for number, (_, body) in enumerate(self.received)}

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        return Reply(refusal.status, headers=headers)

    async def perform(self, request: Request, call: str) -> Reply:
        self.received.append((request.headers, request.json()))
        return json_reply({})

    def bodies(self) -> list[dict[str, Any]]:
        """What came since the last question."""
        bodies = [body for _, body in self.received]
        self.received.clear()
        return bodies


@asynccontextmanager
async def client_of(
    stand_in: StandIn,
    *,
    key: str = PLATFORM_KEY,
    user: str | None = MARA,
    user_id: str = "auto",
    budget: Budget | None = None,
    timeout: float = 5,
) -> AsyncIterator[MeetergoClient]:
    """A client that waits for nothing, acting for this user."""
    http = HttpClient(timeout=timedelta(seconds=timeout))
    settings = ApiSettings.model_validate({"base_url": stand_in.url, "key": key, "user_id": user_id})
    wire = Wire(http, settings, budget=budget or Budget(NEVER_WAITS), sleep=_at_once)
    try:
        yield MeetergoClient(wire).acting(Priority.COMMAND, user=user)
    finally:
        await http.aclose()


async def _at_once(_: float) -> None:
    """Time passes unnoticed."""


def shown_by_row(row: Mapping[str, Any]) -> BookingSnapshot:
    reading = read_row(row, source="meetergo", seen_at=MONDAY)
    assert reading.snapshot is not None, reading.reason
    assert reading.reason is None
    return reading.snapshot


def shown_by_webhook(body: Mapping[str, Any]) -> BookingSnapshot:
    reading = read_webhook(body, source="meetergo", received_at=MONDAY)
    assert reading.snapshot is not None, reading.reason
    assert reading.reason is None
    return reading.snapshot


__all__ = [
    "DENIZ",
    "MARA",
    "MONDAY",
    "Desk",
    "Listener",
    "StandIn",
    "at",
    "client_of",
    "shown_by_row",
    "shown_by_webhook",
]
