"""One key's requests: never more than the provider takes, urgent ones first, nobody for ever."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.meetergo.budget import (
    FIRST_PAUSE,
    KEPT_FREE,
    LONGEST_PAUSE,
    LONGEST_TOLD,
    LONGEST_WAIT,
    PATIENCE,
    Budget,
    Line,
    PausedError,
    Priority,
    Ticket,
    budget_of,
)

MINUTE = 60.0
Arrival = tuple[float, Priority]


@dataclass
class Day:
    """A line driven by a clock that jumps to whatever comes next."""

    line: Line
    sent: list[tuple[float, Ticket]] = field(default_factory=list)
    now: float = 0.0

    def spend(self, arrivals: list[Arrival], *, until: float = float("inf")) -> "Day":
        coming = sorted(arrivals, key=lambda arrival: arrival[0])
        while self.now < until:
            while coming and coming[0][0] <= self.now:
                _, priority = coming.pop(0)
                self.line.join(Ticket(priority, self.now))
                self._admit()
            self._admit()
            nexts = [at for at in (self.line.next_at(self.now), coming[0][0] if coming else None) if at]
            if not nexts:
                break
            assert min(nexts) > self.now, "the clock has to go on"
            self.now = min(nexts)
        return self

    def _admit(self) -> None:
        waiting = list(self.line.waiting)
        for ticket in self.line.admit(self.now):
            waiting.remove(ticket)
            better = [other for other in waiting if other.rank(self.now) < ticket.rank(self.now)]
            assert not better, "somebody more urgent was passed over"
            self.sent.append((self.now, ticket))

    def times(self, priority: Priority | None = None) -> list[float]:
        return [at for at, ticket in self.sent if priority in (None, ticket.priority)]


priorities = st.sampled_from(list(Priority))
crowds = st.lists(st.tuples(st.floats(0, 300, allow_subnormal=False), priorities), min_size=1, max_size=120)


@given(crowds, st.integers(1, 30))
def test_no_minute_holds_more_than_the_limit_and_everybody_is_served(
    arrivals: list[Arrival], most: int
) -> None:
    day = Day(Line(most=most)).spend(arrivals)
    times = day.times()
    assert len(times) == len(arrivals)
    assert all(later - earlier >= MINUTE - 1e-6 for earlier, later in zip(times, times[most:], strict=False))


@given(crowds, st.integers(1, 30))
def test_whoever_came_earlier_and_is_as_urgent_goes_first(arrivals: list[Arrival], most: int) -> None:
    sent = [ticket for _, ticket in Day(Line(most=most)).spend(arrivals).sent]
    for index, ticket in enumerate(sent):
        for later in sent[index + 1 :]:
            assert later.joined >= ticket.joined or later.priority > ticket.priority


@given(
    st.lists(st.tuples(st.floats(0, 300), st.sampled_from(list(Priority)[1:])), max_size=200),
    st.floats(0, 300),
    st.integers(10, 100),
)
def test_a_command_among_machines_never_waits(arrivals: list[Arrival], at: float, most: int) -> None:
    day = Day(Line(most=most)).spend([*arrivals, (at, Priority.COMMAND)])
    (sent,) = [(when, ticket) for when, ticket in day.sent if ticket.priority is Priority.COMMAND]
    assert sent[0] == sent[1].joined


@pytest.mark.parametrize("priority", list(Priority), ids=lambda priority: priority.name.lower())
def test_each_class_leaves_its_share_to_those_before_it(priority: Priority) -> None:
    day = Day(Line(most=100)).spend([(1.0, priority)] * 150, until=PATIENCE.total_seconds() - 1)
    assert len(day.times()) == round(100 * (1 - KEPT_FREE[priority]))


def test_a_flood_of_verification_does_not_starve_a_backfill() -> None:
    flood = [(second / 2, Priority.VERIFICATION) for second in range(1200)]
    day = Day(Line(most=100)).spend([*flood, (100.0, Priority.BACKFILL)])
    (when,) = day.times(Priority.BACKFILL)
    assert PATIENCE.total_seconds() < when - 100 < 3 * PATIENCE.total_seconds()


def test_a_flood_of_commands_goes_before_everything() -> None:
    day = Day(Line(most=10)).spend([(0.0, Priority.POLL)] * 3 + [(0.1, Priority.COMMAND)] * 30, until=400)
    assert [ticket.priority for _, ticket in day.sent[3:]] == [Priority.COMMAND] * 30


@given(crowds, st.floats(1, 200))
def test_nobody_goes_while_it_is_paused(arrivals: list[Arrival], until: float) -> None:
    line = Line(most=5)
    line.pause(until)
    line.pause(until / 2)
    day = Day(line).spend(arrivals)
    assert min(day.times()) >= until
    assert len(day.times()) == len(arrivals)


def test_whoever_gives_up_holds_up_nobody() -> None:
    line = Line(most=1)
    first, second, third = (Ticket(Priority.POLL, 0.0) for _ in range(3))
    for ticket in (first, second, third):
        line.join(ticket)
    assert line.admit(0.0) == [first]
    line.leave(second)
    line.leave(first)
    assert line.admit(MINUTE) == [third]
    assert line.next_at(MINUTE) is None


@pytest.fixture
def short() -> Budget:
    """Two requests in a twentieth of a second."""
    return Budget(2, period=timedelta(seconds=0.05))


async def test_callers_wait_for_their_turn(short: Budget) -> None:
    loop = asyncio.get_running_loop()
    went: list[float] = []

    async def call() -> None:
        await short.take(Priority.COMMAND)
        went.append(loop.time())

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for _ in range(7):
            tasks.create_task(call())
    assert len(went) == 7
    assert all(later - earlier >= 0.049 for earlier, later in zip(went, went[2:], strict=False))
    assert (short.waiting, short.free) in {(0, 1), (0, 0), (0, 2)}


async def test_a_caller_who_is_cancelled_leaves_the_line() -> None:
    budget = Budget(1, period=timedelta(hours=1))
    await budget.take(Priority.COMMAND)
    waiting = asyncio.create_task(budget.take(Priority.COMMAND))
    await asyncio.sleep(0)
    assert budget.waiting == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert budget.waiting == 0


@pytest.mark.parametrize("came_before", [True, False])
async def test_a_long_pause_sends_commands_away_and_machines_wait(came_before: bool) -> None:
    budget = Budget(1, period=timedelta(hours=1))
    await budget.take(Priority.COMMAND)
    if not came_before:
        budget.refused(LONGEST_TOLD)
    machine = asyncio.create_task(budget.take(Priority.VERIFICATION))
    command = asyncio.create_task(budget.take(Priority.COMMAND))
    await asyncio.sleep(0)
    if came_before:
        budget.refused(LONGEST_TOLD)
    with pytest.raises(PausedError) as raised:
        async with asyncio.timeout(5):
            await command
    assert LONGEST_WAIT < raised.value.left <= LONGEST_TOLD
    assert (budget.waiting, machine.done()) == (1, False)
    machine.cancel()


async def test_a_short_pause_is_sat_out_by_everybody() -> None:
    budget = Budget()
    budget.refused(timedelta(milliseconds=50))
    async with asyncio.timeout(5):
        await budget.take(Priority.COMMAND)


async def test_refusals_without_a_time_wait_ever_longer_and_several_at_once_are_one() -> None:
    class Clock:
        now = 100.0

    loop = asyncio.get_running_loop()
    budget, clock = Budget(), Clock()
    real, loop.time = loop.time, lambda: clock.now  # type: ignore[method-assign]
    try:
        pauses = []
        for _ in range(8):
            pauses.append(budget.refused(None))
            clock.now += 1
            assert budget.refused(None) == pauses[-1] - timedelta(seconds=1)
            clock.now += pauses[-1].total_seconds()
        assert pauses[0] == FIRST_PAUSE
        assert all(later == min(earlier * 2, LONGEST_PAUSE) for earlier, later in pairwise(pauses))
        budget.accepted()
        assert budget.refused(None) == FIRST_PAUSE
        clock.now += 60
        assert budget.refused(timedelta(seconds=7)) == timedelta(seconds=7)
        assert budget.refused(timedelta(days=100)) == LONGEST_TOLD
    finally:
        loop.time = real  # type: ignore[method-assign]


async def test_the_same_key_has_one_budget_and_another_key_another() -> None:
    one = budget_of("rgo-one")
    assert budget_of("rgo-one") is one
    assert budget_of("rgo-two") is not one
