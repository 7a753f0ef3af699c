"""What every ledger promises, in memory and in the store."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.ledger import DoubleBookedError, Ledger, LedgerEntry, LedgerPage
from tests.contract.ledger.entries import NINE, at, entry


async def put(ledger: Ledger, *entries: LedgerEntry) -> None:
    def work(page: LedgerPage) -> None:
        for one in entries:
            page.put(one)

    await ledger.transact(work)


async def keys_between(ledger: Ledger, start: float, end: float) -> list[str]:
    found = await ledger.read(lambda page: page.between(at(start), at(end)))
    return [one.key for one in found]


async def test_an_entry_comes_back_as_it_was_put(ledger: Ledger) -> None:
    written = entry(
        "b1",
        0,
        1,
        "Atelier",
        "Galerie",
        needs={"room": 2, "beamer": 1},
        units={"room": ("Atelier", "Galerie"), "beamer": ("Beamer 1",)},
        busy_from=NINE - timedelta(microseconds=1),
        line=2**40,
        position=2**41,
        epoch=3,
    )
    await put(ledger, written)
    assert await ledger.read(lambda page: page.get("b1")) == written
    assert await ledger.read(lambda page: page.get("b2")) is None


async def test_a_later_entry_of_a_key_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    await put(ledger, entry("b1", 0, 1, "Atelier"))
    moved = entry("b1", 2, 3, "Galerie", position=2)
    await put(ledger, moved)
    assert list(await ledger.read(lambda page: page.every())) == [moved]


async def test_what_shares_an_instant_is_found_in_line_order(ledger: Ledger) -> None:
    await put(
        ledger,
        entry("before", -1, 0, "Atelier"),
        entry("within", 0.2, 0.3, line=3),
        entry("whole", -1, 2, line=2),
        entry("same line", 0.5, 3, line=2),
        entry("after", 1, 2, "Atelier"),
        entry("no time", 0.5, 0.5, "Atelier"),
        entry("gone", 0, 1, state="released"),
    )
    assert await keys_between(ledger, 0, 1) == ["same line", "whole", "within"]
    assert await keys_between(ledger, 0.5, 0.5) == []
    every = await ledger.read(lambda page: page.every())
    assert len(every) == 6
    assert [one.line for one in every] == sorted(one.line for one in every)
    gone = await ledger.read(lambda page: page.get("gone"))
    assert gone is not None
    assert gone.state == "released"


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0.5, 0.6), (-1, 3), (-1, 0.001), (0.999, 2)], ids=str)
async def test_a_unit_is_never_with_two_at_once(ledger: Ledger, start: float, end: float) -> None:
    await put(ledger, entry("b1", 0, 1, "Atelier"))
    with pytest.raises(DoubleBookedError, match="Atelier is held by b1"):
        await put(ledger, entry("b0", 5, 6, "Atelier"), entry("b2", start, end, "Galerie", "Atelier"))
    # Nothing of that work is kept.
    assert [one.key for one in await ledger.read(lambda page: page.every())] == ["b1"]


async def test_what_only_touches_may_have_the_same_unit(ledger: Ledger) -> None:
    await put(
        ledger,
        entry("b1", 0, 1, "Atelier"),
        entry("b2", 1, 2, "Atelier"),
        entry("b3", -1, 0, "Atelier"),
        entry("b4", 0.5, 0.5, "Atelier"),
        entry("b5", 0, 1, "Galerie"),
    )
    assert len(await ledger.read(lambda page: page.every())) == 5


async def test_what_was_released_within_a_work_may_be_given_out_in_it(ledger: Ledger) -> None:
    held = entry("b1", 0, 1, "Atelier")
    await put(ledger, held)
    await put(ledger, replace(held, state="released", units={}), entry("b2", 0, 1, "Atelier"))
    assert await keys_between(ledger, 0, 1) == ["b2"]


async def test_a_work_that_raises_leaves_nothing(ledger: Ledger) -> None:
    def work(page: LedgerPage) -> None:
        page.agree("other terms", {"room": ["Atelier"]})
        page.put(entry("b1", 0, 1, "Atelier"))
        assert page.get("b1") is not None
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        await ledger.transact(work)
    assert list(await ledger.read(lambda page: page.every())) == []


async def test_works_run_one_after_the_other(ledger: Ledger) -> None:
    """Each reads how far the others are and adds one: none is lost."""

    def next_line(page: LedgerPage) -> int:
        line = 1 + max((one.line for one in page.every()), default=0)
        page.put(entry(f"b{line}", line, line + 1, "Atelier", line=line))
        return line

    lines = await asyncio.gather(*(ledger.transact(next_line) for _ in range(30)))
    assert sorted(lines) == list(range(1, 31))


async def test_ledgers_know_nothing_of_each_other(new_ledger: Callable[[], Any]) -> None:
    first, second = new_ledger(), new_ledger()
    await put(first, entry("b1", 0, 1, "Atelier"))
    await put(second, entry("b2", 0, 1, "Atelier"))
    assert await keys_between(first, 0, 1) == ["b1"]
    assert await keys_between(second, 0, 1) == ["b2"]
