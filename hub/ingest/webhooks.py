"""The door: token, mask, commit in groups, answer.

A plain ASGI application below FastAPI's routing, which alone would cost more than all of this. The
answer comes after the receipt is durable and waits for nothing else. Neither path, nor token, nor
body is ever logged.
"""

import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from adapters.api import Source
from hub.clock import Clock
from hub.errors import LogError
from hub.ingest.digests import KnownDigests
from hub.ingest.intake import Intake
from hub.ingest.requests import (
    ClientGoneError,
    Receive,
    RefusedError,
    Scope,
    Send,
    read_body,
    send_json,
    send_problem,
)
from hub.log.inbox_log import NewReceipt
from hub.telemetry import RECEIPT_OUTCOMES, Metrics

_log = structlog.get_logger(__name__)

_METHODS = ("GET", "HEAD", "POST")
_COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh")
_RETRY_AFTER = "5"


class ReceiptLog(Protocol):
    """Where receipts become durable."""

    async def store(self, receipt: NewReceipt) -> int:
        """Return once it is on disk; raise LogUnavailableError after 15 s without."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """A source and the tokens that open it: the present one and, while it is rotated, the one before.

    `trusting`: its payloads are taken for true.
    """

    source: Source[Any]
    tokens: tuple[str, ...] = field(repr=False)
    trusting: bool = True


class _OpenDoor:
    """A door with what it needs at hand."""

    def __init__(self, door: Door, metrics: Metrics) -> None:
        self.name = door.source.instance
        self.intake = Intake(door.source, trusting=door.trusting)
        self.duration = metrics.webhook_duration.labels(self.name)
        self._tokens = [token.encode() for token in door.tokens if token]
        self._outcomes = {
            outcome: metrics.webhooks.labels(self.name, outcome) for outcome in RECEIPT_OUTCOMES
        }

    def opens(self, token: bytes) -> bool:
        """Compared in constant time, with all tokens whichever fits."""
        fits = [hmac.compare_digest(token, right) for right in self._tokens]
        return any(fits)

    def count(self, outcome: str) -> None:
        self._outcomes[outcome].inc()


class WebhookEndpoint:
    """Answers `/webhooks/{source}/{token}`."""

    def __init__(
        self,
        doors: Iterable[Door],
        *,
        log: ReceiptLog,
        known: KnownDigests,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._doors = {door.source.instance: _OpenDoor(door, metrics) for door in doors}
        # An unknown source is compared with a token nobody has, so that it answers in the same time.
        self._nobody = secrets.token_bytes(16)
        self._log = log
        self._known = known
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        with_body = scope["method"] != "HEAD"
        _, _, source, token = (*scope["path"].split("/", 3), "", "", "")[:4]
        door = self._doors.get(source)
        try:
            answer = await self._answer(door, token, scope, receive)
        except RefusedError as refused:
            _count_refused(door, refused)
            await send_problem(send, refused, with_body=with_body)
        except ClientGoneError:
            return
        else:
            await send_json(send, answer, with_body=with_body)
        if door is not None:
            door.duration.observe(time.perf_counter() - began)

    async def _answer(
        self, door: _OpenDoor | None, token: str, scope: Scope, receive: Receive
    ) -> dict[str, str]:
        given = token.encode("utf-8", "surrogateescape")
        if door is None:
            hmac.compare_digest(given, self._nobody)
        if door is None or not door.opens(given):
            raise RefusedError(404, "not-found", "no such webhook")
        if scope["method"] not in _METHODS:
            raise RefusedError(405, "method-not-allowed", "a webhook is a POST", allow=", ".join(_METHODS))
        if scope["method"] != "POST":
            return {"source": door.name}
        try:
            receipt = await self._received(door, await read_body(scope, receive))
        except (RefusedError, ClientGoneError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug, of which only the type is told: its text could quote the body
            _log.error("webhook_failed", source=door.name, error=type(error).__name__)
            raise RefusedError(500, "internal", "the hub failed; nothing may be stored") from None
        return {"receipt": receipt.receipt_id, "status": receipt.status}

    async def _received(self, door: _OpenDoor, body: bytes) -> NewReceipt:
        """The stored receipt; a body that is no JSON object is stored too, and refused."""
        if body.startswith(_COMPRESSED):
            # What is compressed cannot be searched for secrets, so it is not kept either.
            raise RefusedError(415, "unsupported-media-type", "send the body without compression")
        now = self._clock.now()
        receipt, problem = door.intake.receive(body, received_at=now)
        if receipt.status == "accepted" and await self._known.know(receipt.digest, now=now):
            receipt = replace(receipt, status="duplicate")
        try:
            await self._log.store(receipt)
        except LogError as error:
            _log.error("webhook_not_stored", source=door.name, error=type(error).__name__)
            detail = "the log cannot be written; send it again"
            raise RefusedError(503, "unavailable", detail, retry_after=_RETRY_AFTER) from error
        self._known.add(receipt.digest, received_at=now)
        door.count(receipt.status)
        if problem is not None:
            raise RefusedError(400, "invalid", f"{problem}; kept in quarantine", receipt=receipt.receipt_id)
        return receipt


def _count_refused(door: _OpenDoor | None, refused: RefusedError) -> None:
    if door is not None and refused.receipt is None:
        door.count("unavailable" if refused.status >= 500 else "refused")
        _log.warning("webhook_refused", source=door.name, status=refused.status, code=refused.code)
