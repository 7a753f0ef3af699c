"""The reactor contract on our chat, and real mail through an independent SMTP server."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller

from adapters.api import AdapterContext
from adapters.errors import PermanentError, TransientError
from adapters.notify.config import NotifyConfig
from adapters.notify.simulator import TOKEN, Messages, config, mail_address, simulator
from adapters.notify.sink import NotifySink
from adapters.simulation import Fault
from adapters.testing import ReactorContract, SimulatedSide, SimulatorServer, envelope_of, sample_events
from events import BookingCancelled, Envelope
from tests.e2e.harness import free_port

CANCELLED = envelope_of(sample_events()[BookingCancelled])
HOSTILE = "<b>Ilse</b>\r\nBcc: all@evil.example\n\u202e@everyone " + "x" * 10_000


@pytest.fixture(scope="module")
def chat_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(Messages())
    server.start()
    yield server
    server.stop()


def sink_to(*addresses: str, **members: Any) -> NotifySink:
    context = AdapterContext(
        instance="team-chat", installation_id="i-1", clock=lambda: datetime.now(UTC), timezone="Europe/Berlin"
    )
    return NotifySink(NotifyConfig.model_validate({"to": list(addresses)} | members), context)


class TestNotify(ReactorContract):
    secrets = (TOKEN,)
    cannot = simulator.cannot

    @pytest.fixture(autouse=True)
    def _served(self, chat_server: SimulatorServer) -> None:
        self.server = chat_server

    def other_side(self) -> SimulatedSide:
        return SimulatedSide(self.server, Messages())

    def sink(self, context: AdapterContext) -> NotifySink:
        return NotifySink(NotifyConfig.model_validate(config(self.server.url)), context)


async def test_an_address_that_has_the_message_is_not_told_again(chat_server: SimulatorServer) -> None:
    side = SimulatedSide(chat_server, Messages())
    host = chat_server.url.removeprefix("http://")
    sink = sink_to(f"json://{host}/first", f"json://{host}/second", f"json://{host}/third")
    side.fault(kind="status", status=500, skip=1)
    with pytest.raises(TransientError):
        await sink.react(CANCELLED, idempotency_key="key-1")
    assert len(side.objects()) == 2
    await sink.react(CANCELLED, idempotency_key="key-1")
    assert len(side.objects()) == 3
    await sink.react(CANCELLED, idempotency_key="key-2")
    assert len(side.objects()) == 6


@asynccontextmanager
async def simulated_mail() -> AsyncIterator[tuple[Messages, str]]:
    """The mailbox of the stand-in, and its address for a team."""
    app = Messages()
    server = await asyncio.get_running_loop().create_server(lambda: app.converse(lambda: None), "127.0.0.1")
    async with server:
        url = mail_address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield app, f"{url}?from=hub@studio.example&to=team@studio.example&mode=insecure"


async def test_a_mail_is_in_the_mailbox_of_the_stand_in() -> None:
    async with simulated_mail() as (app, address):
        sink = sink_to(address, title="{event.label}: {attendees.names}", body="{attendees.names} ß {reason}")
        await sink.react(CANCELLED, idempotency_key="key-1")
        await sink.write("ilse@kunde.example", title="Another time?", body="https://cal.example/x")
    told, letter = app.objects().values()
    assert told["title"].startswith("Cancelled: ")
    assert "ß" in told["message"]
    assert told["to"] == "team@studio.example"
    assert letter == {
        "title": "Another time?",
        "message": "https://cal.example/x",
        "to": "ilse@kunde.example",
    }


async def test_letters_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("apprise.url.time.sleep", pauses.append)
    async with simulated_mail() as (app, address):
        sink = sink_to(address)
        for number in range(3):
            await sink.react(CANCELLED, idempotency_key=f"key-{number}")
    assert len(app.objects()) == 3
    assert pauses == []


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        (Fault("status", status=503), False),
        (Fault("status", status=400), False),
        (Fault("html"), False),
        (Fault("disconnect"), False),
        (Fault("lost_reply"), True),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
async def test_the_mailbox_of_the_stand_in_fails_as_told(fault: Fault, arrives: bool) -> None:
    async with simulated_mail() as (app, address):
        app.faults.append(fault)
        sink = sink_to(address)
        with pytest.raises(TransientError, match="mailto"):
            await sink.react(CANCELLED, idempotency_key="key-1")
        assert len(app.objects()) == arrives
        await sink.react(CANCELLED, idempotency_key="key-2")
        assert len(app.objects()) == arrives + 1


@pytest.mark.parametrize(("status", "code"), [(503, 451), (429, 451), (400, 554)])
async def test_a_refusal_has_the_code_of_its_kind(status: int, code: int) -> None:
    async with simulated_mail() as (app, address):
        app.faults.append(Fault("status", status=status))
        port = urlsplit(address).port or 0

        def send() -> int:
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
                try:
                    smtp.sendmail("a@b.example", ["c@d.example"], "Subject: x\r\n\r\ny")
                except smtplib.SMTPDataError as refusal:
                    return refusal.smtp_code
            return 250

        assert await asyncio.to_thread(send) == code
        assert await asyncio.to_thread(send) == 250


class Mailbox:
    """What arrived by SMTP."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.rcpt_tos, mail))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    handler = Mailbox()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield handler, f"mailto://127.0.0.1:{port}?from=hub@studio.example&to=team@studio.example&mode=insecure"
    controller.stop()


async def test_a_mail_arrives_and_nothing_of_it_obeys_a_guest(mailbox: tuple[Mailbox, str]) -> None:
    handler, address = mailbox
    sink = sink_to(address, title="{event.label}: {attendees.names}", body="{attendees.names} {reason}")
    await sink.react(hostile(), idempotency_key="key-1")
    ((recipients, mail),) = handler.mails
    assert recipients == ["team@studio.example"]
    assert mail["Bcc"] is None
    assert mail["To"] == "team@studio.example"
    assert str(mail["Subject"]).startswith("Cancelled: \u2039b\u203aIlse\u2039/b\u203a Bcc:")
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    assert parts
    for part in parts:
        content = part.get_content()
        assert "<b>Ilse" not in content
        assert "@everyone" not in content
        assert "\u202e" not in content
        assert len(content) < 3000


async def test_a_letter_goes_to_one_person_alone(mailbox: tuple[Mailbox, str]) -> None:
    handler, address = mailbox
    sink = sink_to("json://127.0.0.1/x", f"{address}&cc=boss@studio.example")
    assert sink.can_write()
    await sink.write("ilse@kunde.example", title="Another time?", body="https://cal.example/x")
    ((recipients, mail),) = handler.mails
    assert (recipients, mail["To"], mail["Cc"]) == (["ilse@kunde.example"], "ilse@kunde.example", None)
    without = sink_to("json://127.0.0.1/x")
    assert not without.can_write()
    with pytest.raises(PermanentError):
        await without.write("ilse@kunde.example", title="x", body="y")


async def test_a_mail_server_that_is_away_passes(mailbox: tuple[Mailbox, str]) -> None:
    with pytest.raises(TransientError, match="mailto"):
        await sink_to("mailto://127.0.0.1:1?from=a@b.example&to=c@d.example&mode=insecure").react(
            CANCELLED, idempotency_key="key-1"
        )


def hostile() -> Envelope:
    event = sample_events()[BookingCancelled]
    people = tuple(a.model_copy(update={"name": HOSTILE}) for a in event.booking.attendees)
    return envelope_of(
        event.model_copy(update={"booking": event.booking.model_copy(update={"attendees": people})})
    )
