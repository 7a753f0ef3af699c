"""A stand-in for the board: cards by id, etags, refusal of writes on stale knowledge."""

import json
from collections.abc import Mapping
from typing import Any

from adapters.errors import PermanentError
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

TOKEN = "made-up-token-of-the-board"  # noqa: S105 - opens the stand-in only


class Board(Simulation):
    """The ASGI application."""

    base = "/api"

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}

    def call_of(self, request: Request) -> str:
        match (request.method, request.path):
            case ("GET", ("cards",)):
                return "list"
            case (("GET" | "PUT" | "DELETE") as method, ("cards", _)):
                return method.lower()
            case _:
                raise RefusedError(404, "route", "no such route")

    def turned_away(self, request: Request) -> RefusedError | None:
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return RefusedError(401, "token", "wrong token")

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        return Reply(refusal.status, json.dumps({"error": refusal.message}).encode(), headers=headers)

    def objects(self) -> Mapping[str, Any]:
        return {
            name: {member: value for member, value in card.items() if member != "hub_position"}
            for name, card in self.cards.items()
        }

    async def perform(self, request: Request, call: str) -> Reply:
        if call == "list":
            return json_reply({"cards": list(self.cards.values())})
        name = request.path[1]
        if call == "put":
            return self._put(name, request)
        if name not in self.cards:
            raise RefusedError(404, "card", "no such card")
        if call == "get":
            return self._shown(name)
        self._check(name, request)
        del self.cards[name]
        return Reply(204)

    def _put(self, name: str, request: Request) -> Reply:
        self._check(name, request)
        self.cards[name] = request.json()
        self._versions[name] = self._versions.get(name, 0) + 1
        return self._shown(name)

    def _check(self, name: str, request: Request) -> None:
        wanted, there = request.headers.get("if-match"), name in self.cards
        if request.headers.get("if-none-match") == "*" and there:
            raise RefusedError(412, "exists", "the card exists")
        if wanted is not None and wanted != "*" and (not there or wanted != self._etag(name)):
            raise RefusedError(412, "stale", "the card changed")

    def _etag(self, name: str) -> str:
        return f'"{self._versions.get(name, 0)}"'

    def _shown(self, name: str) -> Reply:
        return Reply(200, json_reply(self.cards[name]).body, headers=(("etag", self._etag(name)),))


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a board at this address."""
    return {"url": f"{url}/api", "token": TOKEN}


simulator = SimulatorType(
    name="board",
    summary="a board of cards with etags",
    create_app=Board,
    config=config,
    secrets=(TOKEN,),
    forbidden={"403": PermanentError},
)
