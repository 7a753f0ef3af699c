"""Our address at the provider, and webhooks that stop to come."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import RefusalError, TransientError
from adapters.provider import Subscription
from hub.polling.errors import NoDoorError
from hub.store import first_seen, inbox, polls, sources
from hub.store.tables import InboxRow
from tests.factories import attendee
from tests.integration.polling.provider import ListProvider
from tests.integration.polling.test_polls import booking, changed
from tests.integration.polling.world import NOW, SOURCE, TOKEN, World, settings_of
from tests.waiting import until

ADDRESS = f"https://hub.studio.example/webhooks/meetergo/{TOKEN}"
STRANGER = Subscription("s-9", "https://zapier.example/webhooks/meetergo/abc", ("booking_created",))
TELLS = ("BookingCreated", "BookingRescheduled", "BookingCancelled", "AttendeeAdded", "AttendeeRemoved")


def former(endpoint: str, id: str = "s-8") -> Subscription:
    return Subscription(id, endpoint, ("booking_created",))


async def test_connecting_twice_enters_one_address(world: World, provider: ListProvider) -> None:
    provider.endpoints = [STRANGER]
    registration = world.sourcing.registration
    first, again = await registration.connect(SOURCE), await registration.connect(SOURCE)
    assert (first.made, again.made) == (True, False)
    assert [one.endpoint for one in provider.endpoints] == [STRANGER.endpoint, ADDRESS]
    known = world.last_poll()
    assert known is not None
    assert known.registered


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://hub.studio.example/webhooks/meetergo/an-older-token-0123456789",
        f"https://former.studio.example/webhooks/meetergo/{TOKEN}",
        f"https://former.studio.example/below/webhooks/meetergo/{TOKEN}",
    ],
    ids=["former token", "former host", "former path"],
)
async def test_a_former_address_of_ours_goes(world: World, provider: ListProvider, endpoint: str) -> None:
    provider.endpoints = [former(endpoint), STRANGER]
    done = await world.sourcing.registration.connect(SOURCE)
    assert (done.made, done.removed) == (True, 1)
    assert [one.endpoint for one in provider.endpoints] == [STRANGER.endpoint, ADDRESS]


async def test_disconnecting_leaves_the_addresses_of_others(world: World, provider: ListProvider) -> None:
    other_hub = former("https://hub.studio.example/webhooks/calcom/another-token-0123456789", "s-7")
    provider.endpoints = [former(ADDRESS), STRANGER, other_hub]
    done = await world.sourcing.registration.disconnect(SOURCE)
    assert done.removed == 1
    assert provider.endpoints == [STRANGER, other_hub]
    known = world.last_poll()
    assert known is not None
    assert known.registered is False


@pytest.mark.parametrize("verb", ["connect", "disconnect"])
async def test_a_dry_run_changes_nothing(world: World, provider: ListProvider, verb: str) -> None:
    provider.endpoints = [former(f"https://former.example/webhooks/meetergo/{TOKEN}")]
    before = list(provider.endpoints)
    done = await getattr(world.sourcing.registration, verb)(SOURCE, dry_run=True)
    assert provider.endpoints == before
    assert done.removed == 1
    assert world.last_poll() is None


async def test_without_a_public_address_nothing_can_be_entered(world: World) -> None:
    hub = world.settings.hub.model_copy(update={"public_url": None})
    world.settings = replace(world.settings, hub=hub)
    with pytest.raises(NoDoorError, match="public_url"):
        await world.sourcing.registration.connect(SOURCE)


async def test_a_start_enters_the_address_where_that_is_wanted(
    world: World, provider: ListProvider, tmp_path: Path
) -> None:
    world.settings = settings_of(tmp_path, webhook=f"{{token: {TOKEN}, register: true}}")
    provider.endpoints = [STRANGER]
    world.watch()
    await until(lambda: ADDRESS in [one.endpoint for one in provider.endpoints])
    assert STRANGER in provider.endpoints


async def test_a_start_only_looks_where_nothing_else_is_wanted(world: World, provider: ListProvider) -> None:
    provider.endpoints = [STRANGER]
    world.watch()
    await until(lambda: (known := world.last_poll()) is not None and known.registered is False)
    assert provider.endpoints == [STRANGER]


async def test_a_provider_that_takes_no_more_addresses_is_asked_again(
    world: World, provider: ListProvider, tmp_path: Path
) -> None:
    world.settings = settings_of(tmp_path, webhook=f"{{token: {TOKEN}, register: true}}")
    calls = []

    async def refuse(endpoint: str, *, description: str) -> Subscription:
        calls.append(endpoint)
        if len(calls) == 1:
            raise RefusalError("six at most", code="limit-reached")
        return await ListProvider.subscribe(provider, endpoint, description=description)

    provider.subscribe = refuse  # type: ignore[method-assign]
    world.watch()
    await until(lambda: calls == [ADDRESS])
    assert provider.endpoints == []

    def is_entered_at_last() -> bool:
        world.clock.advance(timedelta(seconds=20))
        return len(provider.endpoints) == 1

    await until(is_entered_at_last)


async def test_a_former_address_makes_room_where_no_more_are_taken(
    world: World, provider: ListProvider
) -> None:
    old = "https://hub.studio.example/webhooks/meetergo/an-older-token-0123456789"
    provider.endpoints, most = [former(old), STRANGER], 2

    async def subscribe(endpoint: str, *, description: str) -> Subscription:
        if len(provider.endpoints) >= most:
            raise RefusalError("two at most", code="limit-reached")
        return await ListProvider.subscribe(provider, endpoint, description=description)

    provider.subscribe = subscribe  # type: ignore[method-assign]
    done = await world.sourcing.registration.connect(SOURCE)
    assert (done.made, done.removed) == (True, 1)
    assert [one.endpoint for one in provider.endpoints] == [STRANGER.endpoint, ADDRESS]


async def test_addresses_of_others_never_make_room(world: World, provider: ListProvider) -> None:
    provider.endpoints = [STRANGER]

    async def refuse(endpoint: str, *, description: str) -> Subscription:
        raise RefusalError("one at most", code="limit-reached")

    provider.subscribe = refuse  # type: ignore[method-assign]
    with pytest.raises(RefusalError):
        await world.sourcing.registration.connect(SOURCE)
    assert provider.endpoints == [STRANGER]


def receipt(
    name: str, provider_id: str, at: datetime, *, shows: datetime | None = None, status: str = "accepted"
) -> InboxRow:
    """It came at this moment and shows the booking as it was then, or earlier."""
    return InboxRow(
        receipt_id=name,
        source=SOURCE,
        received_at=at,
        kind="booking_created",
        status=status,
        provider_id=provider_id,
        version=shows or at,
        digest=name,
    )


async def silent_after(world: World, provider: ListProvider, hours: float, *changes: Any) -> None:
    """Polls find these changes, and so long no webhook came."""
    await world.watched_before()
    provider.show(booking())
    await world.settle(booking())
    world.clock.advance(timedelta(hours=hours))
    provider.show(*changes)
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    await world.caught_up()
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())


async def test_webhooks_that_stopped_are_noticed(world: World, provider: ListProvider) -> None:
    at = NOW + timedelta(hours=1)
    moved = changed(start=at + timedelta(days=1), version=at, rescheduled_at=at)
    provider.endpoints = [former(ADDRESS)]
    await silent_after(world, provider, 3.5, moved)
    known = world.last_poll()
    assert known is not None
    assert (known.silent_since, known.silent_changes, known.registered) == (NOW, 1, True)


async def test_a_webhook_ends_the_silence(world: World, provider: ListProvider) -> None:
    at = NOW + timedelta(hours=1)
    await silent_after(world, provider, 3.5, changed(start=at, version=at, rescheduled_at=at))
    await world.database.write(lambda session: sources.touch_webhook(session, SOURCE, at=world.clock.now()))
    await world.sourcing.runs.poll_in_turn(SOURCE, world.plan())
    known = world.last_poll()
    assert known is not None
    assert known.silent_since is None


@pytest.mark.parametrize(
    ("hours", "members"),
    [
        (2.5, {"cancelled": True}),
        (3.5, {"attendees": [attendee("a1", no_show=True)]}),
        (3.5, {}),
    ],
    ids=["not long enough", "only a no-show, which has no webhook", "nothing changed"],
)
async def test_silence_alone_is_no_reason(
    world: World, provider: ListProvider, hours: float, members: dict[str, Any]
) -> None:
    await silent_after(world, provider, hours, changed(version=NOW + timedelta(hours=1), **members))
    known = world.last_poll()
    assert known is not None
    assert known.silent_since is None


async def test_a_provider_that_does_not_answer_hides_no_silence(
    world: World, provider: ListProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> tuple[Subscription, ...]:
        raise TransientError("503")

    monkeypatch.setattr(provider, "subscriptions", fails)
    at = NOW + timedelta(hours=1)
    await silent_after(world, provider, 3.5, changed(start=at, version=at, rescheduled_at=at))
    known = world.last_poll()
    assert known is not None
    assert (known.silent_changes, known.registered) == (1, None)


async def test_lost_webhooks_are_counted_and_late_ones_are_not(world: World, provider: ListProvider) -> None:
    await world.watched_before()
    told, lost, late, missed = booking("told"), booking("lost"), booking("late"), booking("missed")
    await world.settle(told, lost, late, missed)
    at = NOW + timedelta(hours=1)
    world.clock.advance(timedelta(hours=2))
    await world.settle(changed("told", version=at, cancelled=True))
    provider.show(
        changed("lost", version=at, start=at + timedelta(days=1), rescheduled_at=at),
        changed("late", version=at, start=at + timedelta(days=1), rescheduled_at=at),
        changed("missed", version=at, attendees=[attendee("a1", no_show=True)]),
    )
    await world.poll()
    rows = [
        receipt("r_1", "told", at + timedelta(seconds=1), shows=at),
        receipt("r_2", "late", world.clock.now() + timedelta(minutes=1), shows=at),
        receipt("r_3", "lost", at + timedelta(seconds=5), shows=booking().version),
    ]
    await world.database.write(lambda session: inbox.insert(session, rows))
    counts = await world.database.read(lambda session: first_seen.told(session, SOURCE, TELLS, since=NOW))
    assert (counts.expected, counts.lost) == (3, 1)
    await world.database.write(lambda session: polls.set_silence(session, SOURCE, since=None, changes=0))


async def counted(world: World, *rows: InboxRow) -> tuple[int, int]:
    """Facts webhooks should have told of and those they have not, once these receipts came."""
    await world.database.write(lambda session: inbox.insert(session, rows))
    told = await world.database.read(lambda session: first_seen.told(session, SOURCE, TELLS, since=NOW))
    return told.expected, told.lost


FIRST, SECOND = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
MOVED = {"version": FIRST, "start": FIRST + timedelta(days=1), "rescheduled_at": FIRST}
MOVED_AGAIN = {"version": SECOND, "start": SECOND + timedelta(days=1), "rescheduled_at": SECOND}


async def found_by_poll(world: World, provider: ListProvider, *views: dict[str, Any]) -> None:
    """A booking that was known is shown like this by one poll after the other."""
    await world.watched_before()
    await world.settle(booking())
    world.clock.advance(timedelta(hours=3))
    for members in views:
        provider.show(changed(**members))
        await world.poll()


async def test_a_receipt_of_the_next_change_does_not_tell_of_the_one_before(
    world: World, provider: ListProvider
) -> None:
    await found_by_poll(world, provider, MOVED)
    await world.settle(changed(**MOVED_AGAIN))
    assert await counted(world, receipt("r_1", "b1", SECOND + timedelta(seconds=1), shows=SECOND)) == (2, 1)


async def test_a_late_receipt_tells_of_its_own_change_however_late(
    world: World, provider: ListProvider
) -> None:
    await found_by_poll(world, provider, MOVED, MOVED_AGAIN)
    late = receipt("r_1", "b1", SECOND + timedelta(hours=1), shows=FIRST)
    assert await counted(world, late) == (2, 1)
    assert await counted(world, receipt("r_2", "b1", SECOND + timedelta(hours=2), shows=SECOND)) == (2, 0)


async def test_a_receipt_of_an_earlier_change_does_not_tell_of_a_move_seen_along_with_it(
    world: World, provider: ListProvider
) -> None:
    await found_by_poll(world, provider, MOVED_AGAIN)
    assert await counted(world, receipt("r_1", "b1", SECOND, shows=FIRST)) == (1, 1)


async def test_a_receipt_tells_of_those_whose_coming_and_going_it_shows(
    world: World, provider: ListProvider
) -> None:
    attending = [attendee("a2"), attendee("a3")]
    await found_by_poll(world, provider, {"version": SECOND, "attendees": attending})
    assert await counted(world) == (3, 3), "a1 left, a2 and a3 came"
    first, second = (receipt(f"r_{number}", "b1", SECOND, shows=FIRST) for number in (1, 2))
    first.attendee_ids, second.attendee_ids = ["a1", "a2"], ["a2"]
    assert await counted(world, first) == (3, 2)
    assert await counted(world, second) == (3, 1)


async def test_a_receipt_without_a_version_shows_the_booking_as_it_was_when_it_came(
    world: World, provider: ListProvider
) -> None:
    await found_by_poll(world, provider, MOVED)
    before, after = (receipt(f"r_{at:%H}", "b1", at) for at in (NOW, SECOND))
    before.version = after.version = None
    assert await counted(world, before) == (1, 1)
    assert await counted(world, after) == (1, 0)
