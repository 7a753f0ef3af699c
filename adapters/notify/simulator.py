"""A chat that takes JSON messages, as apprise's `json://` sends them; it repeats what it is told twice.

Below any path it answers `POST`; `objects` are the messages in the order in which they came. What the many
services behind apprise do beyond that is theirs; the stand-in keeps what they have in common.
"""

import json
from collections.abc import Mapping
from typing import Any

from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

TOKEN = "made-up-token-of-the-chat"  # noqa: S105 - opens the stand-in only


class Chat(Simulation):
    """The ASGI application."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}

    def call_of(self, request: Request) -> str:
        if request.method != "POST":
            raise RefusedError(405, "method", "only POST")
        return "message"

    def objects(self) -> Mapping[str, Any]:
        return self.messages

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        return Reply(refusal.status, json.dumps({"error": refusal.message}).encode(), headers=headers)

    def keep(self) -> str:
        return json.dumps(self.messages)

    def restore(self, kept: str) -> None:
        self.messages = dict(json.loads(kept))

    async def perform(self, request: Request, call: str) -> Reply:
        told = request.json()
        number = f"{len(self.messages) + 1:04}"
        self.messages[number] = {"title": told.get("title"), "message": told.get("message")}
        return json_reply({"ok": True})


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a chat at this address."""
    return {"to": [f"{address(url)}/{TOKEN}"], "title": "{event.label}: {booking_id}"}


def address(url: str) -> str:
    """The chat at this address as apprise writes it."""
    return f"json://{url.removeprefix('http://')}"


_ONLY_TAKEN = "apprise tells only whether a message was taken, so every failure may pass"

simulator = SimulatorType(
    name="notify",
    summary="a chat that takes JSON messages and repeats what it is told twice",
    create_app=Chat,
    config=config,
    secrets=(TOKEN,),
    cannot={
        "redelivery": "no service drops repetitions: the sink declares repeat = unsafe",
        "lost reply": "as for redelivery; the hub asks a person where the outcome is unknown",
        "cancellation": "a message under way in its thread cannot be called back",
        "truncated": "nothing in an answer is read",
        "delay": _ONLY_TAKEN,
        "400": _ONLY_TAKEN,
        "422": _ONLY_TAKEN,
        "401": _ONLY_TAKEN,
        "403": _ONLY_TAKEN,
    },
    playground=Chat,
    address=address,
)
