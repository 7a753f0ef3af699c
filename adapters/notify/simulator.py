"""What people read: a chat that takes JSON messages, as apprise's `json://` sends them, and a mailbox.

Below any path it answers `POST`; on its second port it speaks SMTP (RFC 5321), without encryption and
without a password, as apprise's `mailto://…?mode=insecure` does. Both take the same message again when they
are told it again; `objects` are the messages in the order in which they came. What the many services behind
apprise do beyond that is theirs; the stand-in keeps what they have in common.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

TOKEN = "made-up-token-of-the-chat"  # noqa: S105 - opens the stand-in only

_POST, _MAIL = "POST", "MAIL"
_MAY_PASS = (429, *range(500, 600))


class Messages(Simulation):
    """The ASGI application, and the mail server."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}

    def call_of(self, request: Request) -> str:
        if request.method not in (_POST, _MAIL):
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

    def converse(self, kept: Callable[[], None]) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        return SMTP(_Letters(self, kept), hostname="localhost", enable_SMTPUTF8=True, loop=loop)

    async def take(self, letter: bytes) -> Reply:
        """A letter that came by mail: a call like any other."""
        return await self._called(Request(_MAIL, (), {}, {}, letter))

    async def perform(self, request: Request, call: str) -> Reply:
        number = f"{len(self.messages) + 1:04}"
        self.messages[number] = _posted(request) if request.method == _POST else _written(request.body)
        return json_reply({"ok": True})


class _Letters:
    """What aiosmtpd asks when a letter has come."""

    def __init__(self, messages: Messages, kept: Callable[[], None]) -> None:
        self._messages = messages
        self._kept = kept

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await self._messages.take(envelope.original_content or b"")
        self._kept()
        if reply.cut is not None and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        if reply.status < 300:
            return "250 2.0.0 taken"
        return f"451 4.3.0 not now ({reply.status})" if reply.status in _MAY_PASS else "554 5.7.1 refused"


def _posted(request: Request) -> dict[str, Any]:
    told = request.json()
    return {"title": told.get("title"), "message": told.get("message")}


def _written(letter: bytes) -> dict[str, Any]:
    mail = message_from_bytes(letter, policy=policy.default)
    text = mail.get_body(("plain", "html"))
    return {
        "title": mail["subject"],
        "message": text.get_content().strip() if text else None,
        "to": mail["to"],
    }


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for the chat at this address."""
    return {"to": [f"{chat_address(url)}/{TOKEN}"], "title": "{event.label}: {booking_id}"}


def chat_address(url: str) -> str:
    """The chat at this address as apprise writes it."""
    return f"json://{url.removeprefix('http://')}"


def mail_address(url: str) -> str:
    """The mail server at this address as apprise writes it; whom it writes to is added as `?from=…&to=…`."""
    return f"mailto://{url.removeprefix('http://')}"


_ONLY_TAKEN = "apprise tells only whether a message was taken, so every failure may pass"

simulator = SimulatorType(
    name="notify",
    summary="a chat and a mailbox that take what they are told twice",
    create_app=Messages,
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
    playground=Messages,
    converses=True,
    address=mail_address,
)
