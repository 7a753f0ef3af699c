"""A stand-in for Google Calendar v3 over HTTP, with switches for what goes wrong there.

Plain ASGI: `uvicorn --factory adapters.google_calendar.simulator:create_app`. Beside the calendar itself
(below any path that ends in `/calendar/v3`), `POST /token` and the routes of `adapters.simulation`:

    POST /_switches  {"undelete": false}
    POST /_vanish    {"calendar": "…", "id": "…"}
    GET  /_state     all calendars with all entries
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.errors import AuthError, PermanentError, TransientError
from adapters.google_calendar.simulated import Calendars
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

TOKEN = "ya29.made-up-token-of-the-stand-in"  # noqa: S105 - opens the stand-in only
CALENDAR = "team@group.calendar.google.com"

_CHANGING = ("etag", "updated", "created", "sequence")
_REASONS: Mapping[int, str] = {
    400: "invalid",
    401: "authError",
    403: "rateLimitExceeded",
    404: "notFound",
    429: "rateLimitExceeded",
}


class Simulator(Simulation):
    """The ASGI application. `tokens` are the accepted bearer tokens; None accepts any."""

    base = "/calendar/v3"

    def __init__(self, calendars: Calendars, *, tokens: Collection[str] | None = None) -> None:
        super().__init__()
        self.calendars = calendars
        self._tokens = None if tokens is None else set(tokens)

    def call_of(self, request: Request) -> str:
        return _route(request)[0]

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        _, calendar, entry_id = _route(request)
        return {
            "call": call,
            "calendar": calendar,
            "id": entry_id,
            "if_match": request.headers.get("if-match"),
            "send_updates": request.query.get("sendUpdates", [None])[-1],
            "status": None,
        }

    def turned_away(self, request: Request) -> RefusedError | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token and (self._tokens is None or token in self._tokens):
            return None
        return RefusedError(401, "authError", "Invalid Credentials", "Authorization")

    def objects(self) -> Mapping[str, Any]:
        return {
            f"{calendar}/{entry['id']}": {
                member: value for member, value in entry.items() if member not in _CHANGING
            }
            for calendar, entries in self.calendars.state().items()
            for entry in entries
            if entry["status"] != "cancelled"
        }

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        reason = refusal.reason or _REASONS.get(refusal.status, "backendError")
        message = refusal.message or reason
        problem = {"domain": "global", "reason": reason, "message": message}
        if refusal.location:
            problem |= {"locationType": "header", "location": refusal.location}
        body = {"error": {"errors": [problem], "code": refusal.status, "message": message}}
        return Reply(refusal.status, json.dumps(body).encode(), headers=headers)

    def uncounted(self, request: Request) -> Reply | None:
        """Gives whoever asks a token, as the token endpoint of service accounts."""
        if request.path[:1] != ("token",):
            return None
        token = f"issued-{len(self.calls)}"
        if self._tokens is not None:
            self._tokens.add(token)
        return json_reply({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def control(self, request: Request) -> Reply | None:
        match (request.method, request.path[0]):
            case ("POST", "_switches"):
                self.calendars.undelete = bool(request.json().get("undelete", True))
            case ("POST", "_vanish"):
                named = request.json()
                self.calendars.vanish(named["calendar"], named["id"])
            case ("GET", "_state"):
                return json_reply(self.calendars.state())
            case _:
                return None
        return json_reply({})

    def keep(self) -> str:
        return json.dumps(self.calendars.keep())

    def restore(self, kept: str) -> None:
        self.calendars.restore(json.loads(kept))

    async def perform(self, request: Request, call: str) -> Reply:
        _, calendar, entry_id = _route(request)
        etag = request.headers.get("if-match")
        if request.query.get("sendUpdates", ["none"])[-1] not in ("all", "externalOnly", "none"):
            raise RefusedError(400, "invalidParameter", "Invalid value for: sendUpdates", "sendUpdates")
        match call:
            case "insert":
                return json_reply(self.calendars.insert(calendar, request.json()))
            case "get":
                return json_reply(self.calendars.get(calendar, entry_id))
            case "update":
                return json_reply(self.calendars.update(calendar, entry_id, request.json(), if_match=etag))
            case "patch":
                return json_reply(self.calendars.patch(calendar, entry_id, request.json(), if_match=etag))
            case "delete":
                self.calendars.delete(calendar, entry_id, if_match=etag)
                return Reply(204)
            case _:
                return json_reply(self.calendars.page(calendar, request.query))


def create_app(roles: Mapping[str, str] | None = None, *, tokens: Collection[str] | None = None) -> Simulator:
    """A stand-in with empty calendars. `roles`: calendar id -> owner, writer or reader."""
    return Simulator(Calendars(roles, clock=lambda: datetime.now(UTC)), tokens=tokens)


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a stand-in at this address."""
    return {
        "base_url": f"{url}/calendar/v3/",
        "credentials": {"access_token": TOKEN},
        "calendar": CALENDAR,
    }


simulator = SimulatorType(
    name="google_calendar",
    summary="Google Calendar v3: tombstones, etags, one id for ever",
    create_app=lambda: create_app(tokens=[TOKEN]),
    config=config,
    secrets=(TOKEN,),
    forbidden={
        "403 rateLimitExceeded": TransientError,
        "403 quotaExceeded": TransientError,
        "403 forbidden": AuthError,
        "403 forbiddenForNonOrganizer": PermanentError,
    },
    playground=create_app,
)


def _route(request: Request) -> tuple[str, str, str]:
    match request.path:
        case ("calendars", calendar, "events"):
            calls, entry_id = {"POST": "insert", "GET": "list"}, ""
        case ("calendars", calendar, "events", entry_id):
            calls = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
        case _:
            raise RefusedError(404, "notFound", "Not Found")
    if request.method not in calls:
        raise RefusedError(405, "httpMethodNotAllowed", "Method Not Allowed")
    return calls[request.method], calendar, entry_id
