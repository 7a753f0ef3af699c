"""The stand-ins of one process: served, kept, and as they were after a restart."""

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from hub.errors import ConfigError
from hub.ports import free_port
from hub.simulation.control import Playground, PlaygroundError
from hub.simulation.memory import Memory
from hub.simulation.stage import Plan, Stage
from tests.waiting import until

DOOR = "http://127.0.0.1:9/webhooks/meetergo/token"
TYPES = ("meetergo", "google_calendar", "hubspot", "notify")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    ports = {name: free_port() for name in TYPES}
    return Plan(tmp_path, ports, timedelta(0), misbehave=False, second_ports={"notify": free_port()})


@asynccontextmanager
async def served(plan: Plan) -> AsyncIterator[Playground]:
    ended = asyncio.Event()
    with Memory(plan.data_dir) as memory:
        running = asyncio.create_task(Stage(plan, memory).run(ended))
        try:
            await until(lambda: answers(plan, running))
            yield Playground(plan.ports)
        finally:
            ended.set()
            await running


async def answers(plan: Plan, running: "asyncio.Task[None]") -> bool:
    if running.done():
        running.result()
    try:
        for name in plan.ports:
            await look(plan, name, "/_calls")
    except httpx.TransportError:
        return False
    return True


async def look(plan: Plan, name: str, path: str = "/_objects") -> object:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://127.0.0.1:{plan.ports[name]}{path}")).json()


async def write(plan: Plan) -> None:
    """One object in each of the systems that are written to."""
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": "Bearer any"}) as http:
        at = {name: f"http://127.0.0.1:{port}" for name, port in plan.ports.items()}
        entry = {"start": {"dateTime": "2026-12-01T10:00:00Z"}, "end": {"dateTime": "2026-12-01T11:00:00Z"}}
        calendar = f"{at['google_calendar']}/calendar/v3/calendars/team/events"
        assert (await http.post(calendar, json=entry | {"summary": "a meeting"})).status_code == 200
        contact = {"properties": {"email": "ilse@guests.example"}}
        crm = f"{at['hubspot']}/crm/objects/2026-09/contacts"
        assert (await http.post(crm, json=contact)).status_code == 201
        assert (await http.post(f"{at['notify']}/team", json={"title": "moved"})).status_code == 200
    await asyncio.to_thread(send_mail, plan)


def send_mail(plan: Plan) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "cancelled", "hub@studio.example", "team@studio.example"
    mail.set_content("Ilse Äpfel: Thu 26 Nov 09:00")
    with smtplib.SMTP("127.0.0.1", plan.second_ports["notify"], timeout=30) as smtp:
        smtp.send_message(mail)


def test_a_plan_survives_the_command_line(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json()) == plan


async def test_everything_is_there_again_after_a_restart(plan: Plan) -> None:
    async with served(plan) as playground:
        await write(plan)
        await playground.tell_doors({"meetergo": DOOR})
        await playground.misplace("meetergo", "lost", share=1)
        await playground.play("meetergo", {"act": "book"})
        await playground.break_down("hubspot", {"kind": "status", "status": 503, "times": None})
        before = {name: await look(plan, name) for name in TYPES}
    async with served(plan) as playground:
        assert {name: await look(plan, name) for name in TYPES} == before
        assert all(before.values())
        assert await look(plan, "meetergo", "/_switches") | {"lost": 1} == await look(
            plan, "meetergo", "/_switches"
        )
        async with httpx.AsyncClient(trust_env=False, headers={"authorization": "Bearer any"}) as http:
            crm = f"http://127.0.0.1:{plan.ports['hubspot']}/crm/objects/2026-09/contacts"
            assert (await http.get(crm)).status_code == 503
            await playground.heal("hubspot")
            assert (
                await http.post(crm, json={"properties": {"email": "jon@guests.example"}})
            ).status_code == 201
        ids = {one["id"] for one in (await look(plan, "hubspot", "/_state"))["contacts"]}  # type: ignore[index]
        assert len(ids) == 2


