"""Our own stand-in for Google Calendar, served over HTTP, and driven over HTTP as well."""

from typing import Any

import httpx

from adapters.api import AdapterContext
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.simulator import CALENDAR, create_app
from adapters.google_calendar.sink import GoogleCalendarSink
from adapters.testing import SimulatedSide, SimulatorServer

TOKEN = "ya29.not-a-real-token-8d1f"


class CalendarServer(SimulatorServer):
    """Every test gets an empty calendar on it."""

    def __init__(self) -> None:
        super().__init__(create_app())


class StandIn(SimulatedSide):
    """The other side of the contract kit: an empty calendar, its faults and what is to be seen in it."""

    def __init__(self, server: CalendarServer, *, undelete: bool = True, **roles: str) -> None:
        super().__init__(server, create_app(roles or None, tokens=[TOKEN]))
        self.url = f"{server.url}/calendar/v3/"
        self.switch(undelete=undelete)

    def switch(self, *, undelete: bool) -> None:
        self._client.post("/_switches", json={"undelete": undelete}).raise_for_status()

    def entries(self, *, deleted: bool = False) -> dict[str, dict[str, Any]]:
        """Entries by calendar and id; those of the user, or the tombstones."""
        state = self._client.get("/_state").json()
        return {
            f"{calendar}/{entry['id']}": entry
            for calendar, entries in state.items()
            for entry in entries
            if (entry["status"] == "cancelled") is deleted
        }

    def only(self) -> dict[str, Any]:
        """The one entry there is."""
        (entry,) = self.entries().values()
        return entry

    def by_hand(self, method: str, entry_id: str, *, calendar: str = CALENDAR, **body: Any) -> httpx.Response:
        """What a person does in the calendar's own pages: no conditions, no hub."""
        return self._client.request(
            method,
            f"/calendar/v3/calendars/{calendar}/events/{entry_id}",
            json=body or None,
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def insert_by_hand(self, body: dict[str, Any], *, calendar: str = CALENDAR) -> dict[str, Any]:
        """An entry that a person, or a program that is not this hub, puts into the calendar."""
        made = self._client.post(
            f"/calendar/v3/calendars/{calendar}/events",
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        inserted: dict[str, Any] = made.raise_for_status().json()
        return inserted

    def vanish(self, entry_id: str, *, calendar: str = CALENDAR) -> None:
        self._client.post("/_vanish", json={"calendar": calendar, "id": entry_id}).raise_for_status()


def config(url: str, **members: Any) -> GoogleCalendarConfig:
    where = {} if members.get("per") == "host" else {"calendar": CALENDAR}
    return GoogleCalendarConfig.model_validate(
        {"base_url": url, "credentials": {"access_token": TOKEN}} | where | members
    )


def sink_on(stand_in: StandIn, context: AdapterContext, **members: Any) -> GoogleCalendarSink:
    return GoogleCalendarSink(config(stand_in.url, **members), context)
