"""The reactor contract on our receiver, and what the reference library of Standard Webhooks says of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.api import AdapterContext, Receipt
from adapters.errors import AuthError, PermanentError
from adapters.http import HttpClient
from adapters.testing import ReactorContract, SimulatedSide, SimulatorServer, envelope_of, sample_events
from adapters.webhook.config import WebhookConfig
from adapters.webhook.mapping import body_of, event_of, headers_of
from adapters.webhook.simulator import SECRET, Receiver, config, simulator
from adapters.webhook.sink import WebhookSink
from events import BookingCreated

OTHER_SECRET = "whsec_YW5vdGhlci1tYWRlLXVwLXNlY3JldC1ieXRlcw=="
CREATED = envelope_of(sample_events()[BookingCreated])


@pytest.fixture(scope="module")
def receiver() -> Iterator[SimulatorServer]:
    server = SimulatorServer(Receiver())
    server.start()
    yield server
    server.stop()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def context(clock: Clock) -> AdapterContext:
    return AdapterContext(
        instance="backend", installation_id="i-1", clock=clock, http=HttpClient(clock=clock)
    )


async def react(server: SimulatorServer, clock: Clock, **members: Any) -> Receipt:
    sink = WebhookSink(WebhookConfig.model_validate(config(server.url) | members), context(clock))
    try:
        return await sink.react(CREATED, idempotency_key="key-1")
    finally:
        await sink.close()


class TestWebhook(ReactorContract):
    secrets = (SECRET, SECRET.removeprefix("whsec_"), "of=hub")
    forbidden = simulator.forbidden
    cannot = simulator.cannot

    @pytest.fixture(autouse=True)
    def _served(self, receiver: SimulatorServer) -> None:
        self.server = receiver

    def other_side(self) -> SimulatedSide:
        return SimulatedSide(self.server, Receiver())

    def sink(self, context: AdapterContext) -> WebhookSink:
        return WebhookSink(WebhookConfig.model_validate(config(self.server.url)), context)


async def test_a_late_attempt_carries_its_own_time_and_the_same_id(receiver: SimulatorServer) -> None:
    clock = Clock()
    side = SimulatedSide(receiver, Receiver(clock=clock))
    first = await react(receiver, clock)
    clock.now += timedelta(days=3)
    assert await react(receiver, clock) == first
    assert list(side.objects()) == [first.external_id] == ["msg_key-1"]
    assert [call["status"] for call in side.called()] == [200, 200]


async def test_both_secrets_open_a_message_while_they_change(receiver: SimulatorServer) -> None:
    for known in (SECRET, OTHER_SECRET):
        side = SimulatedSide(receiver, Receiver((known,)))
        await react(receiver, Clock(), secret=OTHER_SECRET, previous_secret=SECRET)
        assert len(side.objects()) == 1


async def test_a_wrong_secret_pauses_the_sink(receiver: SimulatorServer) -> None:
    side = SimulatedSide(receiver, Receiver())
    with pytest.raises(AuthError):
        await react(receiver, Clock(), secret=OTHER_SECRET)
    assert side.objects() == {}


async def test_a_receiver_that_is_gone_pauses_the_sink(receiver: SimulatorServer) -> None:
    SimulatedSide(receiver, Receiver()).fail_next("410")
    with pytest.raises(AuthError, match="410"):
        await react(receiver, Clock())


async def test_a_redirect_is_not_followed(receiver: SimulatorServer) -> None:
    side = SimulatedSide(receiver, Receiver())
    side.fail_next("307")
    with pytest.raises(PermanentError, match="307"):
        await react(receiver, Clock())
    assert side.calls() == 1


async def test_the_receiver_gets_the_event_as_the_api_shows_it(receiver: SimulatorServer) -> None:
    side = SimulatedSide(receiver, Receiver())
    await react(receiver, Clock())
    (message,) = side.objects().values()
    assert message["type"] == "BookingCreated"
    assert message["data"] == json.loads(json.dumps(event_of(CREATED)))
    assert message["data"]["data"]["booking"]["booking_id"] == CREATED.booking_id


def test_the_reference_library_accepts_the_signature_and_nothing_else() -> None:
    body, now = body_of(CREATED), datetime.now(UTC)
    headers = headers_of("msg_1", now, body, [Webhook(OTHER_SECRET)._whsecret, Webhook(SECRET)._whsecret])
    assert Webhook(SECRET).verify(body.decode(), headers) == json.loads(body)
    spoilt = (
        (body + b" ", headers),
        (body, headers | {"webhook-id": "msg_2"}),
        (body, headers_of("msg_1", now - timedelta(minutes=6), body, [Webhook(SECRET)._whsecret])),
        (body, headers_of("msg_1", now, body, [b"another key of 24 bytes!"])),
    )
    for content, given in spoilt:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(content.decode(), given)


def test_the_reference_library_signs_what_our_receiver_accepts(receiver: SimulatorServer) -> None:
    SimulatedSide(receiver, Receiver(clock=lambda: datetime.now(UTC)))
    now, body = datetime.now(UTC), body_of(CREATED).decode()
    signature = Webhook(SECRET).sign("msg_lib", now, body)
    headers = {
        "webhook-id": "msg_lib",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    answer = receiver.client.post("/hook", content=body.encode(), headers=headers)
    assert answer.status_code == 200
    old = headers | {"webhook-timestamp": str(int(now.timestamp()) - 3600)}
    assert receiver.client.post("/hook", content=body.encode(), headers=old).status_code == 400