async def test_what_was_answered_is_in_the_file(plan: Plan) -> None:
    async with served(plan) as playground:
        done = await playground.play("meetergo", {"act": "book"})
        with Memory(plan.data_dir) as other:
            kept = json.loads(other.read("meetergo") or "")
        assert done["id"] in json.loads(kept["state"])["appointments"]
        await asyncio.to_thread(send_mail, plan)
        with Memory(plan.data_dir) as other:
            letters = json.loads(json.loads(other.read("notify") or "")["state"])
        assert [letter["message"] for letter in letters.values()] == ["Ilse Äpfel: Thu 26 Nov 09:00"]
        assert (plan.data_dir / "sim.db").stat().st_mode & 0o777 == 0o600


async def test_a_reset_is_the_first_day_with_the_same_listener(plan: Plan) -> None:
    async with served(plan) as playground:
        await playground.tell_doors({"meetergo": DOOR, "unknown": DOOR})
        await write(plan)
        await playground.play("meetergo", {"act": "book"})
        await playground.break_down("notify", {"kind": "status"})
        await playground.reset()
        assert await look(plan, "google_calendar") == await look(plan, "notify") == {}
        assert len(await look(plan, "meetergo")) == 14  # type: ignore[arg-type]
        state = await look(plan, "meetergo", "/_state")
        assert [one["endpoint"] for one in state["subscriptions"]] == [DOOR]  # type: ignore[index]


async def test_healing_the_provider_puts_its_webhooks_right(plan: Plan) -> None:
    async with served(plan) as playground:
        await playground.tell_doors({"meetergo": DOOR})
        for mishap in ("lost", "doubled", "late", "reordered"):
            await playground.misplace("meetergo", mishap, share=1)
        await playground.heal("meetergo")
        switches = await look(plan, "meetergo", "/_switches")
        assert [switches[name] for name in ("lost", "doubled", "late", "reordered")] == [0, 0, 0, 0]  # type: ignore[index]


async def test_something_happens_by_itself_once_somebody_listens(tmp_path: Path) -> None:
    plan = Plan(tmp_path, {"meetergo": free_port()}, timedelta(milliseconds=20), misbehave=True)

    async def acts() -> int:
        return int((await look(plan, "meetergo", "/_state"))["acts"])  # type: ignore[index]

    async def several() -> bool:
        return await acts() >= 3

    async with served(plan) as playground:
        assert await acts() == 0
        await playground.tell_doors({"meetergo": DOOR})
        await until(several)


async def test_what_another_version_kept_is_begun_anew(plan: Plan) -> None:
    with Memory(plan.data_dir) as memory:
        memory.write("meetergo", '{"faults": [], "state": "{}"}')
        memory.write("notify", "nothing readable")
    async with served(plan):
        assert len(await look(plan, "meetergo")) == 14  # type: ignore[arg-type]
        assert await look(plan, "notify") == {}


async def test_refusals_say_who_refused(plan: Plan) -> None:
    async with served(plan) as playground:
        with pytest.raises(PlaygroundError, match="meetergo refuses: nothing is known here of dance"):
            await playground.play("meetergo", {"act": "dance"})
        with pytest.raises(PlaygroundError, match="notify refuses"):
            await playground.play("notify", {"act": "book"})
        with pytest.raises(PlaygroundError, match="caldav is not among"):
            await playground.heal("caldav")
    with pytest.raises(PlaygroundError, match="does not answer"):
        await playground.heal("notify")


async def test_a_port_that_is_taken_is_told(plan: Plan) -> None:
    async with served(plan):
        with Memory(plan.data_dir) as memory, pytest.raises(ConfigError, match="stand-in for meetergo"):
            await Stage(plan, memory).run(asyncio.Event())
        other = replace(plan, ports={name: free_port() for name in TYPES})
        with Memory(plan.data_dir) as memory, pytest.raises(ConfigError, match="second port of the stand-in"):
            await Stage(other, memory).run(asyncio.Event())
