"""The connection: refuses what it cannot work with, and outlives every outage without a flood of lines."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import nats.aio.client
import pytest
from structlog.testing import capture_logs

import hub.log.client as client_module
from hub.errors import ConfigError, LogUnavailableError
from hub.log import EmbeddedServer, LogConnection, ServerAddress, connect
from hub.log.broker import JetStreamRefusedError
from hub.log.client import ReconnectingClient
from tests.nats_process import NatsProcess
from tests.waiting import until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def own(server: NatsProcess) -> AsyncIterator[LogConnection]:
    async with await connect(server.address) as connection:
        yield connection


async def restart(server: NatsProcess, connection: LogConnection) -> None:
    before = connection.reconnects
    await asyncio.to_thread(server.start)
    await until(lambda: connection.reconnects > before)


async def test_the_servers_version_and_limits_are_known(connection: LogConnection) -> None:
    assert connection.is_connected
    assert connection.server_version.split(".") >= ["2", "12"]
    assert connection.max_message_bytes == 1 << 20


async def test_no_server_is_told_in_one_line_in_time() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(LogUnavailableError) as refused:
        await connect(ServerAddress("nats://someone:secret@127.0.0.1:1"), within=timedelta(seconds=0.6))
    assert loop.time() - begun < 15, "half of the patience it has by itself"
    assert str(refused.value) == "no NATS server answered at nats://127.0.0.1:1 within 1 s"


async def test_wrong_credentials_are_told_at_once(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    address = await server.start()
    with pytest.raises(ConfigError, match="refused the connection"):
        await connect(replace(address, password="wrong"))
    with pytest.raises(ConfigError, match="refused the connection"):
        await connect(ServerAddress(address.url))
    await server.stop()


async def test_an_old_server_is_refused(server: NatsProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogConnection, "server_version", property(lambda _: "2.11.4"))
    with pytest.raises(ConfigError, match=r"is version 2\.11\.4, the hub needs 2.12"):
        await connect(server.address)


async def test_an_outage_is_two_lines_however_long(server: NatsProcess, own: LogConnection) -> None:
    with capture_logs() as lines:
        server.kill()
        await until(lambda: not own.is_connected)
        await asyncio.sleep(1.2)
        await restart(server, own)
    assert [line["event"] for line in lines] == ["log_connection_lost", "log_connection_back"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_connection_comes_back_after_any_end_of_the_server(
    server: NatsProcess, own: LogConnection, number: signal.Signals
) -> None:
    heard: list[bytes] = []

    async def hear(message: Any) -> None:
        heard.append(message.data)

    regained = asyncio.Event()
    own.on_reconnect.add(regained.set)
    await own.subscribe("news.>", hear)
    os.kill(server.pid, number)
    await until(lambda: not own.is_connected)
    server.stop()
    await restart(server, own)
    assert regained.is_set()
    await own.post("news.one", b"after")
    await until(lambda: heard == [b"after"])


async def test_a_server_that_closes_the_connection_is_only_an_outage(
    server: NatsProcess, own: LogConnection
) -> None:
    await own.client.publish("x", b"x" * own.max_message_bytes, headers={"a": "b"})
    await until(lambda: own.reconnects == 1)
    assert (await own.api("INFO"))["streams"] == 0


async def test_other_credentials_for_a_while_are_only_an_outage(tmp_path: Path) -> None:
    """FastStream's own error callback would end the reconnecting for good here."""
    server = EmbeddedServer(tmp_path)
    async with await connect(await server.start()) as connection:
        port = int(server.address.url.rpartition(":")[2])
        record = server._record
        assert record is not None
        await server.stop()
        server.files.write_config(replace(record, password="other"))
        child = await asyncio.create_subprocess_exec(server._binary, "--config", server.files.config)
        await asyncio.sleep(1)
        assert not connection.is_connected
        child.terminate()
        await child.wait()
        server.files.write_config(record)
        child = await asyncio.create_subprocess_exec(server._binary, "--config", server.files.config)
        await until(lambda: connection.reconnects == 1)
        assert record.port == port
    child.terminate()
    await child.wait()


