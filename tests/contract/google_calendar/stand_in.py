"""Our own stand-in for Google Calendar, served over HTTP, and driven over HTTP as well."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
import uvicorn

from adapters.api import AdapterContext
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.simulator import Simulator, create_app
from adapters.google_calendar.sink import GoogleCalendarSink

CALENDAR = "team@group.calendar.google.com"
TOKEN = "ya29.not-a-real-token-8d1f"


class CalendarServer:
    """A uvicorn in a thread on a free port; every test gets an empty calendar on it."""

    def __init__(self) -> None:
        self.app: Simulator = create_app()
        settings = uvicorn.Config(
            self._serve,
            interface="asgi3",
            port=0,
            log_level="critical",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the stand-in did not start"
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url)

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


class StandIn:
    """The other side of the contract kit: an empty calendar, its faults and what is to be seen in it."""

    def __init__(self, server: CalendarServer, *, undelete: bool = True, **roles: str) -> None:
        server.app = create_app(roles or None, tokens=[TOKEN])
        self._client = server.client
        self.url = f"{server.url}/calendar/v3/"
        self.switch(undelete=undelete)

    def switch(self, *, undelete: bool) -> None:
        self._client.post("/_switches", json={"undelete": undelete}).raise_for_status()

    def fault(self, **members: Any) -> None:
        self._client.post("/_faults", json=members).raise_for_status()

    def fail_next(self, reason: str) -> None:
        code, _, named = reason.partition(" ")
        if code in ("disconnect", "truncated"):
            self.fault(kind=code)
        elif code == "502":
            self.fault(kind="html")
        else:
            after = "7" if code == "429" else None
            self.fault(kind="status", status=int(code), reason=named or None, retry_after=after)

    def lose_next_reply(self) -> None:
        self.fault(kind="lost_reply")

    def stall_next(self) -> None:
        self.fault(kind="delay", seconds=0.5)

    def cut_off_after(self, calls: int) -> None:
        if calls:
            self.fault(kind="lost_reply", skip=calls - 1)
        self.fault(kind="disconnect", skip=calls, times=None)

    def restore(self) -> None:
        self._client.delete("/_faults").raise_for_status()

    def calls(self) -> int:
        return len(self.called())

    def called(self) -> list[dict[str, Any]]:
        """Every call since the last `forget_calls`."""
        calls: list[dict[str, Any]] = self._client.get("/_calls").json()
        return calls

    def forget_calls(self) -> None:
        self._client.delete("/_calls").raise_for_status()

    def made(self) -> list[str]:
        return [call["call"] for call in self.called()]

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

    def objects(self) -> Mapping[str, Any]:
        changing = ("etag", "updated", "created", "sequence")
        return {
            name: {member: value for member, value in entry.items() if member not in changing}
            for name, entry in self.entries().items()
        }

    def by_hand(self, method: str, entry_id: str, *, calendar: str = CALENDAR, **body: Any) -> httpx.Response:
        """What a person does in the calendar's own pages: no conditions, no hub."""
        return self._client.request(
            method,
            f"/calendar/v3/calendars/{calendar}/events/{entry_id}",
            json=body or None,
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def vanish(self, entry_id: str, *, calendar: str = CALENDAR) -> None:
        self._client.post("/_vanish", json={"calendar": calendar, "id": entry_id}).raise_for_status()

    def close(self) -> None:
        """The server goes on; the next stand-in on it starts empty."""


def config(url: str, **members: Any) -> GoogleCalendarConfig:
    where = {} if members.get("per") == "host" else {"calendar": CALENDAR}
    return GoogleCalendarConfig.model_validate(
        {"base_url": url, "credentials": {"access_token": TOKEN}} | where | members
    )


def sink_on(stand_in: StandIn, context: AdapterContext, **members: Any) -> GoogleCalendarSink:
    return GoogleCalendarSink(config(stand_in.url, **members), context)
