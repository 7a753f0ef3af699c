"""One nats-server per data directory: started, watched, adopted, ended, and never doubled."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

import hub.log.embedded as embedded
from hub.errors import AlreadyRunningError, ConfigError, LogUnavailableError
from hub.log import EmbeddedServer, EventLog, HubLock, Privacy, ServerAddress, connect, open_streams
from hub.log.probe import probe
from tests.integration.log.samples import moves
from tests.waiting import until

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("hub_process.py")


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder with an awkward name; whatever server still runs on it is ended."""
    folder = tmp_path / 'data "ä" $x'
    folder.mkdir()
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in part for part in process.info["cmdline"] or ()):
            process.kill()
            process.wait(30)


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(data_dir)
    await server.start()
    yield server
    await server.stop()


class Hub:
    """A hub process."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, data_dir, *arguments],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )

    def said(self) -> dict[str, Any]:
        """The JSON line it prints, beside its log lines; empty if it ended without one."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"{"):
                return dict(json.loads(line))
        return {}

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def start_hub(data_dir: Path) -> Iterator[Callable[..., Hub]]:
    hubs: list[Hub] = []

    def start(*arguments: str) -> Hub:
        hubs.append(Hub(data_dir, *arguments))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.kill()


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def servers_on(data_dir: Path) -> list[int]:
    """The nats-servers of this data directory."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and any(str(data_dir / "nats" / "server.conf") in part for part in process.info["cmdline"] or ())
    ]


def record_of(data_dir: Path) -> dict[str, Any]:
    return dict(json.loads((data_dir / "nats.json").read_text()))


async def open_log(address: ServerAddress) -> tuple[Any, EventLog]:
    connection = await connect(address)
    await open_streams(connection, prefix="hub", installation_id="i1", events_known=False)
    privacy = Privacy(connection, "hub")
    await privacy.load()
    return connection, EventLog(connection, privacy, "hub")


async def test_the_server_listens_on_loopback_only_and_lets_only_us_in(
    server: EmbeddedServer, data_dir: Path
) -> None:
    assert (await probe(server.address)).outcome == "ready"
    assert (await probe(ServerAddress(server.address.url, "hub", "wrong"))).outcome == "refused"
    assert server.pid is not None
    process = psutil.Process(server.pid)
    listening = [one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
    secret = server.address.password
    assert secret is not None
    assert len(secret) > 30
    assert secret not in " ".join(process.cmdline())
    assert secret not in repr(server.address)
    for name in ("nats.json", "nats/server.conf"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((data_dir / "nats").stat().st_mode) == 0o700
    assert "sync_interval: always" in (data_dir / "nats/server.conf").read_text()


async def test_what_was_stored_is_there_after_stop_and_start(data_dir: Path) -> None:
    first = EmbeddedServer(data_dir)
    connection, log = await open_log(await first.start())
    await log.append(moves("b1", 3), expected={("meetergo", "b1"): 0})
    await connection.close()
    await first.stop()
    await first.stop()
    assert servers_on(data_dir) == []
    assert not (data_dir / "nats.json").exists()

    second = EmbeddedServer(data_dir)
    connection, log = await open_log(await second.start())
    assert (await log.state()).events == 3
    await connection.close()
    await second.stop()


async def test_a_dead_server_comes_back_on_its_port_with_its_messages(
    server: EmbeddedServer, data_dir: Path
) -> None:
    connection, log = await open_log(server.address)
    await log.append(moves("b1", 2), expected={("meetergo", "b1"): 0})
    address = server.address
    for round_number in (1, 2):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda wanted=round_number: server.restarts == wanted)  # type: ignore[misc]
        await until(lambda wanted=round_number: connection.reconnects >= wanted)  # type: ignore[misc]
    assert server.address == address
    assert servers_on(data_dir) == [server.pid]
    assert record_of(data_dir)["pid"] == server.pid
    assert len(await log.read(0, 10)) == 2
    await connection.close()


async def test_an_orphan_is_adopted_not_doubled_and_ended_by_stop(
    data_dir: Path, start_hub: Callable[..., Hub]
) -> None:
    hub = start_hub()
    said = await asyncio.to_thread(hub.said)
    connection, log = await open_log(ServerAddress(said["url"], "hub", record_of(data_dir)["password"]))
    await log.append(moves("b1", 2), expected={("meetergo", "b1"): 0})
    await connection.close()
    hub.kill()
    assert alive(said["pid"])

    server = EmbeddedServer(data_dir)
    await server.start()
    assert server.adopted
    assert servers_on(data_dir) == [said["pid"]] == [server.pid]
    connection, log = await open_log(server.address)
    assert len(await log.read(0, 10)) == 2
    await connection.close()
    await server.stop()
    assert not alive(said["pid"])
    assert servers_on(data_dir) == []


async def test_an_adopted_server_that_dies_is_replaced(data_dir: Path, start_hub: Callable[..., Hub]) -> None:
    hub = start_hub()
    said = await asyncio.to_thread(hub.said)
    hub.kill()
    server = EmbeddedServer(data_dir)
    await server.start()
    os.kill(said["pid"], signal.SIGKILL)
    await until(lambda: server.restarts == 1)
    assert not server.adopted
    assert server.address.url == said["url"]
    assert servers_on(data_dir) == [server.pid] != [said["pid"]]
    await server.stop()


@pytest.mark.parametrize("moment", ["before_spawn", "after_spawn"])
async def test_a_hub_killed_in_the_middle_of_the_spawn_is_recovered(
    data_dir: Path, start_hub: Callable[..., Hub], moment: str
) -> None:
    hub = start_hub(moment)
    said = await asyncio.to_thread(hub.said)
    assert await asyncio.to_thread(hub.wait) == -signal.SIGKILL
    assert record_of(data_dir)["pid"] is None

    server = EmbeddedServer(data_dir)
    await server.start()
    assert server.adopted == (moment == "after_spawn")
    assert server.pid == said.get("pid", server.pid)
    assert servers_on(data_dir) == [server.pid]
    assert record_of(data_dir)["pid"] == server.pid
    await server.stop()
    assert servers_on(data_dir) == []


async def test_a_hub_killed_again_and_again_leaves_one_server(
    data_dir: Path, start_hub: Callable[..., Hub]
) -> None:
    pids = set()
    for _ in range(4):
        hub = start_hub()
        pids.add((await asyncio.to_thread(hub.said))["pid"])
        hub.kill()
    assert len(pids) == 1
    assert servers_on(data_dir) == list(pids)


async def test_a_second_hub_is_refused_in_one_line(data_dir: Path, start_hub: Callable[..., Hub]) -> None:
    hub = start_hub()
    said = await asyncio.to_thread(hub.said)
    second = start_hub()
    refusal = (await asyncio.to_thread(second.said))["error"]
    assert await asyncio.to_thread(second.wait) == 2
    assert str(hub.process.pid) in refusal
    assert "http://127.0.0.1:8300" in refusal
    assert "\n" not in refusal
    with pytest.raises(AlreadyRunningError):
        HubLock(data_dir).acquire()
    # The orphan does not hold the hub's own lock.
    hub.kill()
    assert alive(said["pid"])
    with HubLock(data_dir):
        pass


async def test_a_silent_holder_of_the_lock_is_named(data_dir: Path, start_hub: Callable[..., Hub]) -> None:
    hub = start_hub()
    said = await asyncio.to_thread(hub.said)
    hub.kill()
    os.kill(said["pid"], signal.SIGSTOP)
    server = EmbeddedServer(data_dir, adopted_within=timedelta(seconds=0.5))
    with pytest.raises(LogUnavailableError, match=f"kill {said['pid']}"):
        await server.start()
    await server.stop()
    assert servers_on(data_dir) == [said["pid"]]
    os.kill(said["pid"], signal.SIGCONT)


@pytest.mark.parametrize("record", [None, "{", '{"url": "nats://127.0.0.1:1", "user": "a", "password": "b"}'])
async def test_a_holder_nobody_can_reach_is_refused_clearly(data_dir: Path, record: str | None) -> None:
    (data_dir / "nats").mkdir()
    if record is not None:
        (data_dir / "nats.json").write_text(record)
    with (data_dir / "nats" / "lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        server = EmbeddedServer(data_dir, adopted_within=timedelta(seconds=0.3))
        with pytest.raises(LogUnavailableError, match="did not answer"):
            await server.start()
    assert servers_on(data_dir) == []
    await server.stop()


async def test_a_holder_that_is_just_ending_is_waited_for(data_dir: Path) -> None:
    (data_dir / "nats").mkdir()
    server = EmbeddedServer(data_dir)
    with (data_dir / "nats" / "lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        starting = asyncio.create_task(server.start())
        done, _ = await asyncio.wait({starting}, timeout=0.3)
        assert not done
    await starting
    assert not server.adopted
    await server.stop()


async def test_a_removed_lock_file_does_not_lead_to_a_second_server(
    data_dir: Path, start_hub: Callable[..., Hub]
) -> None:
    hub = start_hub()
    said = await asyncio.to_thread(hub.said)
    hub.kill()
    (data_dir / "nats" / "lock").unlink()
    server = EmbeddedServer(data_dir)
    with pytest.raises(LogUnavailableError, match=f"kill {said['pid']}"):
        await server.start()
    await server.stop()
    assert servers_on(data_dir) == [said["pid"]]


async def test_a_taken_port_is_left_for_another(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look, ports = embedded.free_port, []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        def free_port() -> int:
            ports.append(taken.getsockname()[1] if len(ports) < 2 else look())
            return ports[-1]

        monkeypatch.setattr(embedded, "free_port", free_port)
        server = EmbeddedServer(data_dir)
        address = await server.start()
    assert len(ports) > 2
    assert address.url == f"nats://127.0.0.1:{ports[-1]}"
    await server.stop()


async def test_a_port_taken_during_an_outage_is_waited_for(server: EmbeddedServer) -> None:
    """Clients know this port, so the server comes back there or not at all."""
    port = int(server.address.url.rpartition(":")[2])
    assert server.pid is not None
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    os.kill(server.pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    while taken.fileno() >= 0:
        try:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            break
        except OSError:
            continue
    await asyncio.sleep(0.6)
    assert server.restarts == 0
    taken.close()
    await until(lambda: server.restarts == 1)
    assert (await probe(server.address)).outcome == "ready"


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    (data_dir / "nats").mkdir()
    (data_dir / "nats" / "jetstream").write_text("in the way")
    server = EmbeddedServer(data_dir)
    with pytest.raises(LogUnavailableError, match=r"nats-server ended with code 1: .+ not a directory"):
        await server.start()
    await server.stop()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [("nats-server: v2.11.9", "version 2.11.9, the hub needs 2.12"), ("hello", "does not say which version")],
)
async def test_an_unfit_binary_is_refused(
    data_dir: Path, tmp_path: Path, answer: str, complaint: str
) -> None:
    binary = tmp_path / "nats-server"
    binary.write_text(f"#!/bin/sh\necho '{answer}'\n")
    binary.chmod(0o755)
    with pytest.raises(ConfigError, match=complaint):
        await EmbeddedServer(data_dir, binary=binary).start()


async def test_a_binary_of_ones_own_is_used(data_dir: Path, tmp_path: Path, server: EmbeddedServer) -> None:
    assert server.pid is not None
    own = tmp_path / "own-nats-server"
    shutil.copy(psutil.Process(server.pid).exe(), own)
    other = EmbeddedServer(tmp_path / "other", binary=own)
    await other.start()
    assert other.pid is not None
    assert psutil.Process(other.pid).exe() == str(own)
    await other.stop()
    with pytest.raises(ConfigError, match="not an executable file"):
        await EmbeddedServer(tmp_path / "third", binary=tmp_path / "missing").start()
