"""The same commands as a person types them: what is shown before, what is asked, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hub.client import LONG_PATIENCE_SECONDS, HttpTransport, Sent
from tests.contract.meetergo.stand_in import MARA, at
from tests.integration.cli.served import Ran, bookinghub
from tests.integration.commands.world import World

Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
async def run(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """One command line against the served hub; `typed` is what a person would answer."""
    monkeypatch.setenv("BOOKINGHUB_TOKEN", world.token)

    async def run_one(*arguments: str, typed: str | None = None) -> Ran:
        await world.caught_up()
        return await asyncio.to_thread(bookinghub, "bookings", *arguments, typed=typed)

    async with world.served() as url:
        monkeypatch.setenv("BOOKINGHUB_URL", url)
        yield run_one


async def ilse(world: World) -> str:
    return await world.known(world.meetergo.book(at(27, 9))["id"])


async def test_a_person_sees_what_and_whom_before_they_say_yes(world: World, run: Run) -> None:
    ref = await ilse(world)
    ran = await run("reschedule", "ilse", "--to", "2026-10-28 10:00", typed="y\n")
    assert ran.code == 0
    assert "Erstgespräch: Ilse Brandvold with Mara Lindqvist" in ran.err
    assert "Tue 27 Oct 2026 10:00 → Wed 28 Oct 2026 10:00 Europe/Berlin" in ran.err
    assert "the provider writes to: ilse@kunde.example" in ran.err
    assert "Move it? [y/N]" in ran.err
    assert "recorded: BookingRescheduled" in ran.err
    assert (await world.booking(ref))["start"] == "2026-10-28T09:00:00Z"


async def test_no_means_no_and_without_a_terminal_the_flag_is_needed(world: World, run: Run) -> None:
    ref = await ilse(world)
    assert (await run("cancel", ref, typed="n\n")).code == 0
    ran = await run("cancel", ref)
    assert (ran.code, "--yes" in ran.err) == (2, True)
    assert "cancel" not in world.meetergo.made()
    assert (await run("cancel", ref, "--reason", "krank", "--yes")).code == 0
    assert (await world.booking(ref))["last_reason"] == "krank"


async def test_json_holds_one_object_and_a_dry_run_does_nothing(world: World, run: Run) -> None:
    ref = await ilse(world)
    shown = (await run("note", ref, "neu", "--dry-run", "--json")).json
    assert (shown["dry_run"], shown["mails"], world.meetergo.calls()) == (True, [], 0)
    done = await run("note", ref, "neu", "--yes", "--json")
    assert (done.json["booking"]["notes"], done.err) == ("neu", "")
    again = await run("note", ref, "neu", "--json")
    assert (again.code, again.json["effect"]) == (0, "nothing to do")


async def test_refusals_are_one_line_with_what_to_do(world: World, run: Run) -> None:
    for who in ("Ilse", "Jon"):
        booked = world.meetergo.book(at(28, 10), kind="sprechstunde-gruppe", who=who)
    ref = await world.known(booked["id"])
    ran = await run("cancel", ref, "--yes")
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "--attendee A, or --all" in ran.err
    assert (
        "no sink can give money back" in (await run("cancel", ref, "--all", "--refund", "full", "--yes")).err
    )
    assert (await run("cancel", ref, "--all", "--refund", "none", "--yes")).code == 0


async def test_an_outcome_that_nobody_knows_names_its_operation(world: World, run: Run) -> None:
    ref = await ilse(world)
    world.meetergo.fault(kind="lost_reply", on="reschedule")
    ran = await run("reschedule", ref, "--to", "2026-10-28 10:00", "--yes")
    assert ran.code == 1
    assert "it may have happened" in ran.err
    assert "operations show" in ran.err


async def test_a_request_of_several_that_failed_ends_partly(world: World, run: Run) -> None:
    ref = await ilse(world)
    world.meetergo.fault(kind="status", status=403, on="guest.add")
    ran = await run("add-guest", ref, "a@kunde.example", "b@kunde.example", "--yes")
    assert ran.code == 4
    assert "b@kunde.example: done" in ran.err


async def test_what_the_provider_says_now_is_marked_where_it_differs(world: World, run: Run) -> None:
    ref = await ilse(world)
    assert "the provider shows the same" in (await run("show", ref, "--live")).err
    world.meetergo.move(ref, at(29, 9))
    ran = await run("show", ref, "--live")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["differs", "start", "end", *MOVED]


MOVED = ["rescheduled_at", "reschedule_count"]


async def test_free_times_and_the_link_are_printed_plainly(world: World, run: Run) -> None:
    ref = await ilse(world)
    ran = await run("availability", ref, "--from", "2026-10-27", "--to", "2026-10-27")
    assert "Tue 27 Oct 2026 10:00" in ran.out
    link = await run("link", ref)
    assert link.out.startswith("https://cal.meetergo.com/studio/erstgespraech?reschedule=")


@pytest.mark.parametrize(
    "question",
    [["show", "--live"], ["availability", "--from", "2026-10-27", "--to", "2026-10-27"], ["link"]],
    ids=["live", "availability", "link"],
)
async def test_a_provider_that_is_slow_is_waited_for(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, question: list[str]
) -> None:
    ref = await ilse(world)
    asked: list[Sent] = []
    send = HttpTransport.send
    monkeypatch.setattr(
        HttpTransport, "send", lambda transport, sent: asked.append(sent) or send(transport, sent)
    )
    verb, *options = question
    assert (await run(verb, ref, *options)).code == 0
    assert [sent.patience for sent in asked] == [LONG_PATIENCE_SECONDS]


async def test_a_range_is_shown_and_more_than_twenty_are_typed(world: World, run: Run) -> None:
    for number in range(21):
        start = at(26 + number // 6, 8 + number % 6)
        await world.known(world.meetergo.book(start, who=f"Guest{number}")["id"])
    span = ("cancel-range", "--host", MARA, "--from", "2026-10-26", "--to", "2026-10-30")
    ran = await run(*span, "--dry-run")
    assert "21 bookings to cancel" in ran.err
    assert len(ran.out.splitlines()) == 1 + 20
    assert "and 1 more" in ran.err
    refused = await run(*span, "--yes")
    assert (refused.code, "--confirm 21" in refused.err) == (2, True)
    assert (await run(*span, "--confirm", "20")).code == 2
    world.meetergo.fault(kind="status", status=403, on="cancel")
    ran = await run(*span, typed="21\n")
    assert ran.code == 4
    assert "20 cancelled, 1 failed of 21 bookings" in ran.err
    assert "provider-refused" in ran.out
    rest: dict[str, Any] = (await run(*span, "--yes", "--json")).json
    assert (rest["state"], rest["detail"]["counts"]) == ("done", {"done": 1})
    nothing = await run(*span, "--yes")
    assert (nothing.code, nothing.err.strip()) == (0, "nothing matches")
