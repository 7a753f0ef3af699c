"""Every row of docs/guide-capabilities.md does what it says: its command runs, its endpoints are asked."""

import asyncio
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.meetergo.simulated.routes import route_of
from adapters.simulation import Request
from tests.contract.meetergo.stand_in import MARA, at
from tests.contract.stripe_refund.desk import Desk
from tests.guards.reading import ROOT
from tests.integration.cli.served import Ran, bookinghub
from tests.integration.commands.world import World

PAGE = ROOT / "docs" / "guide-capabilities.md"
ROW = re.compile(r"^\| (?P<what>[^|]+) \| `bookinghub (?P<command>[^`]+)` \| (?P<endpoints>[^|]+) \|$")
ENDPOINT = re.compile(r"`(GET|POST|PATCH|DELETE) ([^`]+)`")
LOOKS = {"appointment", "appointments"}
"""What the hub asks besides, to see what became of it."""

VALUES = {
    "T": "2026-10-29T09:00:00Z",
    "D": "2026-10-27",
    "R": "krank",
    "A": "ilse@kunde.example",
    "H": MARA,
    "MAIL": "gast@kunde.example",
    "TEXT": "ruft vorher an",
}


@dataclass(frozen=True)
class Capability:
    """One row of the table."""

    what: str
    command: str
    calls: tuple[str, ...]

    def arguments(self, ref: str) -> list[str]:
        words = shlex.split(self.command)
        return [{"REF": ref, **VALUES}.get(word, word) for word in words]


def rows() -> Iterator[Capability]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        found = ROW.match(line)
        if found:
            named = ENDPOINT.findall(found["endpoints"])
            yield Capability(found["what"], found["command"], tuple(call_of(*one) for one in named))


def call_of(method: str, path: str) -> str:
    """The call of the stand-in behind an endpoint as the page writes it."""
    parts = tuple(path.replace("{id}", "x").strip("/").split("/"))
    return route_of(Request(method, parts, {}, {}, b""))[0]


async def prepared(world: World, row: Capability) -> str:
    """A booking with which the row makes sense."""
    if "--attendee" in row.command or "--all" in row.command:
        for who in ("Ilse", "Jon"):
            booked = world.meetergo.book(at(28, 10), kind="sprechstunde-gruppe", who=who)
    elif "--series" in row.command:
        booked = world.meetergo.book(at(27, 9), series={"count": 2})
    else:
        booked = world.meetergo.book(at(27, 9), paymentId="pi_1")
    ref = await world.known(booked["id"])
    before: dict[str, tuple[str, dict[str, Any]]] = {
        "--undo": ("no-show", {"attendee": VALUES["A"]}),
        "remove-guest": ("add-guest", {"emails": [VALUES["MAIL"]]}),
        "rebook": ("cancel", {}),
    }
    for word, (verb, body) in before.items():
        if word in row.command:
            await world.done(ref, verb, **body)
    await world.caught_up()
    world.meetergo.forget_calls()
    return ref


async def run(world: World, *arguments: str) -> Ran:
    return await asyncio.to_thread(bookinghub, *arguments)


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.what)
async def test_each_capability_has_its_command_and_its_endpoint(
    world: World, stripe: Desk, row: Capability, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await prepared(world, row)
    monkeypatch.setenv("BOOKINGHUB_TOKEN", world.token)
    async with world.served() as url:
        monkeypatch.setenv("BOOKINGHUB_URL", url)
        ran = await run(world, *row.arguments(ref), *(("--yes",) if acts(row) else ()), "--json")
    assert (ran.code, ran.err) == (0, ""), ran.err
    asked = [call for call in world.meetergo.made() if call not in LOOKS or call in row.calls]
    assert list(dict.fromkeys(asked)) == list(dict.fromkeys(row.calls))
    assert stripe.refunds == ([("ch_1", 4900)] if "--refund" in row.command else [])


def acts(row: Capability) -> bool:
    return not row.command.startswith(("bookings show", "bookings availability", "bookings link"))


def test_the_table_leaves_no_command_out() -> None:
    commands = {row.command.split()[1] for row in rows()}
    assert commands == {
        *("show", "availability", "reschedule", "cancel", "rebook", "no-show", "note", "add-guest"),
        *("remove-guest", "link", "cancel-range"),
    }
