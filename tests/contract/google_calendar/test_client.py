"""The wire: whatever comes back, the failure names its kind; credentials of all three sorts work."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.errors import AuthError, PermanentError, TransientError
from adapters.google_calendar.client import CalendarClient
from adapters.google_calendar.config import Credentials
from adapters.simulation import Reply, Request
from tests.contract.google_calendar.stand_in import CALENDAR, TOKEN, CalendarServer, StandIn

NOW = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
ENTRY = {
    "id": "abcde0123456789",
    "summary": "Erstgespräch",
    "start": {"dateTime": "2026-10-23T10:00:00+02:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-10-23T10:45:00+02:00", "timeZone": "Europe/Berlin"},
}


@pytest.fixture
def calendar(calendar_server: CalendarServer) -> Iterator[StandIn]:
    stand_in = StandIn(calendar_server, **{CALENDAR: "owner", "shared@studio.example": "reader"})
    yield stand_in
    stand_in.close()


def client(url: str, *, timeout: float = 5, **credentials: Any) -> CalendarClient:
    return CalendarClient(
        base_url=url,
        credentials=Credentials.model_validate(credentials or {"access_token": TOKEN}),
        timeout=timedelta(seconds=timeout),
        clock=lambda: NOW,
    )


async def test_entries_are_written_and_read(calendar: StandIn) -> None:
    wire = client(calendar.url)
    made = await wire.insert(CALENDAR, ENTRY)
    assert made.entry is not None
    read = await wire.get(CALENDAR, ENTRY["id"])
    assert read.entry == made.entry
    changed = await wire.update(CALENDAR, ENTRY["id"], ENTRY | {"summary": "neu"}, etag=made.entry.etag)
    assert changed.entry is not None
    assert changed.entry.raw["summary"] == "neu"
    assert (await wire.update(CALENDAR, ENTRY["id"], ENTRY, etag=made.entry.etag)).outcome == "stale"
    assert (await wire.delete(CALENDAR, ENTRY["id"], etag=made.entry.etag)).outcome == "stale"
    assert (await wire.delete(CALENDAR, ENTRY["id"], etag=changed.entry.etag)).outcome == "done"
    assert (await wire.delete(CALENDAR, ENTRY["id"], etag=None)).outcome == "gone"
    assert (await wire.insert(CALENDAR, ENTRY)).outcome == "duplicate"
    assert (await wire.get(CALENDAR, "unknown00")).outcome == "missing"
    assert (await wire.delete(CALENDAR, "unknown00", etag=None)).outcome == "missing"


async def test_access_is_proved_by_reading_and_by_the_role(calendar: StandIn) -> None:
    await client(calendar.url).check_access(CALENDAR)
    with pytest.raises(AuthError, match="shared as reader"):
        await client(calendar.url).check_access("shared@studio.example")
    with pytest.raises(PermanentError, match="no such calendar"):
        await client(calendar.url).check_access("nobody@studio.example")
    with pytest.raises(AuthError, match="401 authError"):
        await client(calendar.url, access_token="ya29.expired").check_access(CALENDAR)


async def test_writing_where_only_reading_is_allowed_is_for_a_person(calendar: StandIn) -> None:
    with pytest.raises(AuthError, match="403 requiredAccessLevel"):
        await client(calendar.url).insert("shared@studio.example", ENTRY)


async def test_a_used_up_quota_waits_long(calendar: StandIn) -> None:
    calendar.fail_next("403 quotaExceeded")
    with pytest.raises(TransientError, match="403 quotaExceeded") as caught:
        await client(calendar.url).insert(CALENDAR, ENTRY)
    assert caught.value.retry_after == timedelta(hours=1)


@pytest.mark.parametrize(
    ("after", "wait"),
    [
        (None, None),
        ("30", timedelta(seconds=30)),
        ("Tue, 20 Oct 2026 12:02:00 GMT", timedelta(minutes=2)),
        ("soon", None),
    ],
    ids=["not told", "seconds", "date", "unreadable"],
)
async def test_a_429_waits_as_told(calendar: StandIn, after: str | None, wait: timedelta | None) -> None:
    calendar.fault(kind="status", status=429, retry_after=after)
    with pytest.raises(TransientError) as caught:
        await client(calendar.url).get(CALENDAR, ENTRY["id"])
    assert caught.value.retry_after == wait


async def test_a_target_that_does_not_answer_in_time_is_transient(calendar: StandIn) -> None:
    calendar.fault(kind="delay", seconds=1)
    with pytest.raises(TransientError, match="no answer within"):
        await client(calendar.url, timeout=0.2).get(CALENDAR, ENTRY["id"])


async def test_nobody_listening_is_transient() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientError, match="connection failed"):
        await client(f"http://127.0.0.1:{port}/calendar/v3/").get(CALENDAR, ENTRY["id"])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xc3(",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nplop",
        b"\x00\x00 nonsense\r\n\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"no"',
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["hung up", "cut body", "broken text", "broken gzip", "no HTTP", "a text", "no entry"],
)
async def test_an_answer_that_is_none_is_transient(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransientError):
            await client(f"http://127.0.0.1:{port}/calendar/v3/").get(CALENDAR, ENTRY["id"])


async def test_a_redirect_does_not_carry_the_token_away(calendar: StandIn) -> None:
    heard: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {calendar.url}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(PermanentError):
            await client(f"http://127.0.0.1:{port}/calendar/v3/").get(CALENDAR, ENTRY["id"])
    assert len(heard) == 1
    assert calendar.calls() == 0


async def test_a_calendar_that_hangs_leaves_the_other_sinks_their_threads(
    calendar: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform, let_go = calendar.app.perform, threading.Event()

    async def hang(request: Request, call: str) -> Reply:
        while call == "get" and not let_go.is_set():  # noqa: ASYNC110 - it is let go from another thread
            await asyncio.sleep(0.01)
        return await perform(request, call)

    monkeypatch.setattr(calendar.app, "perform", hang)
    hanging, busy = client(calendar.url, timeout=60), client(calendar.url, timeout=60)
    waiting = [asyncio.create_task(hanging.get(CALENDAR, "a1b2c3")) for _ in range(32)]
    answer = await busy.insert(CALENDAR, ENTRY)
    assert answer.outcome == "shown"
    assert not any(task.done() for task in waiting)
    let_go.set()
    await asyncio.gather(*waiting)
    hanging.close()
    hanging.close()
    assert (await hanging.get(CALENDAR, ENTRY["id"])).outcome == "shown"


async def test_many_calls_at_once_do_not_disturb_each_other(calendar: StandIn) -> None:
    wire = client(calendar.url)
    bodies = [ENTRY | {"id": f"e{number:04d}", "summary": f"n{number}"} for number in range(40)]
    answers = await asyncio.gather(*(wire.insert(CALENDAR, body) for body in bodies))
    assert [answer.entry and answer.entry.raw["summary"] for answer in answers] == [
        body["summary"] for body in bodies
    ]
    assert len(calendar.entries()) == 40


@contextmanager
def service_account(folder: Path, token_uri: str) -> Iterator[Path]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = folder / "google.json"
    members = {
        "type": "service_account",
        "project_id": "studio",
        "private_key_id": "k1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "hub@studio.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(members))
    yield file
    file.unlink()


async def test_a_service_account_gets_its_token_and_a_new_one_when_it_is_refused(
    calendar: StandIn, calendar_server: CalendarServer, tmp_path: Path
) -> None:
    with service_account(tmp_path, f"{calendar_server.url}/token") as file:
        wire = client(calendar.url, service_account_file=str(file))
        await wire.check_identity()
        await wire.check_access(CALENDAR)
        assert (await wire.insert(CALENDAR, ENTRY)).outcome == "shown"
        calendar.fault(kind="status", status=401)
        assert (await wire.get(CALENDAR, ENTRY["id"])).outcome == "shown"
        calendar.fault(kind="status", status=401, times=2)
        with pytest.raises(AuthError, match="401"):
            await wire.get(CALENDAR, ENTRY["id"])


async def test_a_token_endpoint_that_is_away_is_transient(calendar: StandIn, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with service_account(tmp_path, f"http://127.0.0.1:{port}/token") as file:
        wire = client(calendar.url, service_account_file=str(file))
        with pytest.raises(TransientError):
            await wire.check_identity()


async def test_a_token_that_is_denied_is_for_a_person(
    calendar: StandIn, calendar_server: CalendarServer, tmp_path: Path
) -> None:
    with service_account(tmp_path, f"{calendar_server.url}/no-such-page") as file:
        wire = client(calendar.url, service_account_file=str(file))
        with pytest.raises(AuthError, match="RefreshError"):
            await wire.check_identity()


@pytest.mark.parametrize("content", [None, "", "{}", '{"type": "authorized_user"}', "[]"])
@pytest.mark.parametrize("kind", ["service_account_file", "authorized_user_file"])
async def test_a_credentials_file_that_is_none_is_for_a_person(
    calendar: StandIn, tmp_path: Path, kind: str, content: str | None
) -> None:
    file = tmp_path / "google.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(AuthError, match=r"google\.json cannot be used"):
        await client(calendar.url, **{kind: str(file)}).check_identity()
    assert calendar.calls() == 0
