"""The client on a meetergo that does not behave: what is made once, repeated, or left to be looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.errors import OutcomeUnknownError, TransientError
from adapters.meetergo.budget import Budget
from adapters.meetergo.client import MeetergoClient
from adapters.meetergo.listing import Listing
from adapters.provider import Booked
from tests.contract.meetergo.acting import UNKNOWN, refusal, scanned, talk
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, StandIn, at, client_of, shown_by_row
from tests.waiting import until

Act = Callable[[MeetergoClient, dict[str, Any]], Awaitable[object]]

WRITES: dict[str, tuple[str, Act]] = {
    "book": ("booking", lambda client, _: client.book(talk(28, 13))),
    "reschedule": ("reschedule", lambda client, booked: client.reschedule(booked["id"], at(28, 13))),
    "cancel": ("cancel", lambda client, booked: client.cancel(booked["id"], reason="weg")),
    "note": ("note", lambda client, booked: client.note(booked["id"], "neu")),
    "add guest": (
        "guest.add",
        lambda client, booked: client.add_guest(
            booked["id"], attendee_id=booked["attendees"][0], email="kim@kunde.example"
        ),
    ),
    "no-show": ("no_show", lambda client, booked: client.mark_no_show(booked["attendees"][0])),
    "webhook": (
        "webhook.create",
        lambda client, _: client.register_webhook("https://hub.example/x", BOOKING_EVENTS, description="hub"),
    ),
}


def happened(meetergo: StandIn, before: object) -> bool:
    return seen(meetergo) != before


def seen(meetergo: StandIn) -> object:
    state = meetergo.ask("GET", "/_state")
    return (state["appointments"], state["subscriptions"])


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", ["lost_reply", "delay", "status", "html", "disconnect"])
async def test_a_write_without_an_answer_is_made_once_and_its_outcome_unknown(
    meetergo: StandIn, write: str, kind: str
) -> None:
    call, act = WRITES[write]
    booked = meetergo.book(at(27, 9))
    before = seen(meetergo)
    meetergo.fault(kind=kind, on=call, seconds=1.2 if kind == "delay" else 0)
    async with client_of(meetergo, timeout=0.6 if kind == "delay" else 5) as client:
        with pytest.raises(OutcomeUnknownError):
            await act(client, booked)
        await until(meetergo.idle)
    assert meetergo.made() == [call]
    assert happened(meetergo, before) is (kind in ("lost_reply", "delay"))


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_was_turned_away_is_made_after_all(meetergo: StandIn, write: str) -> None:
    call, act = WRITES[write]
    booked = meetergo.book(at(27, 9))
    before = seen(meetergo)
    meetergo.fault(kind="status", status=429, on=call, retry_after="0", times=2)
    async with client_of(meetergo) as client:
        await act(client, booked)
    assert happened(meetergo, before)
    assert [call["status"] for call in meetergo.called()][:2] == [429, 429]
    assert meetergo.calls() == 3


@pytest.mark.parametrize("write", ["reschedule", "cancel", "note", "no-show"])
async def test_a_cut_answer_to_a_write_does_not_undo_it(meetergo: StandIn, write: str) -> None:
    call, act = WRITES[write]
    booked = meetergo.book(at(27, 9))
    before = seen(meetergo)
    meetergo.fault(kind="truncated", on=call)
    async with client_of(meetergo) as client:
        assert await act(client, booked) is None
    assert happened(meetergo, before)


@pytest.mark.parametrize("write", ["book", "webhook"])
async def test_what_was_made_and_cannot_be_named_is_unknown(meetergo: StandIn, write: str) -> None:
    call, act = WRITES[write]
    meetergo.fault(kind="truncated", on=call)
    async with client_of(meetergo) as client:
        with pytest.raises(OutcomeUnknownError, match="accepted"):
            await act(client, {})
    assert meetergo.made() == [call]


@pytest.mark.parametrize("kind", ["status", "html", "disconnect", "truncated", "lost_reply"])
async def test_reading_outlives_a_hiccup(meetergo: StandIn, kind: str) -> None:
    booked = meetergo.book(at(27, 9))
    async with client_of(meetergo) as client:
        for call, read in (
            ("appointment", lambda: client.appointment(booked["id"])),
            ("appointments", lambda: client.page(Listing(), 0)),
            ("webhooks", client.webhooks),
        ):
            meetergo.fault(kind=kind, on=call, times=2)
            meetergo.forget_calls()
            assert await read() is not None
            assert meetergo.made() == [call] * 3


async def test_a_write_to_nobody_never_happened() -> None:
    class Nobody:
        url = "http://127.0.0.1:9"

    async with client_of(Nobody()) as client:  # type: ignore[arg-type]
        with pytest.raises(TransientError) as raised:
            await client.cancel(UNKNOWN)
    assert not isinstance(raised.value, OutcomeUnknownError)
    assert not raised.value.effect_unknown


async def test_whoever_keeps_the_budget_is_never_refused(meetergo: StandIn) -> None:
    """The stand-in counts as strictly as one can: no minute may hold more than a hundred."""
    budget = Budget()
    async with client_of(meetergo, budget=budget) as client:
        await asyncio.gather(*(client.account() for _ in range(100)))
        assert {call["status"] for call in meetergo.called()} == {200}
        assert budget.free == 0
        waiting = [asyncio.create_task(client.account()) for _ in range(3)]
        await until(lambda: budget.waiting == 3)
        assert meetergo.calls() == 100
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_limit_somebody_else_used_up_makes_everybody_wait(meetergo: StandIn) -> None:
    meetergo.switch(requests_per_minute=2, names_retry_after=True)
    for _ in range(2):
        assert meetergo.raw("/v4/user/me").status_code == 200
    budget = Budget()
    async with client_of(meetergo, budget=budget) as client:
        call = asyncio.create_task(client.account())
        await until(lambda: meetergo.calls() == 3 and budget.waiting == 1)
        assert not call.done()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert meetergo.called()[-1]["status"] == 429


async def test_a_lagging_replica_answers_what_was(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    meetergo.advance(60)
    meetergo.switch(lag_seconds=10)
    async with client_of(meetergo) as client:
        await client.cancel(booked["id"])
        made = await client.book(talk(28, 13))
        behind = await client.appointment(booked["id"])
        assert behind is not None
        assert not shown_by_row(behind).cancelled
        assert await client.appointment(made.provider_id or "") is None
        assert [row["id"] for row in (await scanned(client, Listing()))[0]] == [booked["id"]]
        meetergo.advance(11)
        caught_up = await client.appointment(booked["id"])
        assert caught_up is not None
        assert shown_by_row(caught_up).cancelled
        assert len((await scanned(client, Listing()))[0]) == 2


async def test_what_has_expired_is_gone_from_everywhere(meetergo: StandIn) -> None:
    old, new = meetergo.book(at(1, 9)), meetergo.book(at(27, 9))
    meetergo.switch(retention_days=14)
    async with client_of(meetergo) as client:
        rows, complete = await scanned(client, Listing())
        assert ([row["id"] for row in rows], complete) == ([new["id"]], True)
        assert await client.appointment(old["id"]) is None
        assert (await refusal(client.note(old["id"], "x"))).code == "not-found"


async def test_the_answers_keep_no_secret(meetergo: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with client_of(meetergo) as client:
        booked = await client.book(talk())
        assert booked == Booked(provider_id=booked.provider_id)
        moved = await client.reschedule(booked.provider_id or "", at(28, 13))
        gone = await client.cancel(booked.provider_id or "")
        told = repr((booked, moved, gone, await client.page(Listing(), 0)))
    assert "NOT-A-REAL-SECRET" not in told + caplog.text
    assert "made-up-key" not in told + caplog.text
