"""Our own stand-in for a CalDAV server, served over HTTP, and driven over HTTP as well."""

from typing import Any

import httpx

from adapters.api import AdapterContext
from adapters.caldav.config import CalDavConfig
from adapters.caldav.simulator import CALENDAR, PASSWORD, USERNAME, config, create_app
from adapters.caldav.sink import CalDavSink
from adapters.testing import SimulatedSide, SimulatorServer


class CalendarServer(SimulatorServer):
    """Every test gets empty calendars on it."""

    def __init__(self) -> None:
        super().__init__(create_app())


class StandIn(SimulatedSide):
    """The other side of the contract kit: empty calendars, their faults and what is to be seen in them."""

    def __init__(self, server: CalendarServer, *calendars: str, **switches: Any) -> None:
        super().__init__(server, create_app(calendars or (CALENDAR,)))
        self.switch(**switches)

    def switch(self, **switches: Any) -> None:
        self._client.post("/_switches", json=switches).raise_for_status()

    def stored(self) -> dict[str, dict[str, str]]:
        """Every entry with its ETag and its text, by calendar and name."""
        state: dict[str, dict[str, str]] = self._client.get("/_state").json()
        return state

    def only(self) -> str:
        """The text of the one entry there is."""
        (stored,) = self.stored().values()
        return stored["data"]

    def name(self) -> str:
        """The name of the one entry there is."""
        (address,) = self.stored()
        return address.partition("/")[2]

    def by_hand(
        self, method: str, name: str, content: str = "", *, calendar: str = CALENDAR
    ) -> httpx.Response:
        """What a person's calendar program does: no hub, no conditions."""
        return self._client.request(
            method, f"/dav/{calendar}/{name}", content=content.encode(), auth=(USERNAME, PASSWORD)
        ).raise_for_status()


def sink_on(stand_in: StandIn, context: AdapterContext, **members: Any) -> CalDavSink:
    base = config(stand_in.url)
    if members.get("per") == "host":
        del base["url"]
    return CalDavSink(CalDavConfig.model_validate(base | members), context)
