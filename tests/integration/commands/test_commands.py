"""Commands on one booking: what the provider is told, what the hub knows at once, and what is refused."""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from adapters.api import AdapterContext, Reactor, Receipt
from adapters.errors import TransientError
from adapters.http import HttpClient
from adapters.letters import LetterWriter
from adapters.meetergo.provider import MeetergoProvider
from adapters.notify.config import NotifyConfig
from adapters.provider import Window
from events import Envelope
from hub.store.tables import IdempotencyRow
from tests.contract.meetergo.stand_in import MARA, MONDAY, at
from tests.integration.commands.world import World
from tests.waiting import until


async def ilse(world: World, **more: Any) -> str:
    """A booking that the hub knows."""
    return await world.known(world.meetergo.book(at(27, 9), **more)["id"])


async def group(world: World, *names: str) -> tuple[str, list[str]]:
    """A group booking with these attendees."""
    for name in names:
        booked = world.meetergo.book(at(28, 10), kind="sprechstunde-gruppe", who=name)
    return await world.known(booked["id"]), booked["attendees"]


async def test_a_move_is_seen_at_once_and_its_webhook_is_nothing_new(world: World) -> None:
    ref = await ilse(world)
    done = await world.done(ref, "reschedule", to="2026-10-28 10:00", reason="Zug verpasst")
    assert done["facts"] == ["BookingRescheduled"]
    assert done["booking"]["start"] == "2026-10-28T09:00:00Z"
    assert done["booking"]["last_reason"] == "Zug verpasst"
    assert (await world.booking(ref))["start"] == "2026-10-28T09:00:00Z"
    moved = (await world.events())[-1]
    assert (moved.provenance, moved.causation_id) == ("command", done["command_id"])
    before = len(await world.events())
    await world.receive(await world.webhooks())
    assert [kind for kind in await world.facts(after=before) if kind != "BookingDetailsChanged"] == []


async def test_a_dry_run_tells_nobody_and_says_whom_the_provider_writes_to(world: World) -> None:
    ref = await ilse(world)
    shown = await world.done(ref, "cancel", dry_run=True)
    assert (shown["dry_run"], shown["effect"]) == (True, "is cancelled")
    assert shown["mails"] == ["ilse@kunde.example"]
    assert "cancel" not in world.meetergo.made()
    assert (await world.booking(ref))["status"] == "active"


async def test_what_was_shown_is_what_runs(world: World) -> None:
    ref = await ilse(world)
    shown = await world.done(ref, "cancel", dry_run=True)
    await world.done(ref, "note", text="ruft vorher an")
    assert await world.refused(ref, "cancel", preview=shown["preview"]) == (409, "preview-outdated")
    shown = await world.done(ref, "cancel", dry_run=True)
    assert (await world.done(ref, "cancel", preview=shown["preview"]))["facts"] == ["BookingCancelled"]


async def test_if_match_is_honoured(world: World) -> None:
    ref = await ilse(world)
    current = await world.client.get(f"/bookings/{ref}")
    stale = await world.client.post(f"/bookings/{ref}/cancel", json={}, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    headers = {"If-Match": current.headers["etag"]}
    assert (await world.client.post(f"/bookings/{ref}/cancel", json={}, headers=headers)).status_code == 200


async def test_a_request_that_is_repeated_with_its_key_acts_once(world: World) -> None:
    ref = await ilse(world)
    for _ in range(2):
        answer = await world.client.post(
            f"/bookings/{ref}/add-guest",
            json={"emails": ["gast@kunde.example"]},
            headers={"Idempotency-Key": "k-1"},
        )
        assert answer.status_code == 200
    assert world.meetergo.made().count("guest.add") == 1


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("reschedule", {"to": "2026-10-29 10:00"}),
        ("cancel", {}),
        ("add-guest", {"emails": ["gast@kunde.example"]}),
        ("no-show", {}),
    ],
    ids=["reschedule", "cancel", "add-guest", "no-show"],
)
async def test_a_cancelled_booking_stays_cancelled(world: World, verb: str, body: dict[str, Any]) -> None:
    ref = await ilse(world)
    await world.done(ref, "cancel", reason="krank")
    world.meetergo.forget_calls()
    assert await world.refused(ref, verb, **body) == (409, "already-cancelled")
    assert world.meetergo.calls() == 0


