"""The schedule: history first, then polls; one hub at a time; who refuses us is left alone."""

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlmodel import Session

from adapters.errors import TransientError
from events.state import Host
from hub.log import EventLog, Privacy
from hub.polling import lease, watch
from hub.polling.errors import BusyError, LeaseLostError
from hub.polling.poll import NOBODY
from hub.store import leases, polls, sources
from hub.store.tables import PollRow
from tests.integration.polling.provider import ListProvider
from tests.integration.polling.test_polls import booking, changed
from tests.integration.polling.world import NOW, SOURCE, World, settings_of
from tests.waiting import until


async def test_a_first_start_reads_the_history_and_then_polls(world: World, provider: ListProvider) -> None:
    provider.show(booking(), booking("b2", start=NOW - timedelta(days=30)))
    world.watch()
    await until(world.has_polled)
    facts = [*(await world.facts("b1")), *(await world.facts("b2"))]
    assert [(one.type, one.provenance) for one in facts] == [("BookingCreated", "backfill")] * 2
    (operation,) = world.operations()
    assert (operation.kind, operation.state) == ("backfill", "done")
    assert operation.detail == {"source": SOURCE, "bookings": 2, "facts": 2, "months": 16}
    (row,) = world.lists()
    assert row.history_done_at == row.polled_at == NOW


async def test_the_first_webhook_brings_the_list_whose_history_is_read(
    world: World, provider: ListProvider
) -> None:
    provider.of_each_host = True
    hosts = (Host(id="mara"),)
    provider.show(booking(hosts=hosts), booking("b2", hosts=hosts, start=NOW - timedelta(days=30)))
    world.watch()
    await until(lambda: (last := world.last_poll()) is not None and last.error == NOBODY)
    assert provider.windows == []
    await world.settle(booking(hosts=hosts))
    world.clock.advance(timedelta(minutes=5))
    await until(lambda: bool(world.lists()) and world.lists()[0].history_done_at is not None)
    await until(world.has_polled)
    assert [one.provenance for one in await world.facts("b2")] == ["backfill"]


async def test_polls_come_again_and_find_what_changed(world: World, provider: ListProvider) -> None:
    provider.show(booking())
    world.watch()
    await until(world.has_polled)
    provider.show(changed(title="Anders"))
    world.clock.advance(timedelta(minutes=5))
    await until(world.has_polled)
    assert (await world.types("b1"))[-1] == "BookingDetailsChanged"
    assert (await world.facts("b1"))[-1].provenance == "poll"


async def test_lost_facts_are_looked_for_at_once(world: World, provider: ListProvider) -> None:
    provider.show(booking())
    world.watch()
    await until(world.has_polled)
    asked = len(provider.windows)
    world.sourcing.watch.poll_soon()
    await until(lambda: len(provider.windows) == asked + 2)


async def test_nothing_is_asked_of_a_source_that_is_paused(
    world: World, provider: ListProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def looked(session: Session) -> dict[str, PollRow]:
        looks.append(session)
        return polls.every(session)

    monkeypatch.setattr(watch, "polls", SimpleNamespace(every=looked))
    await world.database.write(
        lambda session: sources.set_state(session, SOURCE, state="auth_failed", reason="401")
    )
    world.watch()
    world.sourcing.watch.poll_soon()
    await until(lambda: len(looks) > 2)
    assert (provider.windows, provider.told) == ([], [])
    await world.database.write(
        lambda session: sources.set_state(session, SOURCE, state="running", reason=None)
    )
    await until(world.has_polled)


async def test_what_is_switched_off_is_not_asked_for(
    world: World, provider: ListProvider, tmp_path: Path
) -> None:
    world.settings = settings_of(tmp_path, poll="false")
    provider.show(booking())
    world.watch()
    await until(lambda: bool(world.lists()) and world.lists()[0].history_done_at is not None)
    asked = len(provider.windows)
    world.clock.advance(timedelta(days=1))
    world.settings = settings_of(tmp_path, poll="{every: 1h}", backfill="false")
    await until(world.has_polled)
    assert {window.by for window, _ in provider.windows[:asked]} == {"start"}
    assert len(provider.windows) == asked + 2, "the only poll is the one that was switched on"


async def test_a_provider_that_is_down_is_asked_again(world: World, provider: ListProvider) -> None:
    provider.next_lists = [TransientError("503")]
    world.watch()
    await until(lambda: any(one.state == "failed" for one in world.operations()))
    assert world.operations()[0].detail["error"] == "503"

    def has_polled_at_last() -> bool:
        world.clock.advance(timedelta(seconds=1))
        last = world.last_poll()
        return last is not None and last.succeeded_at is not None

    await until(has_polled_at_last)


async def test_two_hubs_do_not_poll_at_the_same_time(
    world: World, provider: ListProvider, event_log: EventLog, privacy: Privacy
) -> None:
    other = World.build(event_log, privacy, world.database, provider, world.settings, owner="hub-2")
    async with world.leases(owner="hub-3").hold(f"poll:{SOURCE}") as held:
        assert held
        assert await world.sourcing.runs.poll_in_turn(SOURCE, world.plan()) is None
        assert await other.sourcing.runs.poll_in_turn(SOURCE, world.plan()) is None
    assert provider.windows == []
    assert await other.sourcing.runs.poll_in_turn(SOURCE, world.plan()) is not None


async def test_a_poll_on_demand_waits_for_the_one_under_way(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    provider.show(booking())
    async with world.leases(owner="hub-3").hold(f"poll:{SOURCE}"):
        operation_id = await world.sourcing.runs.begin_poll(SOURCE)
        assert world.operations()[0].state == "running"
    await until(lambda: world.operations()[0].state == "done")
    row = world.operations()[0]
    assert (row.operation_id, row.kind) == (operation_id, "poll")
    assert {key: row.detail[key] for key in ("source", "bookings", "facts", "missing")} == {
        "source": SOURCE,
        "bookings": 1,
        "facts": 1,
        "missing": 0,
    }
    (fact,) = await world.facts("b1")
    assert fact.causation_id == row.detail["poll_id"]


async def test_a_lost_lease_ends_the_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", timedelta(milliseconds=10))
    held, reached = asyncio.Event(), []

    async def work() -> None:
        async with world.leases(owner="hub-1").hold("poll:x"):
            held.set()
            await asyncio.Event().wait()
            reached.append("the end")

    working = asyncio.create_task(work())
    await held.wait()
    await world.database.write(lambda session: leases.release(session, "poll:x", owner="hub-1"))
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(working, 60)
    assert reached == []


async def test_a_hub_that_was_killed_has_its_lease_again(world: World) -> None:
    before, after = world.leases(owner="hub-1"), world.leases(owner="hub-1")
    async with before.hold("poll:x"), after.hold("poll:x") as held:
        assert held
    async with before.hold("poll:y"), before.hold("poll:y") as twice:
        assert not twice, "within a process one task at a time"


async def test_waiting_for_a_lease_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LONGEST_WAIT", timedelta(milliseconds=10))
    async with world.leases(owner="hub-1").hold("poll:x"):
        with pytest.raises(BusyError):
            async with world.leases(owner="hub-2").wait_for("poll:x"):
                pass


async def test_polls_are_measured(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    provider.next_lists = [TransientError("503")]
    with pytest.raises(TransientError):
        await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    text = world.metrics.render().decode()
    assert 'bookinghub_polls_total{outcome="ok",source="meetergo"} 1.0' in text
    assert 'bookinghub_polls_total{outcome="failed",source="meetergo"} 1.0' in text
    assert 'bookinghub_poll_duration_seconds_count{source="meetergo"} 2.0' in text
