"""What a poll shows becomes facts; what it does not show, fails to show or shows too late changes nothing."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.errors import AdapterError, RefusalError, TransientError
from adapters.provider import Listed, Priority, Window
from events import BookingSnapshot
from events.state import Cancel, Host
from tests.factories import attendee, snapshot
from tests.fake_provider import reading_of
from tests.integration.polling.provider import (
    EMPTY,
    EMPTY_AND_SURE,
    HALF,
    REPEATED,
    ListProvider,
    Pages,
)
from tests.integration.polling.world import NOW, SOURCE, World

NOON = NOW + timedelta(days=2)
LATER = NOW - timedelta(hours=1)


def booking(provider_id: str = "b1", **overrides: Any) -> BookingSnapshot:
    """A booking of the day after tomorrow."""
    return snapshot(**({"provider_id": provider_id, "start": NOON} | overrides))


def changed(provider_id: str = "b1", **overrides: Any) -> BookingSnapshot:
    """The same an hour ago, changed."""
    return booking(provider_id, **({"version": LATER} | overrides))


async def test_a_change_whose_webhook_was_lost_is_found(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    await world.settle(booking())
    provider.show(changed(cancelled=True, cancel=Cancel(at=LATER)))
    polled = await world.poll()
    fact = (await world.facts("b1"))[-1]
    assert (fact.type, fact.provenance, fact.causation_id) == ("BookingCancelled", "poll", "p_1")
    assert (polled.tally.bookings, polled.tally.facts) == (1, 1)
    assert world.booking("b1").status == "cancelled"
    assert (await world.poll()).tally.facts == 0


@pytest.mark.parametrize(
    "how",
    [EMPTY, EMPTY_AND_SURE, HALF, REPEATED, TransientError("500"), RefusalError("403", code="forbidden")],
    ids=["empty page", "empty list", "half a page", "repeated page", "500 on the way", "refused"],
)
async def test_a_list_gone_wrong_changes_nothing(
    world: World, provider: ListProvider, how: str | AdapterError
) -> None:
    await world.watched_before()
    known = [booking(f"b{number}") for number in range(7)]
    provider.show(*known)
    await world.settle(*(one.model_copy(update={"origin": "api"}) for one in known))
    before, rows = (await world.log.state()).last, world.deliveries("calendar")
    provider.next_lists = [how, how]
    try:
        await world.poll()
    except TransientError:
        assert isinstance(how, TransientError)
    assert (await world.log.state()).last == before
    assert world.deliveries("calendar") == rows
    assert [world.booking(one.provider_id).status for one in known] == ["active"] * 7
    last = world.last_poll()
    assert last is not None
    if how == EMPTY_AND_SURE:
        assert sorted(provider.asked_for) == [one.provider_id for one in known]
        assert world.absent() == dict.fromkeys((one.provider_id for one in known), False)
    else:
        assert provider.asked_for == []
        assert last.error
        assert last.failing_since == NOW
        assert last.succeeded_at is None


async def test_what_came_before_a_failure_is_kept(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    provider.show(*(booking(f"b{number}") for number in range(7)))
    provider.next_lists = [TransientError("500")]
    with pytest.raises(TransientError):
        await world.poll()
    assert [await world.types(f"b{number}") for number in range(4)] == [["BookingCreated"]] * 3 + [[]]
    await world.poll()
    assert await world.types("b6") == ["BookingCreated"]


async def test_a_booking_the_provider_has_no_more_is_missing_and_not_cancelled(
    world: World, provider: ListProvider
) -> None:
    await world.watched_before()
    await world.settle(booking(), booking("b2"))
    provider.show(booking("b2"))
    polled = await world.poll()
    assert polled.missing == 1
    assert world.absent() == {"b1": True}
    assert await world.types("b1") == ["BookingCreated"]
    assert world.booking("b1").status == "active"
    await world.poll()
    assert provider.asked_for == ["b1"], "it is not asked for again at once"
    world.clock.advance(timedelta(hours=2))
    await world.poll()
    assert provider.asked_for == ["b1", "b1"]
    provider.show(booking())
    await world.poll()
    assert world.absent() == {}


async def test_a_booking_that_left_the_window_is_found_by_its_id(
    world: World, provider: ListProvider
) -> None:
    await world.watched_before()
    await world.settle(booking())
    far = NOW + timedelta(days=200)
    provider.show(changed(start=far, end=far + timedelta(minutes=45), rescheduled_at=LATER))
    await world.poll()
    fact = (await world.facts("b1"))[-1]
    assert (fact.type, fact.provenance) == ("BookingRescheduled", "poll")
    assert provider.asked_for == ["b1"]


async def test_what_is_not_shown_costs_a_few_requests_only(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    await world.settle(*(booking(f"b{number:02}") for number in range(30)))
    await world.poll()
    assert len(provider.asked_for) == 20
    await world.poll()
    assert sorted(provider.asked_for) == [f"b{number:02}" for number in range(30)]


async def test_a_page_from_before_our_own_mark_does_not_take_it_back(
    world: World, provider: ListProvider
) -> None:
    """`updatedAt` does not tell of a no-show, so only the order of reading can."""
    await world.watched_before()
    here = booking(attendees=[attendee("a1", no_show=False)], start=NOW - timedelta(hours=2))
    missed = booking(attendees=[attendee("a1", no_show=True)], start=NOW - timedelta(hours=2))
    provider.show(here)
    await world.settle(here.model_copy(update={"origin": "api"}))

    class Slow(Pages):
        """Its page was made before the mark, and arrives after it."""

        async def __aiter__(self):  # type: ignore[no-untyped-def]
            page = [reading_of(here.model_copy(update={"origin": "api"}))]
            provider.show(missed)
            await world.lookup.look(SOURCE, "b1", provenance="command", causation_id="c_1")
            yield page

    def listed(window: Window, *, priority: Priority = Priority.POLL) -> Listed:
        del priority
        return Slow([], complete=True) if window.by == "start" else Pages([], complete=True)

    provider.listed = listed  # type: ignore[method-assign]
    await world.poll()
    marks = [envelope for envelope in await world.facts("b1") if "NoShow" in envelope.type]
    assert [(one.type, one.provenance) for one in marks] == [("AttendeeNoShow", "command")]
    assert world.booking("b1").no_show == "all"


async def test_what_was_booked_for_a_time_beyond_the_window_is_found(
    world: World, provider: ListProvider
) -> None:
    await world.watched_before()
    far = NOW + timedelta(days=300)
    created = NOW - timedelta(minutes=2)
    provider.show(booking(start=far, created_at=created, version=created))
    await world.poll()
    assert await world.types("b1") == ["BookingCreated"]


async def test_after_a_time_without_polls_the_window_reaches_back(
    world: World, provider: ListProvider
) -> None:
    await world.watched_before()
    while_away = NOW + timedelta(days=1)
    await world.settle(booking(start=while_away, end=while_away + timedelta(minutes=45)))
    world.clock.advance(timedelta(days=21))
    provider.show(changed(start=while_away, attendees=[attendee("a1", no_show=True)]))
    await world.poll()
    assert (await world.types("b1"))[-1] == "AttendeeNoShow"
    begin = min(window.begin for window, _ in provider.windows if window.by == "start")
    assert begin == NOW - timedelta(days=7)
    await world.poll()
    assert provider.windows[-2][0].begin == world.clock.now() - timedelta(days=7)


async def test_the_first_look_at_a_list_is_history(world: World, provider: ListProvider) -> None:
    provider.show(booking())
    await world.poll()
    (fact,) = await world.facts("b1")
    assert fact.provenance == "backfill"
    provider.show(booking("b2"))
    await world.poll()
    (fact,) = await world.facts("b2")
    assert fact.provenance == "poll"


async def test_one_list_that_is_refused_keeps_nobody_elses(world: World, provider: ListProvider) -> None:
    provider.of_each_host = True
    gone, here = Host(id="h1"), Host(id="h2")
    await world.settle(booking(hosts=(gone,)), booking("b2", hosts=(here,)), booking("b3", hosts=(here,)))
    provider.refused_hosts = {"h1": RefusalError("no such user", code="forbidden")}
    provider.show(booking(hosts=(gone,)), changed("b2", hosts=(here,), title="Anders"))
    polled = await world.poll()
    assert await world.types("b2") == ["BookingCreated", "BookingDetailsChanged"]
    assert polled.problems == ["the list of h1: no such user"]
    assert provider.asked_for == ["b3"], "only what the list that was read should have shown"
    assert world.absent() == {"b3": True}
    assert {row.host: row.polled_at for row in world.lists()} == {"h1": None, "h2": NOW}


async def test_a_host_who_has_had_no_booking_for_long_is_not_asked_for(
    world: World, provider: ListProvider
) -> None:
    provider.of_each_host = True
    long_ago = NOW - timedelta(days=91)
    await world.settle(booking(hosts=(Host(id="h1"),), start=long_ago), booking("b2", hosts=(Host(id="h2"),)))
    await world.poll()
    assert [window.host for window, _ in provider.windows] == ["h2", "h2"]


async def test_without_a_known_host_there_is_no_list_to_read(world: World, provider: ListProvider) -> None:
    provider.of_each_host = True
    polled = await world.poll()
    assert polled.lists == 0
    last = world.last_poll()
    assert last is not None
    assert "no host is known" in (last.error or "")


async def test_a_row_nobody_can_store_delays_no_other(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    provider.show(booking("x" * 4000), booking("b2"))
    polled = await world.poll()
    assert await world.types("b2") == ["BookingCreated"]
    assert polled.tally.failed == 1
    last = world.last_poll()
    assert last is not None
    assert last.error is None


async def test_polls_use_their_own_share_of_the_budget(world: World, provider: ListProvider) -> None:
    await world.poll()
    assert {priority for _, priority in provider.windows} == {Priority.BACKFILL}
    provider.windows.clear()
    await world.poll()
    assert {priority for _, priority in provider.windows} == {Priority.POLL}