async def test_nothing_is_sent_while_disconnected(server: NatsProcess, own: LogConnection) -> None:
    """nats-py would keep it and send it later, after the caller has given up."""
    await own.api(
        "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "storage": "file", "allow_direct": True}
    )
    server.kill()
    await until(lambda: not own.is_connected)
    for call in (own.request("s.1", b"x"), own.post("s.2", b"x"), own.api("INFO")):
        with pytest.raises(LogUnavailableError):
            await call
    await restart(server, own)
    assert (await own.api("STREAM.INFO.S"))["state"]["messages"] == 0


async def test_a_question_under_way_ends_with_the_connection(server: NatsProcess, own: LogConnection) -> None:
    async def silent(_: Any) -> None:
        """Never answers."""

    await own.subscribe("silent", silent)
    asking = asyncio.create_task(own.request("silent", b"", timeout=60))
    done, _ = await asyncio.wait({asking}, timeout=0.1)
    assert not done
    server.kill()
    with pytest.raises(LogUnavailableError):
        async with asyncio.timeout(30):
            await asking


async def test_a_question_nobody_answers_ends_in_time(connection: LogConnection) -> None:
    with pytest.raises(LogUnavailableError, match="nobody answers"):
        await connection.request("nobody.is.here", b"")
    with pytest.raises(JetStreamRefusedError) as refused:
        await connection.api("STREAM.INFO.NOT_THERE")
    assert (refused.value.code, refused.value.status) == (10059, 404)


async def test_a_cancellation_that_meets_the_answer_is_not_lost(
    connection: LogConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 drops it inside wait_for, and a loop that asks and asks could not be stopped."""
    answered: list[asyncio.Future[str]] = []

    async def request(*_: object, **__: object) -> str:
        answered.append(asyncio.get_running_loop().create_future())
        return await asyncio.wait_for(answered[-1], 60)

    monkeypatch.setattr(connection.client, "request", request)

    async def ask_for_ever() -> None:
        while True:
            await connection.request("x", b"")

    asking = asyncio.create_task(ask_for_ever())
    await until(lambda: bool(answered))
    answered[-1].set_result("an answer")
    asking.cancel()
    done, _ = await asyncio.wait({asking}, timeout=30)
    asking.cancel()
    assert done
    assert asking.cancelled()


async def test_closing_twice_or_without_a_server_is_fine(server: NatsProcess) -> None:
    connection = await connect(server.address)
    server.kill()
    await until(lambda: not connection.is_connected)
    await connection.close()
    await connection.close()
    with pytest.raises(LogUnavailableError):
        await connection.api("INFO")


async def test_an_error_in_a_callback_is_told_and_is_no_outage(connection: LogConnection) -> None:
    async def failing(_: Any) -> None:
        raise RuntimeError("told to fail")

    await connection.subscribe("failing", failing)
    with capture_logs() as lines:
        await connection.post("failing", b"")
        await until(lambda: bool(lines))
    assert [line["event"] for line in lines] == ["log_client_error"]


def test_what_is_overridden_in_the_libraries_still_exists() -> None:
    """An update that renames one of these would quietly bring the faults back."""
    assert hasattr(nats.aio.client.Client, "_process_err")
    assert hasattr(nats.aio.client.Client, "_process_op_err")
    assert hasattr(nats.aio.client.Client, "_connect_to_server")
    assert hasattr(nats.aio.client.Client, "_parse_header_lines")
    assert hasattr(client_module.NatsBroker, "_connect")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"A: b\r\n\r\n",
        b"A:b\r\nC: \td \r\n\r\n",
        b"Nats-Subject: hub.events.a.=C3\r\nNats-Sequence: 7\r\n\r\n",
        'Hub-Receipt: {"reason": "ä: b"}\r\n\r\n'.encode(),
        b"no colon\r\nA: \r\n\r\n",
    ],
)
def test_headers_are_read_as_nats_py_reads_them(raw: bytes) -> None:
    assert ReconnectingClient._parse_header_lines(raw) == nats.aio.client.Client._parse_header_lines(raw)
