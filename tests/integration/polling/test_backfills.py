"""The history is read month by month, once, whatever happens on the way; nobody acts on it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.errors import RefusalError, TransientError
from adapters.provider import Priority
from events.state import Cancel, Host
from hub.polling.backfill import Filled
from hub.polling.poll import NOBODY
from hub.store import operations, polls
from tests.integration.polling.provider import HALF, ListProvider
from tests.integration.polling.test_polls import booking
from tests.integration.polling.world import NOW, SOURCE, World, settings_of
from tests.waiting import until

BEGIN, END = NOW - timedelta(days=90), NOW + timedelta(days=60)


async def ignore(_: Filled) -> None:
    """Nobody watches."""


def months_asked(provider: ListProvider) -> list[str]:
    """The windows by start in the order they were asked for."""
    asked = [window for window, _ in provider.windows if window.by == "start"]
    return [f"{window.begin:%m-%d}/{window.end:%m-%d}" for window in asked]


def a_booking_in_every_month(provider: ListProvider) -> None:
    for number, month in enumerate((7, 8, 9, 10, 11, 12)):
        at = datetime(2026, month, 15, 10, tzinfo=UTC)
        provider.show(booking(f"b{number}", start=at, end=at + timedelta(minutes=45)))


async def test_months_are_read_in_their_order(world: World, provider: ListProvider) -> None:
    a_booking_in_every_month(provider)
    assert await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    filled = await world.backfiller().run(SOURCE, ignore)
    assert months_asked(provider) == [
        "07-23/08-01",
        "08-01/09-01",
        "09-01/10-01",
        "10-01/11-01",
        "11-01/12-01",
        "12-01/12-20",
    ]
    assert (filled.done, filled.total, filled.bookings, filled.facts) == (6, 6, 5, 5)
    facts = [await world.facts(f"b{number}") for number in range(1, 6)]
    assert Counter(one.provenance for history in facts for one in history) == {"backfill": 5}
    assert {priority for _, priority in provider.windows} == {Priority.BACKFILL}
    assert world.lists()[0].history_done_at == NOW


async def test_nothing_acts_on_history(world: World, provider: ListProvider) -> None:
    for number in range(50):
        at = NOW - timedelta(days=number)
        cancelled = booking(f"b{number}", start=at, cancelled=True, cancel=Cancel(at=NOW))
        provider.show(cancelled.model_copy(update={"version": NOW, "created_at": NOW}))
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    await world.backfiller().run(SOURCE, ignore)
    await world.caught_up()
    assert set(world.deliveries("chat")) == {"skipped"}
    assert world.deliveries("chat")["skipped"] == 100


async def test_a_backfill_that_was_cut_off_goes_on_with_its_month(
    world: World, provider: ListProvider
) -> None:
    a_booking_in_every_month(provider)
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)

    async def die(filled: Filled) -> None:
        if filled.done == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await world.backfiller().run(SOURCE, die)
    asked = len(provider.windows)
    assert await world.backfiller().plan_first(SOURCE, begin=NOW, end=NOW + timedelta(days=1)), (
        "the plan stays that of the first start"
    )
    filled = await world.backfiller().run(SOURCE, ignore)
    assert months_asked(provider)[asked:][0] == "09-01/10-01"
    assert (filled.done, filled.total) == (4, 4)
    (row,) = world.lists()
    assert (row.history_bookings, row.history_facts) == (5, 5)
    causes = {envelope.causation_id for number in range(1, 6) for envelope in await world.facts(f"b{number}")}
    assert causes == {row.history_id}


async def test_a_failing_provider_leaves_the_month_to_the_next_run(
    world: World, provider: ListProvider
) -> None:
    a_booking_in_every_month(provider)
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    provider.next_lists = ["whole", TransientError("503")]
    with pytest.raises(TransientError):
        await world.backfiller().run(SOURCE, ignore)
    (row,) = world.lists()
    assert row.history_next == datetime(2026, 8, 1, tzinfo=UTC)
    await world.backfiller().run(SOURCE, ignore)
    assert await world.types("b1") == ["BookingCreated"]


async def test_a_month_that_is_never_whole_is_named_and_left(world: World, provider: ListProvider) -> None:
    a_booking_in_every_month(provider)
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    provider.next_lists = [HALF, "whole", HALF, HALF, HALF]
    filled = await world.backfiller().run(SOURCE, ignore)
    assert filled.problems == ["the list: August 2026 was not shown whole"]
    (row,) = world.lists()
    assert row.history_incomplete == 1
    assert row.history_done_at is not None
    assert months_asked(provider)[:6] == ["07-23/08-01"] * 2 + ["08-01/09-01"] * 3 + ["09-01/10-01"]


async def test_a_list_that_is_refused_does_not_keep_the_others(world: World, provider: ListProvider) -> None:
    provider.of_each_host = True
    first, second = Host(id="h1"), Host(id="h2")
    await world.settle(booking(hosts=(first,)), booking("b2", hosts=(second,)))
    provider.refused_hosts = {"h1": RefusalError("no such user")}
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    filled = await world.backfiller().run(SOURCE, ignore)
    assert filled.problems == ["the list of h1: no such user"]
    assert [(row.host, row.history_done_at is None) for row in world.lists()] == [("h1", True), ("h2", False)]


async def test_polls_wait_for_the_history_of_a_list(world: World, provider: ListProvider) -> None:
    provider.show(booking())
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    polled = await world.poll(history_first=True)
    assert (polled.lists, polled.left_out) == (0, 1)
    assert world.last_poll() is None, "a poll that read nothing is none"
    await world.backfiller().run(SOURCE, ignore)
    await world.poll(history_first=True)
    (fact,) = await world.facts("b1")
    assert fact.provenance == "backfill"
    assert world.last_poll() is not None


async def test_a_backfill_on_demand_reads_other_months(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    at = datetime(2025, 3, 3, 10, tzinfo=UTC)
    provider.show(booking(start=at, created_at=at, version=at))
    operation_id = await world.sourcing.runs.begin_backfill(
        SOURCE, begin=datetime(2025, 2, 10, tzinfo=UTC), end=datetime(2025, 4, 1, tzinfo=UTC)
    )
    await until(lambda: world.operations()[0].state == "done")
    row = world.database.read_now(lambda session: operations.get(session, operation_id))
    assert row is not None
    assert (row.kind, row.done, row.total) == ("backfill", 2, 2)
    assert row.detail == {"source": SOURCE, "bookings": 1, "facts": 1, "months": 2}
    assert months_asked(provider) == ["02-10/03-01", "03-01/04-01"]
    (fact,) = await world.facts("b1")
    assert fact.provenance == "backfill"


async def test_a_backfill_of_nobodys_list_fails(world: World, provider: ListProvider) -> None:
    provider.of_each_host = True
    await world.sourcing.runs.begin_backfill(SOURCE)
    await until(lambda: world.operations()[0].state == "failed")
    assert world.operations()[0].detail["error"] == NOBODY


async def test_what_may_be_lost_from_the_log_is_read_again(world: World, provider: ListProvider) -> None:
    a_booking_in_every_month(provider)
    await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    await world.backfiller().run(SOURCE, ignore)
    await world.poll()
    since = NOW + timedelta(hours=1)
    await world.database.write(lambda session: polls.rewind(session, to=since))
    assert await world.backfiller().is_read(SOURCE), "it was read before anything was lost"
    since = NOW - timedelta(days=3)
    await world.database.write(lambda session: polls.rewind(session, to=since))
    (row,) = world.lists()
    assert (row.polled_at, row.created_before, row.history_done_at) == (since, since, None)
    asked = len(provider.windows)
    await world.backfiller().run(SOURCE, ignore)
    assert len(provider.windows) - asked == 6
    await world.database.write(lambda session: polls.rewind(session, to=None))
    (row,) = world.lists()
    assert (row.polled_at, row.created_before) == (None, None)


async def test_progress_survives_another_configuration(
    world: World, provider: ListProvider, tmp_path: Path
) -> None:
    a_booking_in_every_month(provider)
    assert await world.backfiller().plan_first(SOURCE, begin=BEGIN, end=END)
    await world.backfiller().run(SOURCE, ignore)
    world.settings = settings_of(tmp_path, backfill="{past: 400d, ahead: 400d}", poll="{every: 1h}")
    assert await world.sourcing.runs.fill_in_turn(SOURCE, world.plan()) == "nothing"
