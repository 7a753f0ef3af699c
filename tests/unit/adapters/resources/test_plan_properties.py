"""Laws of the plan, against a plan that is made hour by hour."""

import asyncio
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.ledger import LedgerEntry
from adapters.resources.allocation import settle
from adapters.resources.config import ResourcesConfig
from tests.unit.adapters.resources.grid import HOURS, Grid, Meeting
from tests.unit.adapters.resources.planning import Plan, booking, cancelled, config, hour

POOLS = {"room": ["Atelier", "Galerie", "Salon"], "beamer": ["Beamer 1", "Beamer 2"]}
NEEDS: dict[str, dict[str, int]] = {
    "room": {"room": 1},
    "talk": {"room": 1, "beamer": 1},
    "hall": {"room": 2},
    "show": {"beamer": 2, "room": 1},
}

hours = st.integers(min_value=0, max_value=HOURS[-1])
kinds = st.sampled_from(sorted(NEEDS))
keys = st.sampled_from("abcdefgh")
bring = st.tuples(st.just("bring"), keys, hours, st.integers(min_value=0, max_value=5), kinds)
change = st.tuples(st.just("change"), keys)
release = st.tuples(st.sampled_from(["cancel", "remove"]), keys)
clock = st.tuples(st.just("clock"), st.integers(min_value=0, max_value=4))
steps = st.lists(st.one_of(bring, bring, bring, change, release, release, clock), max_size=40)


def rules() -> ResourcesConfig:
    return config(POOLS, *({"meeting_type": kind, "needs": needs} for kind, needs in NEEDS.items()))


class Pair:
    """The plan and the grid, brought through the same life."""

    def __init__(self) -> None:
        self.plan = Plan(rules(), now=hour(-1))
        self.grid = Grid(POOLS)
        self.position = 0
        self.states: dict[str, Any] = {}

    async def step(self, name: str, *args: Any) -> None:
        self.position += 1
        self.plan.ledger.recalled.clear()
        served = await getattr(self, f"_{name}")(*args)
        assert self.plan.ledger.recalled == served
        self.check()

    def check(self) -> None:
        meetings = self.grid.meetings.values()
        assert self.plan.held() == {one.key: sorted(one.units) for one in meetings if one.units}
        line = sorted((one for one in meetings if one.waits), key=lambda one: one.line)
        assert self.plan.waiting() == [one.key for one in line]
        assert self.grid.could_be_met() == []

    async def _bring(self, key: str, start: int, length: int, kind: str) -> list[str]:
        end = min(start + length, HOURS[-1])
        known = self.states.get(key)
        same_time = known is not None and known.start == hour(start) and key in self.grid.meetings
        line = known.time_position if same_time else self.position
        state = booking(key, start, end, position=self.position, kind=kind, time_position=line)
        self.states[key] = state
        await self.plan.sync(state)
        return self.grid.bring(Meeting(key, line, start, end, NEEDS[kind]))

    async def _change(self, key: str) -> list[str]:
        """Something else about the booking changed: the same wish at a later position."""
        if key not in self.grid.meetings:
            return []
        self.states[key] = self.states[key].model_copy(update={"position": self.position})
        await self.plan.sync(self.states[key])
        same = self.grid.meetings[key]
        return self.grid.bring(Meeting(key, same.line, same.start, same.end, same.needs))

    async def _cancel(self, key: str) -> list[str]:
        if key in self.states:
            await self.plan.sync(cancelled(self.states[key], position=self.position))
        return self.grid.release(key)

    async def _remove(self, key: str) -> list[str]:
        await self.plan.remove(key)
        return self.grid.release(key)

    async def _clock(self, by: int) -> list[str]:
        self.grid.now += by
        self.plan.now = hour(self.grid.now)
        return []


@given(steps)
def test_the_plan_is_that_of_the_slow_grid(life: list[tuple[Any, ...]]) -> None:
    async def live() -> None:
        pair = Pair()
        for step in life:
            await pair.step(*step)

    asyncio.run(live())


@given(steps)
def test_no_unit_is_with_two_at_once_and_everybody_has_all_or_nothing(life: list[tuple[Any, ...]]) -> None:
    async def live() -> None:
        pair = Pair()
        for step in life:
            await pair.step(*step)
            entries = list(pair.plan.ledger.entries.values())
            for at in HOURS:
                present = [one for one in entries if one.busy_from <= hour(at) < one.busy_until]
                given_out = [name for one in present for name in one.names]
                assert len(given_out) == len(set(given_out))
            for one in entries:
                counts = {pool: len(names) for pool, names in one.units.items()}
                assert counts == (dict(one.needs) if one.state == "held" else {})
                assert all(set(names) <= set(POOLS[pool]) for pool, names in one.units.items())

    asyncio.run(live())


