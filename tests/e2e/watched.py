"""The calendar stand-in with two more abilities: it notes which state each write carried, and refuses some.

POST /_refuse    {"containing": "Ada 7"}: 400 for every entry with this text; DELETE takes all again
"""

from datetime import UTC, datetime
from typing import Any

from adapters.google_calendar.simulated import Calendars
from adapters.google_calendar.simulator import Simulator
from adapters.simulation import RefusedError, Reply, Request, json_reply


class WatchedCalendar(Simulator):
    def __init__(self) -> None:
        super().__init__(Calendars(None, clock=lambda: datetime.now(UTC)))
        self.refused_texts: set[str] = set()

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        body = request.json()
        properties = body.get("extendedProperties", {}).get("private", {})
        entry_id = body.get("id") if call == "insert" else None
        noted = super().noted(request, call)
        return noted | {
            "id": entry_id or noted["id"],
            "position": properties.get("hub_position"),
            "at": datetime.now(UTC).timestamp(),
        }

    def control(self, request: Request) -> Reply | None:
        if request.path[0] != "_refuse":
            return super().control(request)
        if request.method == "DELETE":
            self.refused_texts.clear()
        else:
            self.refused_texts.add(request.json()["containing"])
        return json_reply({})

    async def perform(self, request: Request, call: str) -> Reply:
        if any(text.encode() in request.body for text in self.refused_texts):
            raise RefusedError(400, "invalid", "Invalid Value")
        return await super().perform(request, call)


def create_app() -> WatchedCalendar:
    return WatchedCalendar()
