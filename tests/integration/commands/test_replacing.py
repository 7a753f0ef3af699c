"""A booking that is replaced by a new one stays one meeting, whoever comes first and whatever is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.provider import Booked, NewBooking
from hub.store import replacements
from hub.store.tables import ReplacementRow
from tests.contract.meetergo.stand_in import at
from tests.integration.commands.world import World

TO = "2026-10-29T09:00:00Z"
CHAIN = ["BookingContinues", "BookingRescheduled"]


class KilledError(BaseException):
    """The process is gone: nobody handles this."""


async def replaced(world: World, ref: str, **more: Any) -> dict[str, Any]:
    return await world.done(ref, "reschedule", to=TO, by_replacement=True, **more)


async def open_rows(world: World) -> list[ReplacementRow]:
    return list(await world.database.read(replacements.every))


async def facts(world: World) -> list[str]:
    """Without what only moves versions and details."""
    return [kind for kind in await world.facts() if kind != "BookingDetailsChanged"]


async def is_one_meeting(world: World, ref: str) -> None:
    """One booking with both halves, active, at the new time; the old half is cancelled at the provider."""
    await world.caught_up()
    (listed,) = (await world.client.get("/bookings")).json()["items"]
    assert (listed["booking_id"], listed["status"]) == (ref, "active")
    assert (listed["start"], listed["previous_start"]) == (TO, "2026-10-27T09:00:00Z")
    old, new = listed["provider_ids"]
    shown = world.meetergo.objects()
    assert (shown[old]["cancelled"], shown[new]["cancelled"]) == (True, False)
    assert len(shown) == 2
    assert await facts(world) == ["BookingCreated", "BookingReplacementRequested", *CHAIN]


async def crashing(world: World, step: str, *, after: bool) -> Callable[[], Awaitable[None]]:
    """The process dies before or after the provider has taken this request; gives the way back to life."""
    real = getattr(world.provider, step)

    async def die(*arguments: Any, **options: Any) -> Any:
        if after:
            await real(*arguments, **options)
        raise KilledError

    setattr(world.provider, step, die)

    async def revive() -> None:
        setattr(world.provider, step, real)
        await world.client.aclose()
        world.restart()

    return revive


async def test_the_two_halves_are_one_booking_and_their_webhooks_nothing_new(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    done = await replaced(world, ref, reason="Urlaub")
    assert done["facts"] == CHAIN
    assert (done["booking"]["start"], done["booking"]["last_reason"]) == (TO, "Urlaub")
    await is_one_meeting(world, ref)
    assert await open_rows(world) == []
    bodies = await world.webhooks()
    await world.receive([*bodies, *reversed(bodies)])
    await is_one_meeting(world, ref)


@pytest.mark.parametrize("first", ["the new one", "the old one"])
async def test_webhooks_that_come_before_the_answer(world: World, first: str) -> None:
    """The answer to the booking is held back until its webhook has been worked, in either order."""
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    real_book, real_cancel = world.provider.book, world.provider.cancel
    await world.webhooks()

    async def slow_book(booking: NewBooking, *, host: str | None) -> Booked:
        booked = await real_book(booking, host=host)
        if first == "the old one":
            await real_cancel(ref, host=host, reason=None)
        bodies = await world.webhooks()
        await world.receive(bodies if first == "the new one" else bodies[::-1])
        return booked

    world.provider.book = slow_book  # type: ignore[method-assign]
    done = await replaced(world, ref)
    assert done["booking"]["start"] == TO
    kinds = await facts(world)
    assert kinds.count("BookingCreated") == 1
    assert [kind for kind in kinds if kind in CHAIN] == CHAIN
    booking = await world.booking(ref)
    assert (booking["status"], booking["cancel"], len(booking["provider_ids"])) == ("active", None, 2)
    (listed,) = (await world.client.get("/bookings")).json()["items"]
    assert listed["booking_id"] == ref
    assert await open_rows(world) == []


@pytest.mark.parametrize("heard", [True, False], ids=["webhook comes", "webhook is lost"])
async def test_killed_between_the_two_requests(world: World, heard: bool) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    await world.webhooks()
    revive = await crashing(world, "book", after=True)
    with pytest.raises(KilledError):
        await replaced(world, ref)
    assert len(await open_rows(world)) == 1
    if heard:
        await world.receive(await world.webhooks())
        await world.caught_up()
        assert (await world.booking(ref))["start"] == TO
    await revive()
    await world.desk.take_up()
    await ended(world)
    await is_one_meeting(world, ref)
    assert world.meetergo.made().count("booking") == 1


async def test_killed_before_the_old_half_is_cancelled(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    revive = await crashing(world, "cancel", after=False)
    with pytest.raises(KilledError):
        await replaced(world, ref)
    booking = await world.booking(ref)
    assert (booking["start"], booking["status"]) == (TO, "active")
    await revive()
    assert await issues(world) == []
    world.clock.advance(timedelta(minutes=2))
    (issue,) = await issues(world)
    assert issue["what_to_do"].endswith(f"{ref} --by-replacement --to {at(29, 9).isoformat()}")
    again = await replaced(world, ref)
    assert again["booking"]["start"] == TO
    await is_one_meeting(world, ref)
    assert await issues(world) == []
    # Given once more it finds nothing to do, and makes no second one.
    assert (await replaced(world, ref))["effect"] == "nothing to do"
    assert world.meetergo.made().count("booking") == 1


async def issues(world: World) -> list[dict[str, Any]]:
    listed = (await world.client.get("/issues")).json()["items"]
    return [one for one in listed if one["code"] == "replacement_half_done"]


async def test_killed_before_anything_was_asked_for(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    revive = await crashing(world, "book", after=False)
    with pytest.raises(KilledError):
        await replaced(world, ref)
    await revive()
    # Nobody asks again by themselves, and not even a person at once: it may still be on its way.
    assert await world.refused(ref, "reschedule", to=TO, by_replacement=True) == (409, "in-progress")
    assert "booking" not in world.meetergo.made()
    world.clock.advance(timedelta(minutes=3))
    await replaced(world, ref)
    booking = await world.booking(ref)
    assert (booking["start"], len(booking["provider_ids"])) == (TO, 2)
    assert world.meetergo.made().count("booking") == 1
    assert (await world.facts()).count("BookingReplacementRequested") == 2


async def test_a_booking_whose_answer_was_lost_is_found_and_joined(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    world.meetergo.lose_next_reply()
    answer = await world.post(ref, "reschedule", to=TO, by_replacement=True)
    assert (answer.status_code, answer.json()["code"]) == (504, "outcome-unknown")
    settled = await world.operation(answer.json()["operation_id"])
    assert (settled.state, settled.detail["happened"]) == ("done", True)
    await is_one_meeting(world, ref)
    assert world.meetergo.made().count("booking") == 1


async def test_a_booking_that_was_certainly_not_made_leaves_nothing_behind(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    world.meetergo.fail_next("503")
    answer = await world.post(ref, "reschedule", to=TO, by_replacement=True)
    assert answer.status_code == 504
    settled = await world.operation(answer.json()["operation_id"])
    assert (settled.state, settled.detail["happened"]) == ("failed", False)
    assert await open_rows(world) == []
    await replaced(world, ref)
    assert (await world.booking(ref))["start"] == TO


async def test_a_taken_time_changes_nothing(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    world.meetergo.book(at(29, 9), who="Jon")
    assert await world.refused(ref, "reschedule", to=TO, by_replacement=True) == (409, "slot-taken")
    assert await open_rows(world) == []
    booking = await world.booking(ref)
    assert (booking["start"], booking["status"]) == ("2026-10-27T09:00:00Z", "active")
    assert not world.meetergo.objects()[ref]["cancelled"]


async def test_groups_are_not_replaced(world: World) -> None:
    booked = world.meetergo.book(at(28, 10), kind="sprechstunde-gruppe")
    ref = await world.known(booked["id"])
    assert await world.refused(ref, "reschedule", to=TO, by_replacement=True) == (501, "not-supported")
    assert world.meetergo.calls() == 0


async def test_another_person_at_that_time_is_another_booking(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    await world.webhooks()
    revive = await crashing(world, "book", after=False)
    with pytest.raises(KilledError):
        await replaced(world, ref)
    other = world.meetergo.book(datetime.fromisoformat(TO), who="Jon")
    await world.receive(await world.webhooks())
    assert (await world.booking(other["id"]))["provider_ids"] == [other["id"]]
    await revive()


async def test_only_one_replacement_at_a_time(world: World) -> None:
    ref = await world.known(world.meetergo.book(at(27, 9))["id"])
    await crashing(world, "book", after=True)
    with pytest.raises(KilledError):
        await replaced(world, ref)
    other = {"to": "2026-10-30 10:00", "by_replacement": True}
    answer = await world.post(ref, "reschedule", **other)
    assert (answer.status_code, answer.json()["code"]) == (409, "in-progress")
    assert answer.json()["next"].endswith(f"--by-replacement --to {at(29, 9).isoformat()}")


async def ended(world: World) -> None:
    """Every operation has ended."""
    async with asyncio.timeout(60):
        while True:
            listed = (await world.client.get("/operations", params={"state": "running"})).json()
            if not listed["items"]:
                return
            await asyncio.sleep(0.02)