async def test_a_refusal_is_explained_by_what_the_booking_turns_out_to_be(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.cancel(ref)
    assert await world.refused(ref, "reschedule", to="2026-10-29 10:00") == (409, "already-cancelled")
    assert (await world.booking(ref))["status"] == "cancelled"


async def test_a_taken_time_is_a_word_of_its_own(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.book(at(28, 9), who="Jon")
    answer = await world.post(ref, "reschedule", to="2026-10-28T09:00:00Z")
    assert (answer.status_code, answer.json()["code"]) == (409, "slot-taken")
    assert "availability" in answer.json()["next"]
    forced = await world.done(ref, "reschedule", to="2026-10-28T09:00:00Z", ignore_availability=True)
    assert forced["facts"] == ["BookingRescheduled"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("401", (502, "provider-refused")), ("403", (502, "provider-refused"))],
)
async def test_failures_of_the_provider_are_told_apart(
    world: World, reason: str, expected: tuple[int, str]
) -> None:
    ref = await ilse(world)
    world.meetergo.fail_next(reason)
    assert await world.refused(ref, "note", text="x") == expected


async def test_nothing_is_asked_where_nothing_is_to_be_done(world: World) -> None:
    ref = await ilse(world)
    done = await world.done(ref, "reschedule", to="2026-10-27T09:00:00Z")
    assert (done["effect"], done["facts"], world.meetergo.calls()) == ("nothing to do", [], 0)


async def test_a_group_is_cancelled_for_somebody_or_for_all_and_never_by_accident(world: World) -> None:
    ref, (ilse_id, jon_id) = await group(world, "Ilse", "Jon")
    assert await world.refused(ref, "cancel") == (422, "group-needs-scope")
    assert world.meetergo.calls() == 0
    left = await world.done(ref, "cancel", attendee="jon")
    assert left["facts"] == ["AttendeeRemoved"]
    assert left["mails"] == ["jon@kunde.example"]
    assert await world.refused(ref, "cancel", attendee=jon_id) == (409, "already-cancelled")
    gone = await world.done(ref, "cancel", all=True, reason="Raum gesperrt")
    assert gone["facts"] == ["BookingCancelled"]
    booking = await world.booking(ref)
    assert [one["attendee_id"] for one in booking["attendees"] if not one["removed"]] == [ilse_id]


async def test_a_group_that_webhooks_do_not_tell_of_is_looked_at_first(world: World) -> None:
    booked = world.meetergo.book(at(28, 10), kind="sprechstunde-gruppe")
    await world.receive(await world.webhooks())
    assert (await world.booking(booked["id"]))["group"] is None
    world.meetergo.forget_calls()
    assert await world.refused(booked["id"], "cancel") == (422, "group-needs-scope")
    assert world.meetergo.made() == ["appointment"]


async def test_a_no_show_is_marked_once_and_taken_back_by_a_person(world: World) -> None:
    ref, (ilse_id, _) = await group(world, "Ilse", "Jon")
    marked = await world.done(ref, "no-show", attendee="ilse@kunde.example")
    assert marked["facts"] == ["AttendeeNoShow"]
    assert (await world.booking(ref))["no_show"] == "some"
    taken_back = await world.done(ref, "no-show", attendee=ilse_id, undo=True)
    assert taken_back["facts"] == ["AttendeeNoShowReverted"]
    before = len(await world.events())
    # The provider has no call that takes it back and goes on showing its mark.
    looked = await world.lookup.look("meetergo", ref)
    assert (looked.facts, len(await world.events())) == ((), before)
    assert (await world.booking(ref))["no_show"] == "none"
    again = await world.done(ref, "no-show", attendee=ilse_id)
    assert again["facts"] == ["AttendeeNoShow"]


async def test_only_a_change_of_the_providers_mark_counts_again(world: World) -> None:
    ref = await ilse(world)
    attendee = world.meetergo.objects()[ref]["attendees"]
    (attendee_id,) = attendee
    await world.done(ref, "no-show")
    await world.done(ref, "no-show", undo=True)
    world.meetergo.ask("POST", "/_no_show", attendee=attendee_id, missed=False)
    assert (await world.lookup.look("meetergo", ref)).facts == ("AttendeeDetailsChanged",)
    world.meetergo.ask("POST", "/_no_show", attendee=attendee_id, missed=True)
    assert (await world.lookup.look("meetergo", ref)).facts == ("AttendeeNoShow",)


async def test_a_mark_that_the_provider_never_shows_is_recorded_as_it_was_made(world: World) -> None:
    world.meetergo.switch(no_show_member=None)
    ref = await ilse(world)
    assert (await world.done(ref, "no-show"))["facts"] == ["AttendeeNoShow"]
    assert (await world.booking(ref))["no_show"] == "all"
    world.meetergo.switch(no_show_member="noShow")
    assert (await world.lookup.look("meetergo", ref)).facts == ("AttendeeDetailsChanged",)
    assert (await world.booking(ref))["no_show"] == "all"


async def test_notes_and_guests(world: World) -> None:
    ref = await ilse(world)
    await world.done(ref, "note", text="kommt mit Hund")
    await world.done(ref, "note", text="Rampe freihalten", append=True)
    assert (await world.booking(ref))["notes"] == "kommt mit Hund\nRampe freihalten"
    mails = ["a@kunde.example", "b@kunde.example"]
    added = await world.done(ref, "add-guest", emails=mails)
    assert [one["outcome"] for one in added["results"]] == ["done", "done"]
    assert [guest["email"] for guest in (await world.booking(ref))["guests"]] == mails
    await world.done(ref, "remove-guest", email="A@kunde.example")
    assert [guest["email"] for guest in (await world.booking(ref))["guests"]] == mails[1:]
    assert (await world.done(ref, "remove-guest", email="a@kunde.example"))["effect"] == "nothing to do"
    await world.done(ref, "remove-guest", email="b@kunde.example")
    assert (await world.done(ref, "remove-guest", email="b@kunde.example"))["effect"] == "nothing to do"
    assert world.meetergo.made().count("guest.remove") == 2


async def test_a_guest_goes_also_where_the_provider_shows_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = MeetergoProvider._read
    monkeypatch.setattr(MeetergoProvider, "_read", lambda provider, row: read(provider, _without_guests(row)))
    ref = await ilse(world)
    await world.done(ref, "add-guest", emails=["a@kunde.example"])
    removed = await world.done(ref, "remove-guest", email="a@kunde.example")
    assert removed["effect"] == "a@kunde.example does not come along any more"
    assert world.meetergo.made().count("guest.remove") == 1
    assert await world.refused(ref, "remove-guest", email="a@kunde.example") == (404, "not-found")


def _without_guests(row: Mapping[str, Any]) -> Mapping[str, Any]:
    attendees = [
        {name: value for name, value in attendee.items() if name != "bringalongEmails"}
        for attendee in row["attendees"]
    ]
    return {**row, "attendees": attendees}


async def test_of_several_requests_those_that_failed_are_named(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.fail_next("403")
    added = await world.done(ref, "add-guest", emails=["a@kunde.example", "b@kunde.example"])
    assert [one["outcome"] for one in added["results"]] == ["provider-refused", "done"]
    assert [guest["email"] for guest in (await world.booking(ref))["guests"]] == ["b@kunde.example"]


async def test_a_booking_is_made_again_as_one_of_its_own(world: World) -> None:
    ref = await ilse(world)
    await world.done(ref, "cancel", reason="krank")
    made = await world.done(ref, "rebook", start="2026-11-02 09:00")
    new = made["booking"]
    assert made["facts"] == ["BookingCreated"]
    assert (new["booking_id"] != ref, new["start"]) == (True, "2026-11-02T08:00:00Z")
    assert [one["email"] for one in new["attendees"]] == ["ilse@kunde.example"]
    assert (await world.booking(ref))["status"] == "cancelled"


async def test_a_later_part_of_a_series_goes_with_it(world: World) -> None:
    booked = world.meetergo.book(at(27, 9), series={"count": 3})
    for one in booked["series"]:
        await world.known(one)
    done = await world.done(booked["series"][1], "cancel", series=True)
    assert done["others"] == booked["series"][2:]
    states = [(await world.booking(one))["status"] for one in booked["series"]]
    assert states == ["active", "cancelled", "cancelled"]


async def test_free_times_do_not_count_the_bookings_own(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.book(at(27, 12), who="Jon")
    answer = await world.client.get(
        f"/bookings/{ref}/availability", params={"from": "2026-10-27", "to": "2026-10-27"}
    )
    starts = [slot["start"] for slot in answer.json()["items"]]
    assert "2026-10-27T09:00:00Z" in starts
    assert "2026-10-27T12:00:00Z" not in starts
    asked = [call for call in world.meetergo.called() if call["call"] == "availability"]
    assert len(asked) == 1


async def test_live_shows_what_differs_and_adds_nothing(world: World) -> None:
    ref = await ilse(world)
    same = (await world.client.get(f"/bookings/{ref}/live")).json()
    assert (same["missing"], same["differences"]) == (False, [])
    world.meetergo.move(ref, at(29, 9))
    before = len(await world.events())
    moved = (await world.client.get(f"/bookings/{ref}/live")).json()
    names = {one["name"]: (one["hub"], one["provider"]) for one in moved["differences"]}
    assert names["start"] == ("2026-10-27T09:00:00Z", "2026-10-29T09:00:00Z")
    assert len(await world.events()) == before


async def test_the_link_is_computed_for_the_attendee_that_is_meant(world: World) -> None:
    ref, (_, jon_id) = await group(world, "Ilse", "Jon")
    shown = (await world.client.get(f"/bookings/{ref}/link", params={"attendee": "jon"})).json()
    assert (shown["attendee_id"], shown["email"]) == (jon_id, "jon@kunde.example")
    assert f"reschedule={ref}" in shown["link"]
    assert "email=jon%40kunde.example" in shown["link"]
    unclear = await world.client.get(f"/bookings/{ref}/link")
    assert (unclear.status_code, unclear.json()["code"]) == (422, "invalid")


async def test_a_link_of_what_only_a_webhook_told_asks_for_the_company(world: World) -> None:
    booked = world.meetergo.book(at(27, 9))
    await world.receive(await world.webhooks())
    ref = booked["id"]
    state = await world.state(ref)
    assert state is not None
    assert state.company_slug is None
    before = len(await world.events())
    for _ in range(2):
        shown = (await world.client.get(f"/bookings/{ref}/link")).json()
        assert shown["link"].startswith("https://cal.meetergo.com/studio/")
    assert len(await world.events()) == before
    assert [call["call"] for call in world.meetergo.called()].count("appointment") == 2


async def test_a_command_that_ended_with_the_hub_is_not_carried_out_again(world: World) -> None:
    ref = await ilse(world)
    await world.done(ref, "cancel")
    body, headers = {"start": "2026-11-02 09:00", "ignore_availability": True}, {"Idempotency-Key": "once"}

    def given() -> Coroutine[Any, Any, httpx.Response]:
        return world.client.post(f"/bookings/{ref}/rebook", json=body, headers=headers)

    def booked() -> int:
        return world.meetergo.made().count("booking")

    world.meetergo.forget_calls()
    world.meetergo.fault(kind="delay", on="booking", seconds=2)
    under_way = asyncio.create_task(given())
    await until(lambda: booked() == 1)
    under_way.cancel()
    await asyncio.wait({under_way})
    for _ in range(2):
        again = await given()
        assert (again.status_code, again.json()["code"]) == (504, "outcome-unknown")
        assert again.json()["next"] == f"bookinghub bookings show {ref} --live"
        world.clock.advance(timedelta(minutes=6))
    assert booked() == 1


async def test_a_key_of_a_process_that_was_killed_says_that_nobody_knows(world: World) -> None:
    ref = await ilse(world)
    headers = {"Idempotency-Key": "once"}
    await world.client.post(f"/bookings/{ref}/note", json={"text": "ruft an"}, headers=headers)
    await world.database.write(lambda session: session.execute(update(IdempotencyRow).values(status=None)))
    world.meetergo.forget_calls()
    for minutes, code in ((4, "in-progress"), (6, "outcome-unknown"), (0, "outcome-unknown")):
        world.clock.advance(timedelta(minutes=minutes))
        again = await world.client.post(f"/bookings/{ref}/note", json={"text": "ruft an"}, headers=headers)
        assert again.json()["code"] == code
    assert world.meetergo.made() == []


class Post(Reactor[NotifyConfig], LetterWriter):
    """A sink with a mail account: keeps what it was given to write."""

    name = "post"
    config_class = NotifyConfig
    handles = ()

    def __init__(self, *, able: bool = True, fails: bool = False) -> None:
        context = AdapterContext(
            instance="post", installation_id="i", clock=lambda: MONDAY, http=HttpClient()
        )
        super().__init__(NotifyConfig.model_validate({"to": ["json://127.0.0.1/x"]}), context)
        self.able, self.fails = able, fails
        self.letters: list[tuple[str, str]] = []

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        raise NotImplementedError

    def can_write(self) -> bool:
        return self.able

    async def write(self, address: str, *, title: str, body: str) -> None:
        self.letters.append((address, body))
        if self.fails:
            raise TransientError("the service behind mailto:// did not take the message")


async def test_a_sink_with_a_mail_account_writes_the_link_to_its_attendee(world: World) -> None:
    ref = await ilse(world)
    nobody = await world.post(ref, "link")
    assert (nobody.status_code, nobody.json()["code"]) == (501, "not-supported")
    post = Post()
    world.serve_with(adapter=lambda _: as_made(post))
    shown = await world.done(ref, "link", dry_run=True)
    assert (shown["email"], shown["sent_by"], post.letters) == ("ilse@kunde.example", "team-calendar", [])
    sent = await world.done(ref, "link")
    ((to, body),) = post.letters
    assert (to, sent["link"] in body) == ("ilse@kunde.example", True)
    world.serve_with(adapter=lambda _: as_made(Post(fails=True)))
    assert await world.refused(ref, "link") == (503, "target-unreachable")
    world.serve_with(adapter=lambda _: as_made(Post(able=False)))
    assert await world.refused(ref, "link") == (501, "not-supported")


async def as_made(post: Post) -> Post:
    return post


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("reschedule", {}, "/to"),
        ("reschedule", {"to": "morgen"}, "/to"),
        ("reschedule", {"to": "2027-03-28 02:30"}, "/to"),
        ("rebook", {"start": "2026-10-25 02:30"}, "/start"),
        ("cancel", {"colour": "x"}, "/colour"),
        ("cancel", {"refund": "much"}, "/refund"),
        ("cancel", {"reason": "x" * 501}, "/reason"),
        ("cancel", {"attendee": "nobody"}, "/attendee"),
        ("note", {}, "/text"),
        ("note", {"text": "half a character \ud800"}, "/text"),
        ("add-guest", {"emails": ["x"]}, "/emails/0"),
        ("add-guest", {"emails": ["g@kunde.example", "half\ud800@kunde.example"]}, "/emails/1"),
        ("add-guest", {"emails": ["g@kunde.example\nBcc: x@kunde.example"]}, "/emails/0"),
        ("add-guest", {"emails": []}, "/emails"),
        ("remove-guest", {}, "/email"),
        ("rebook", {}, "/start"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(
    world: World, verb: str, body: dict[str, Any], pointer: str
) -> None:
    ref = await ilse(world)
    answer = await world.post(ref, verb, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert world.meetergo.calls() == 0


async def test_a_move_that_timed_out_and_did_happen_is_settled_and_not_repeated(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.lose_next_reply()
    body, headers = {"to": "2026-10-28 10:00"}, {"Idempotency-Key": "once"}
    answer = await world.client.post(f"/bookings/{ref}/reschedule", json=body, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (504, "outcome-unknown")
    assert problem["next"] == f"bookinghub operations show {problem['operation_id']}"
    settled = await world.operation(problem["operation_id"])
    assert (settled.state, settled.detail["happened"]) == ("done", True)
    assert (await world.booking(ref))["start"] == "2026-10-28T09:00:00Z"
    again = await world.client.post(f"/bookings/{ref}/reschedule", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (504, "outcome-unknown")
    assert world.meetergo.made().count("reschedule") == 1
    assert (await world.facts()).count("BookingRescheduled") == 1


async def test_a_move_that_timed_out_and_did_not_happen_is_said_so(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.fail_next("503")
    answer = await world.post(ref, "reschedule", to="2026-10-28 10:00")
    assert (answer.status_code, answer.json()["code"]) == (504, "outcome-unknown")
    settled = await world.operation(answer.json()["operation_id"])
    assert (settled.state, settled.detail["happened"]) == ("failed", False)
    assert (await world.booking(ref))["start"] == "2026-10-27T09:00:00Z"


async def test_a_copy_that_lags_does_not_hide_our_own_change_for_long(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.switch(lag_seconds=60)
    done = await world.done(ref, "reschedule", to="2026-10-28 10:00")
    assert (done["confirmed"], done["facts"]) == (False, [])
    world.meetergo.advance(120)
    settled = await world.operation(done["operation_id"])
    assert (settled.state, settled.detail) == (
        "done",
        settled.detail | {"accepted": True, "happened": True},
    )
    assert (await world.booking(ref))["start"] == "2026-10-28T09:00:00Z"


async def test_a_booking_whose_answer_was_lost_is_found_and_not_made_twice(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.fault(kind="lost_reply", on="booking")
    answer = await world.post(ref, "rebook", start="2026-11-02 09:00")
    assert (answer.status_code, answer.json()["code"]) == (504, "outcome-unknown")
    settled = await world.operation(answer.json()["operation_id"])
    assert (settled.state, settled.detail["happened"]) == ("done", True)
    await world.caught_up()
    starts = [one["start"] for one in (await world.client.get("/bookings")).json()["items"]]
    assert sorted(starts) == ["2026-10-27T09:00:00Z", "2026-11-02T08:00:00Z"]
    assert world.meetergo.made().count("booking") == 1


async def test_a_booking_that_waits_for_somebodys_word_is_said_so(world: World) -> None:
    ref = await world.known(await confirmed(world))
    made = await world.done(ref, "rebook", start="2026-11-02 09:00")
    assert (made["booking"], made["confirmed"]) == (None, False)
    assert made["results"][0]["outcome"] == "waits"
    to = {"to": "2026-11-03 09:00", "by_replacement": True}
    assert await world.refused(ref, "reschedule", **to) == (502, "provider-refused")
    assert not world.meetergo.objects()[ref]["cancelled"]


async def confirmed(world: World) -> str:
    """A booking of the kind that waits for a word, which was given."""
    waiting = world.meetergo.book(at(27, 9), kind="mit-bestaetigung")["provisional"]
    made: dict[str, Any] = world.meetergo.ask("POST", "/_confirm", id=waiting)
    return str(made["id"])


async def test_a_page_read_before_our_own_mark_does_not_undo_it(world: World) -> None:
    ref = await ilse(world)
    before = await world.lookup.position()
    window = Window(at(27, 0), at(28, 0), host=MARA)
    (page,) = [readings async for readings in world.provider.listed(window)]
    await world.done(ref, "no-show")
    for reading in page:
        await world.lookup.seen("meetergo", reading, before=before, provenance="poll")
    kinds = await world.facts()
    assert (kinds.count("AttendeeNoShow"), kinds.count("AttendeeNoShowReverted")) == (1, 0)
    assert (await world.booking(ref))["no_show"] == "all"


async def test_a_provider_that_does_not_answer_questions(world: World) -> None:
    ref = await ilse(world)
    world.meetergo.fault(kind="status", status=503, on="availability", times=None)
    asked = {"from": "2026-10-27", "to": "2026-10-28"}
    answer = await world.client.get(f"/bookings/{ref}/availability", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider-unreachable")


async def test_commands_are_counted_by_what_became_of_them(world: World) -> None:
    ref = await ilse(world)
    await world.done(ref, "cancel")
    await world.refused(ref, "cancel")
    counted = world.services.metrics
    assert counted is not None
    samples = {
        tuple(sample.labels.values()): sample.value
        for metric in counted.commands.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert samples["cancel", "done"] == 1
    assert samples["rebook", "unknown"] == 0


async def test_without_credentials_nothing_can_be_told(world: World) -> None:
    ref = await ilse(world)
    world.desk.execution._providers = {}  # type: ignore[assignment]
    assert await world.refused(ref, "cancel") == (501, "not-supported")
