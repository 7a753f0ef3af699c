"""A receiver of Standard Webhooks: checks signatures and times, drops ids it has seen.

It verifies on its own, by the specification, so that it can disagree with our signing. Below any path it
answers `POST`; `objects` are the messages that were new, by id.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.errors import PermanentError
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

SECRET = "whsec_bWFkZS11cC1zZWNyZXQtb2YtdGhlLXJlY2VpdmVy"  # noqa: S105 - opens the stand-in only
TOLERANCE_SECONDS = 300


class Receiver(Simulation):
    """The ASGI application. `clock` is the receiver's own; None accepts any time."""

    def __init__(
        self, secrets: Sequence[str] = (SECRET,), *, clock: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__()
        self._keys = tuple(base64.b64decode(secret.split("_", 1)[1]) for secret in secrets)
        self._clock = clock
        self.messages: dict[str, dict[str, Any]] = {}

    def call_of(self, request: Request) -> str:
        if request.method != "POST":
            raise RefusedError(405, "method", "only POST")
        return "message"

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        return {"call": call, "id": request.headers.get("webhook-id"), "status": None}

    def objects(self) -> Mapping[str, Any]:
        return self.messages

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        return Reply(refusal.status, json.dumps({"error": refusal.message}).encode(), headers=headers)

    async def perform(self, request: Request, call: str) -> Reply:
        message_id = request.headers.get("webhook-id", "")
        timestamp = request.headers.get("webhook-timestamp", "")
        if not message_id or not timestamp.isdigit():
            raise RefusedError(400, "headers", "headers are missing")
        if self._clock and abs(self._clock().timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
            raise RefusedError(400, "time", "too old or too new")
        if not self._is_signed(request, message_id, timestamp):
            raise RefusedError(401, "signature", "no signature fits")
        self.messages.setdefault(message_id, request.json())
        return json_reply({"ok": True})

    def _is_signed(self, request: Request, message_id: str, timestamp: str) -> bool:
        text = f"{message_id}.{timestamp}.".encode() + request.body
        given = request.headers.get("webhook-signature", "").split()
        wanted = [
            "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
            for key in self._keys
        ]
        return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def create_app() -> Receiver:
    """A receiver that has seen nothing and knows the time."""
    return Receiver(clock=lambda: datetime.now(UTC))


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a receiver at this address."""
    return {"url": f"{url}/hook?of=hub", "secret": SECRET, "allow_private": "true"}


simulator = SimulatorType(
    name="webhook",
    summary="a receiver of Standard Webhooks that checks signatures and drops repetitions",
    create_app=Receiver,
    config=config,
    secrets=(SECRET, SECRET.removeprefix("whsec_")),
    forbidden={"403": PermanentError},
    cannot={"truncated": "the status alone is the answer, nothing in a body is read"},
)
