"""The playground's process: one per data folder, whoever was killed."""

import asyncio
import json
import os
import signal
import smtplib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from hub.errors import ConfigError
from hub.log.processes import started_at
from hub.ports import free_port
from hub.simulation.child import SimulatorChild
from hub.simulation.control import Playground
from hub.simulation.stage import Plan
from tests.waiting import until


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    second = {"notify": free_port()}
    return Plan(tmp_path, {"notify": free_port()}, timedelta(0), misbehave=False, second_ports=second)


@pytest.fixture
async def started(plan: Plan) -> AsyncIterator[SimulatorChild]:
    child = SimulatorChild(plan)
    try:
        await child.start()
        yield child
    finally:
        await child.stop()


async def say(plan: Plan) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        (
            await http.post(f"http://127.0.0.1:{plan.ports['notify']}/x", json={"title": "t"})
        ).raise_for_status()


async def said(plan: Plan) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        return len((await http.get(f"http://127.0.0.1:{plan.ports['notify']}/_objects")).json())


def greeted(plan: Plan) -> bool:
    """Whether somebody speaks SMTP at the second port."""
    with smtplib.SMTP("127.0.0.1", plan.second_ports["notify"], timeout=30) as smtp:
        return smtp.noop()[0] == 250


def is_gone(pid: int) -> bool:
    return started_at(pid) is None


def running(child: SimulatorChild) -> int:
    assert child.pid is not None
    return child.pid


async def test_it_serves_until_it_is_stopped(plan: Plan) -> None:
    child = SimulatorChild(plan)
    await child.start()
    pid = running(child)
    await say(plan)
    assert not child.adopted
    await child.stop()
    await child.stop()
    assert is_gone(pid)
    again = SimulatorChild(plan)
    await again.start()
    assert await said(plan) == 1
    await again.stop()


async def test_a_second_one_adopts_the_first(plan: Plan, started: SimulatorChild) -> None:
    await say(plan)
    heir = SimulatorChild(plan)
    await heir.start()
    assert (heir.adopted, heir.pid) == (True, started.pid)
    assert await said(plan) == 1
    pid = running(heir)
    await heir.stop()
    assert is_gone(pid)


async def test_another_plan_replaces_it(plan: Plan, started: SimulatorChild) -> None:
    await say(plan)
    before = running(started)
    other = SimulatorChild(replace(plan, every=timedelta(hours=1)))
    await other.start()
    try:
        assert not other.adopted
        assert other.pid != before
        assert is_gone(before)
        assert await said(plan) == 1
    finally:
        await started.stop()
        await other.stop()


async def test_killed_it_is_put_up_again_on_the_same_port(plan: Plan, started: SimulatorChild) -> None:
    await say(plan)
    before = running(started)
    os.kill(before, signal.SIGKILL)

    async def serves() -> bool:
        try:
            return await said(plan) == 1
        except httpx.TransportError:
            return False

    await until(lambda: started.pid != before)
    await until(serves)
    await Playground(plan.ports).heal("notify")
    assert await asyncio.to_thread(greeted, plan)


async def test_the_note_of_a_process_that_is_gone_holds_nobody_up(
    plan: Plan, started: SimulatorChild
) -> None:
    note = json.loads((plan.data_dir / "sim.lock").read_text())
    assert note["pid"] == started.pid
    await started.stop()
    (plan.data_dir / "sim.lock").write_text(json.dumps(note | {"started_at": "long ago"}))
    again = SimulatorChild(plan)
    await again.start()
    assert not again.adopted
    await again.stop()


@pytest.mark.parametrize("which", ["ports", "second_ports"])
async def test_a_taken_port_is_told_with_what_to_do(plan: Plan, which: str) -> None:
    port = getattr(plan, which)["notify"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ConfigError, match=f"another program uses port {port}") as raised:
            await SimulatorChild(plan).start()
    assert "sim.json" in str(raised.value)
