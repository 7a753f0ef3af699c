"""The door: what is answered to whom, and what is stored before it is."""

import asyncio
import json
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.api import Reading
from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import MeetergoConfig
from hub.clock import ManualClock
from hub.errors import LogUnavailableError
from hub.ingest import requests
from hub.ingest.requests import LARGEST_BODY
from hub.ingest.webhooks import Door, WebhookEndpoint
from hub.log.inbox_log import NewReceipt
from hub.telemetry import Metrics
from tests.unit.adapters.meetergo.payloads import payload
from tests.unit.ingest.asgi import Answer, call

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATH = "/webhooks/meetergo/right-token"
SECRET = "NOT-A-REAL-SECRET"


class Receipts:
    """A log that stores in memory, or is away."""

    def __init__(self) -> None:
        self.stored: list[NewReceipt] = []
        self.away = False

    async def store(self, receipt: NewReceipt) -> int:
        if self.away:
            raise LogUnavailableError("told to be away")
        self.stored.append(receipt)
        return len(self.stored)


class Digests:
    """Knows what it was told."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    async def know(self, digest: str, *, now: datetime) -> bool:
        return digest in self.known

    def add(self, digest: str, *, received_at: datetime) -> None:
        self.known.add(digest)


class Broken(MeetergoSource):
    """A source with a defect whose message quotes what it read."""

    def check(self, body: Any, *, received_at: datetime) -> Reading:
        raise RuntimeError(f"cannot read {body}")


class Hub:
    def __init__(self, source: type[MeetergoSource] = MeetergoSource) -> None:
        self.receipts = Receipts()
        self.metrics = Metrics(version="test", sources=["meetergo", "other"])
        doors = [
            Door(source(MeetergoConfig(), instance="meetergo"), ("right-token", "old-token")),
            Door(MeetergoSource(MeetergoConfig(), instance="other"), ("other-token", "")),
        ]
        self.endpoint = WebhookEndpoint(
            doors,
            log=self.receipts,
            known=Digests(),  # type: ignore[arg-type]
            clock=ManualClock(NOW),
            metrics=self.metrics,
        )

    async def call(self, path: str, *chunks: bytes, **request: Any) -> Answer:
        answer = await call(self.endpoint, path, *chunks, **request)
        assert answer is not None
        return answer

    async def post(self, body: Any) -> Answer:
        return await self.call(PATH, body if isinstance(body, bytes) else json.dumps(body).encode())

    def counted(self, outcome: str) -> float:
        return float(self.metrics.webhooks.labels("meetergo", outcome)._value.get())


@pytest.fixture
def hub() -> Hub:
    return Hub()


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["code"] == code
    assert answer.json["status"] == status
    assert answer.json["detail"]


async def test_a_webhook_is_stored_masked_and_answered_with_its_receipt(hub: Hub) -> None:
    answer = await hub.post(payload("webhook_booking_created.flat.json") | {"secret": SECRET})
    (receipt,) = hub.receipts.stored
    assert answer.status == 200
    assert answer.json == {"receipt": receipt.receipt_id, "status": "accepted"}
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert (receipt.source, receipt.kind, receipt.received_at) == ("meetergo", "booking_created", NOW)
    assert receipt.provider_id == "6f1c2d3e-4b5a-4978-8c6d-7e8f9a0b1c2d"
    assert SECRET.encode() not in receipt.body
    assert json.loads(receipt.body)["secret"] == "***"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("webhook_booking_created.flat", "accepted"),
        ("webhook_new_employee.minimal.flat", "ignored"),
        ("webhook_unknown_type.flat", "quarantined"),
        ("webhook_malformed.no_type", "quarantined"),
    ],
)
async def test_the_answer_says_what_becomes_of_it(hub: Hub, name: str, status: str) -> None:
    answer = await hub.post(payload(f"{name}.json"))
    assert (answer.status, answer.json["status"]) == (200, status)
    assert hub.receipts.stored[0].status == status
    assert hub.counted(status) == 1


async def test_a_copy_in_the_other_envelope_is_a_duplicate_and_stored_too(hub: Hub) -> None:
    answers = [
        await hub.post(payload(f"webhook_booking_created.{style}.json")) for style in ("flat", "wrapped")
    ]
    assert [answer.json["status"] for answer in answers] == ["accepted", "duplicate"]
    assert len({receipt.receipt_id for receipt in hub.receipts.stored}) == 2
    assert len({receipt.digest for receipt in hub.receipts.stored}) == 1


async def test_what_is_not_accepted_is_never_called_a_duplicate(hub: Hub) -> None:
    for _ in range(2):
        assert (await hub.post(payload("webhook_unknown_type.flat.json"))).json["status"] == "quarantined"
        assert (await hub.post(b"[]")).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/meetergo/wrong-token",
        "/webhooks/meetergo/right-toke",
        "/webhooks/meetergo/right-token/",
        "/webhooks/meetergo/RIGHT-TOKEN",
        "/webhooks/meetergo/other-token",
        "/webhooks/meetergo/",
        "/webhooks/meetergo",
        "/webhooks/other/",
        "/webhooks/nobody/right-token",
        "/webhooks//right-token",
        "/webhooks/meetergo/r\udce4cht",
        "/",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_without_the_right_token_there_is_nothing_here(hub: Hub, path: str, method: str) -> None:
    read = []

    async def receive() -> MutableMapping[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"{}"}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    await hub.endpoint(scope, receive, send)
    assert sent[0]["status"] == 404
    assert not read
    assert hub.receipts.stored == []


@pytest.mark.parametrize("token", ["right-token", "old-token"])
async def test_both_tokens_open_while_one_is_rotated(hub: Hub, token: str) -> None:
    assert (await hub.call(f"/webhooks/meetergo/{token}", b"{}")).status == 200


async def test_a_look_with_the_right_token_is_answered_and_stores_nothing(hub: Hub) -> None:
    looked = await hub.call(PATH, method="GET")
    assert (looked.status, looked.json) == (200, {"source": "meetergo"})
    head = await hub.call(PATH, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == looked.headers["content-length"]
    assert hub.receipts.stored == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_told_which_there_are(hub: Hub, method: str) -> None:
    answer = await hub.call(PATH, b"{}", method=method)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert hub.receipts.stored == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"id": "x", "secret": "abcdefgh', b'{"a": "\xff"}', b"[" * 300_00]
)
async def test_what_is_no_json_object_is_refused_and_kept(hub: Hub, body: bytes) -> None:
    answer = await hub.post(body)
    assert_problem(answer, 400, "invalid")
    (receipt,) = hub.receipts.stored
    assert answer.json["receipt"] == receipt.receipt_id
    assert answer.json["next"] == f"bookinghub inbox show {receipt.receipt_id}"
    assert (receipt.status, receipt.provider_id) == ("quarantined", None)
    assert receipt.reason
    assert answer.json["detail"].startswith(receipt.reason)
    assert b"abcdefgh" not in receipt.body
    assert hub.counted("quarantined") == 1
    assert hub.counted("refused") == 0


async def test_the_largest_body_is_taken_and_one_byte_more_is_not(hub: Hub) -> None:
    body = json.dumps({"a": "x" * (LARGEST_BODY - 9)}).encode()
    assert len(body) == LARGEST_BODY
    half = LARGEST_BODY // 2
    for chunks in ([body], [body[:half], body[half:]]):
        assert (await hub.call(PATH, *chunks)).status == 200
    for chunks in ([body + b" "], [body[:half], body[half:] + b" "], [body, b" "]):
        for headers in ({}, {"content-length": ""}):
            assert_problem(await hub.call(PATH, *chunks, headers=headers), 413, "too-large")
    assert len(hub.receipts.stored) == 2
    assert hub.counted("refused") == 6


async def test_an_endless_body_is_not_read_to_its_end(hub: Hub) -> None:
    read = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal read
        read += 64 * 1024
        return {"type": "http.request", "body": b"x" * 64 * 1024, "more_body": True}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await hub.endpoint({"type": "http", "method": "POST", "path": PATH, "headers": []}, receive, send)
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert read < 5 * 1024 * 1024
    announced = await hub.call(PATH, headers={"content-length": "9" * 30})
    assert (announced.status, announced.headers["connection"]) == (413, "close")


async def test_a_client_that_leaves_gets_no_answer_and_stores_nothing(hub: Hub) -> None:
    assert await call(hub.endpoint, PATH, b'{"a"', leaves=True) is None
    assert hub.receipts.stored == []


async def test_a_body_that_does_not_come_is_not_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("never comes here")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await hub.endpoint({"type": "http", "method": "POST", "path": PATH, "headers": []}, receive, send)
    assert sent[0]["status"] == 408
    assert hub.receipts.stored == []


async def test_a_compressed_body_is_refused_since_nobody_can_search_it(hub: Hub) -> None:
    for encoding in ("gzip", "br", "GZIP, identity"):
        answer = await hub.call(PATH, b"{}", headers={"content-encoding": encoding})
        assert_problem(answer, 415, "unsupported-media-type")
        assert answer.headers["accept-encoding"] == "identity"
    for magic in (b"\x1f\x8b\x08", b"\x78\x9c\xab", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh9"):
        assert_problem(await hub.post(magic + SECRET.encode()), 415, "unsupported-media-type")
    assert hub.receipts.stored == []
    assert (await hub.call(PATH, b"{}", headers={"content-encoding": "identity"})).status == 200


async def test_without_a_log_the_webhook_is_to_be_sent_again(hub: Hub) -> None:
    body = payload("webhook_booking_created.flat.json")
    hub.receipts.away = True
    answer = await hub.post(body)
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert hub.counted("unavailable") == 1
    hub.receipts.away = False
    assert (await hub.post(body)).json["status"] == "accepted"


async def test_a_defect_tells_nobody_what_was_in_the_body() -> None:
    hub = Hub(Broken)
    with capture_logs() as logs:
        answer = await hub.post({"webhookType": "booking_created", "note": "a guest's words"})
    assert_problem(answer, 500, "internal")
    assert hub.receipts.stored == []
    assert {log["event"] for log in logs} == {"webhook_failed", "webhook_refused"}
    for said in (answer.body.decode(), repr(logs)):
        assert "guest" not in said


async def test_neither_token_nor_body_is_logged(hub: Hub) -> None:
    with capture_logs() as logs:
        await hub.post({"webhookType": "booking_created", "secret": SECRET, "note": "a guest's words"})
        await hub.post(b'{"note": "a guest\'s words')
        await hub.call("/webhooks/meetergo/wrong-token", b"{}")
        hub.receipts.away = True
        await hub.post(b"{}")
    assert "right-token" not in repr(logs)
    assert "wrong-token" not in repr(logs)
    assert "guest" not in repr(logs)
    assert SECRET not in repr(logs)


async def test_receipts_of_one_moment_have_ids_of_their_own_that_sort_by_time(hub: Hub) -> None:
    await asyncio.gather(*(hub.post(b"{}") for _ in range(50)))
    ids = [receipt.receipt_id for receipt in hub.receipts.stored]
    hub.endpoint._clock.advance(timedelta(milliseconds=1))  # type: ignore[attr-defined]
    later = (await hub.post(b"{}")).json["receipt"]
    assert len(set(ids)) == 50
    assert max(ids) < later