@given(steps, keys)
def test_a_release_frees_its_own_and_touches_only_who_waits(life: list[tuple[Any, ...]], key: str) -> None:
    async def live() -> None:
        pair = Pair()
        for step in life:
            await pair.step(*step)
        before = dict(pair.plan.ledger.entries)
        await pair.step("cancel", key)
        after = pair.plan.ledger.entries
        touched = {other for other, entry in after.items() if before.get(other) != entry} - {key}
        assert touched == set(pair.plan.ledger.recalled)
        assert all(before[other].state == "waiting" and after[other].state == "held" for other in touched)
        assert key not in pair.plan.held()

    asyncio.run(live())


@given(steps, st.integers(min_value=1, max_value=3), st.integers(min_value=1, max_value=2))
def test_after_other_pools_everybody_looked_at_again_is_where_the_rules_put_them(
    life: list[tuple[Any, ...]], rooms: int, beamers: int
) -> None:
    """A pool may shrink below what a meeting needs; whoever is too much then waits, and nobody is doubled."""
    pools = {"room": ["Salon", "Galerie", "Neu"][:rooms], "beamer": ["Beamer 2", "Beamer 3"][:beamers]}

    async def live() -> None:
        pair = Pair()
        for step in life:
            await pair.step(*step)
        pair.plan.configure(rules().model_copy(update={"pools": {k: tuple(v) for k, v in pools.items()}}))
        wanted = [state for key, state in pair.states.items() if key in pair.grid.meetings]
        for state in sorted(wanted, key=lambda one: one.time_position):
            await pair.plan.sync(state)
        new = Grid(pools, now=pair.grid.now)
        for entry in pair.plan.ledger.entries.values():
            if entry.state != "released":
                start, end = entry.start.hour, entry.end.hour
                meeting = Meeting(entry.key, entry.line, start, end, entry.needs, entry.names)
                meeting.waits = entry.state == "waiting"
                new.meetings[entry.key] = meeting
                assert entry.names <= {unit for units in pools.values() for unit in units}
        assert new.could_be_met() == []
        assert all(
            len(new.taken(at, unit)) <= 1 for at in HOURS for units in pools.values() for unit in units
        )

    asyncio.run(live())


@given(st.permutations(range(6)), st.lists(st.tuples(hours, kinds), min_size=6, max_size=6))
def test_the_order_in_which_entries_are_read_does_not_matter(
    order: list[int], wishes: list[tuple[int, str]]
) -> None:
    async def live() -> list[LedgerEntry]:
        plan = Plan(rules())
        for number, (start, kind) in enumerate(wishes):
            await plan.sync(booking(f"b{number}", start, start + 2, position=number + 1, kind=kind))
        return list(plan.ledger.entries.values())

    entries = asyncio.run(live())
    own = entries[0]
    wish = replace(own, state="released", units={})
    pools = rules().pools
    usual = settle(pools, entries, own, wish, now=hour(0))
    assert settle(pools, [entries[index] for index in order], own, wish, now=hour(0)) == usual


@given(st.permutations(range(8)), st.integers(min_value=1, max_value=8))
def test_of_bookings_of_one_time_those_that_wait_stand_in_order_whoever_came_first(
    order: list[int], rooms: int
) -> None:
    """As many as there are rooms get one, at once; every room that becomes free goes to who asked first."""

    async def live() -> None:
        plan = Plan(config({"room": [f"Room {number}" for number in range(rooms)]}))
        states = [booking(f"b{number}", 9, 10, position=number + 1) for number in range(8)]
        for number in order:
            await plan.sync(states[number])
        assert list(plan.held()) == [f"b{number}" for number in order[:rooms]]
        line = [f"b{number}" for number in sorted(order[rooms:])]
        for number in order[:rooms]:
            assert plan.waiting() == line
            await plan.sync(cancelled(states[number], position=20 + number))
            if line:
                assert line.pop(0) in plan.held()

    asyncio.run(live())


@given(st.permutations(range(6)), st.lists(st.tuples(hours, kinds), min_size=6, max_size=6))
def test_made_again_in_line_order_the_plan_is_always_the_same(
    order: list[int], wishes: list[tuple[int, str]]
) -> None:
    states = [
        booking(f"b{number}", start, start + 2, position=number + 1, kind=kind)
        for number, (start, kind) in enumerate(wishes)
    ]

    async def made(first: list[int]) -> tuple[Any, Any]:
        plan = Plan(rules())
        for number in first:
            await plan.sync(states[number])
        plan.ledger.entries.clear()
        plan.receipts.clear()
        for state in states:
            await plan.sync(state)
        return plan.held(), plan.waiting()

    assert asyncio.run(made(order)) == asyncio.run(made(list(range(6))))
