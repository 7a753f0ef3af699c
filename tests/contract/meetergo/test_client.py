"""Every call of the client, over HTTP, on a meetergo that behaves."""

from datetime import timedelta

import pytest

from adapters.errors import AuthError, TransientError
from adapters.meetergo.client import LONGEST_REASON
from adapters.meetergo.listing import Listing
from adapters.meetergo.simulated.company import FIRST_TALK, OPEN_HOUR, PERSONAL_TOKEN
from adapters.provider import FreeTimes, NewBooking, Person, Priority, Scope
from tests.contract.meetergo.acting import ILSE, UNKNOWN, refusal, scanned, talk
from tests.contract.meetergo.stand_in import BOOKING_EVENTS, DENIZ, MARA, StandIn, at, client_of, shown_by_row

# Who calls


async def test_both_kinds_of_key_say_whom_they_act_for(meetergo: StandIn) -> None:
    async with client_of(meetergo, user=DENIZ) as platform:
        user = await platform.account()
        assert (user.user_id, user.name, user.email) == (DENIZ, "Deniz Aksoy", "deniz.aksoy@studio.example")
    async with client_of(meetergo, key=PERSONAL_TOKEN, user=DENIZ) as personal:
        assert (await personal.account()).user_id == MARA
    assert [call["user"] for call in meetergo.called()] == [DENIZ, None]


async def test_a_configured_user_goes_before_the_bookings_host(meetergo: StandIn) -> None:
    async with client_of(meetergo, user=DENIZ, user_id=MARA) as client:
        assert (await client.account()).user_id == MARA


async def test_a_platform_key_without_a_user_is_told_what_is_missing(meetergo: StandIn) -> None:
    async with client_of(meetergo, user=None) as client:
        assert (await refusal(client.account())).code == "needs-user"
        free = FreeTimes(FIRST_TALK, at(27, 0), at(28, 0), host_ids=[MARA])
        assert (await client.availability(free)).slots


async def test_a_key_that_is_over_or_wrong_is_no_fault_of_the_request(meetergo: StandIn) -> None:
    soon = "2026-10-19T06:00:30Z"
    meetergo.ask("POST", "/_keys", token="rgo-ends-soon", owner=MARA, expires_at=soon)
    async with client_of(meetergo, key="rgo-ends-soon") as client:
        await client.account()
        meetergo.advance(60)
        with pytest.raises(AuthError, match="401"):
            await client.account()
    async with client_of(meetergo, key="rgo-nobodys") as client:
        with pytest.raises(AuthError, match="401"):
            await client.cancel(UNKNOWN)
    assert meetergo.calls() == 3


# Reading


async def test_an_appointment_is_read_without_its_secret(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    async with client_of(meetergo) as client:
        row = await client.appointment(booked["id"])
    assert row is not None
    assert "secret" not in row
    assert "ics" not in row
    snapshot = shown_by_row(row)
    assert (snapshot.provider_id, snapshot.start, snapshot.title) == (booked["id"], at(27, 9), "Erstgespräch")
    assert (snapshot.company_slug, snapshot.meeting_type_slug) == ("studio", "erstgespraech")


async def test_what_is_not_there_or_not_ours_to_see_is_none(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    async with client_of(meetergo, user=DENIZ) as client:
        assert await client.appointment(UNKNOWN) is None
        assert await client.appointment(booked["id"]) is None


async def test_an_id_that_is_none_is_asked_for_once_or_not_at_all(meetergo: StandIn) -> None:
    async with client_of(meetergo) as client:
        with pytest.raises(TransientError, match="500"):
            await client.appointment("no-uuid")
        with pytest.raises(TransientError, match="500"):
            await client.appointment("a/../b?c")
        assert (await refusal(client.appointment("paginated"))).code == "provider-refused"
        assert meetergo.calls() == 3
        for dots in ("", ".", ".."):
            assert (await refusal(client.appointment(dots))).code == "not-found"
            assert (await refusal(client.cancel(dots))).code == "not-found"
    assert meetergo.calls() == 3
    assert meetergo.called()[1]["id"] == "a/../b?c"


async def test_a_list_is_read_from_page_0_to_its_end(meetergo: StandIn) -> None:
    booked = {meetergo.book(at(27, 6) + timedelta(minutes=n))["id"] for n in range(230)}
    async with client_of(meetergo) as client:
        rows, complete = await scanned(client, Listing(start=at(27, 0), end=at(29, 0)))
    assert ({row["id"] for row in rows}, len(rows), complete) == (booked, 230, True)
    assert [call["page"] for call in meetergo.called()] == ["0", "1", "2"]
    assert not any("secret" in row for row in rows)


async def test_lists_are_windows_by_start_in_either_order(meetergo: StandIn) -> None:
    ids = []
    for day in (29, 26, 27, 28):
        meetergo.advance(1)
        ids.append(meetergo.book(at(day, 9))["id"])
    async with client_of(meetergo) as client:
        window = Listing(start=at(26, 12), end=at(28, 12))
        assert [row["id"] for row in (await scanned(client, window))[0]] == [ids[2], ids[3]]
        newest = Listing(order="created", descending=True, size=3)
        assert [row["id"] for row in (await client.page(newest, 0)).rows] == [ids[3], ids[2], ids[1]]


async def test_lists_are_of_the_acting_user_unless_an_admin_names_another(meetergo: StandIn) -> None:
    of_mara = meetergo.book(at(27, 9))["id"]
    of_deniz = meetergo.book(at(27, 9), kind="sprechstunde-gruppe")["id"]
    async with client_of(meetergo) as client:
        assert [row["id"] for row in (await scanned(client, Listing()))[0]] == [of_mara]
        assert [row["id"] for row in (await scanned(client, Listing(host=DENIZ)))[0]] == [of_deniz]
        deniz = client.acting(Priority.POLL, user=DENIZ)
        assert [row["id"] for row in (await scanned(deniz, Listing()))[0]] == [of_deniz]
        assert (await refusal(deniz.page(Listing(host=MARA), 0))).code == "forbidden"


async def test_a_size_beyond_the_limit_names_what_is_wrong(meetergo: StandIn) -> None:
    async with client_of(meetergo) as client:
        error = await refusal(client.page(Listing(size=101), -1))
    assert str(error).endswith("about page, pageSize")


async def test_free_times_leave_out_what_is_taken_and_not_what_is_moved(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    asked = FreeTimes(FIRST_TALK, at(27, 0), at(28, 0), host_ids=[MARA])
    moving = FreeTimes(FIRST_TALK, at(27, 0), at(28, 0), host_ids=[MARA], moving=booked["id"])
    async with client_of(meetergo) as client:
        free = [slot.start for slot in (await client.availability(asked)).slots]
        for_moving = [slot.start for slot in (await client.availability(moving)).slots]
    assert at(27, 9) not in free
    assert at(27, 10) in free
    assert set(for_moving) - set(free) == {at(27, 8, 30), at(27, 9), at(27, 9, 30)}


async def test_free_times_of_a_group_name_the_appointment_to_join(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9), kind="sprechstunde-gruppe")
    asked = FreeTimes(OPEN_HOUR, at(27, 0), at(28, 0), host_ids=[DENIZ], timezone="Europe/London")
    async with client_of(meetergo) as client:
        found = await client.availability(asked)
        nobody = FreeTimes(OPEN_HOUR, at(27, 0), at(28, 0))
        assert (await refusal(client.availability(nobody))).code == "provider-refused"
    (slot,) = [slot for slot in found.slots if slot.appointment_id]
    assert (slot.appointment_id, slot.start, slot.places) == (booked["id"], at(27, 9), 5)
    assert found.timezone == "Europe/London"


# Writing


async def test_a_booking_is_made_and_its_time_is_taken(meetergo: StandIn) -> None:
    async with client_of(meetergo) as client:
        booked = await client.book(talk())
        row = await client.appointment(booked.provider_id or "")
        assert (await refusal(client.book(talk()))).code == "slot-taken"
        assert (await client.book(talk(ignore_availability=True))).provider_id != booked.provider_id
    assert row is not None
    (attendee,) = shown_by_row(row).attendees
    assert (attendee.name, attendee.email, attendee.phone) == (ILSE.name, ILSE.email, ILSE.phone)


@pytest.mark.parametrize(
    ("kind", "host", "waits_for"),
    [
        ("51a2b3c4-d5e6-4f70-8192-a3b4c5d6e7f8", MARA, "double-opt-in"),
        ("62b3c4d5-e6f7-4081-92a3-b4c5d6e7f809", DENIZ, "host-confirmation"),
    ],
)
async def test_a_booking_that_needs_a_word_is_none_yet(
    meetergo: StandIn, kind: str, host: str, waits_for: str
) -> None:
    booking = NewBooking(kind, at(27, 9), ILSE, host_ids=[host])
    async with client_of(meetergo, user=host) as client:
        booked = await client.book(booking)
        assert (booked.provider_id, booked.waits_for) == (None, waits_for)
        assert (await scanned(client, Listing()))[0] == []
        confirmed = meetergo.ask("POST", "/_confirm", id=booked.provisional_id)
        assert [row["id"] for row in (await scanned(client, Listing()))[0]] == [confirmed["id"]]


async def test_a_group_is_joined_until_it_is_full(meetergo: StandIn) -> None:
    async with client_of(meetergo, user=DENIZ) as client:
        ids = set()
        for n in range(6):
            person = Person(f"Guest {n}", f"guest{n}@kunde.example")
            ids.add(
                (await client.book(NewBooking(OPEN_HOUR, at(27, 9), person, host_ids=[DENIZ]))).provider_id
            )
        assert len(ids) == 1
        full = NewBooking(OPEN_HOUR, at(27, 9), ILSE, host_ids=[DENIZ])
        assert (await refusal(client.book(full))).code == "slot-taken"


async def test_a_queue_gives_the_first_host_who_has_time(meetergo: StandIn) -> None:
    kind, queue = "3f7c2a90-1b4d-4e6f-8a21-9c0d1e2f3a4b", "7a1b2c3d-4e5f-4061-8273-849506a7b8c9"
    hosts = []
    async with client_of(meetergo) as client:
        for _ in range(2):
            booked = await client.book(NewBooking(kind, at(27, 9), ILSE, queue_id=queue))
            row = await client.appointment(booked.provider_id or "")
            assert row is not None
            hosts += row["hostIds"]
        assert (
            await refusal(client.book(NewBooking(kind, at(27, 9), ILSE, queue_id=queue)))
        ).code == "slot-taken"
    assert hosts == [MARA, DENIZ]


async def test_a_booking_by_telephone_has_no_mail_address(meetergo: StandIn) -> None:
    async with client_of(meetergo) as client:
        booked = await client.book(talk(person=Person("Ruth Amsel", phone="+493023125441")))
        row = await client.appointment(booked.provider_id or "")
    assert row is not None
    snapshot = shown_by_row(row)
    assert (snapshot.attendees[0].email, snapshot.link, snapshot.channel) == (None, None, "phone-incoming")


async def test_a_move_in_place_keeps_the_id(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    meetergo.book(at(28, 9))
    async with client_of(meetergo) as client:
        assert (await refusal(client.reschedule(booked["id"], at(28, 9)))).code == "slot-taken"
        moved = await client.reschedule(booked["id"], at(28, 13))
        assert moved is not None
        snapshot = shown_by_row(moved)
        assert (snapshot.provider_id, snapshot.start, snapshot.end) == (
            booked["id"],
            at(28, 13),
            at(28, 13, 45),
        )
        assert (snapshot.reschedule_count, snapshot.rescheduled_at is not None) == (1, True)
        over = await client.reschedule(booked["id"], at(28, 9), ignore_availability=True)
        assert over is not None
        assert over["rescheduleCount"] == 2


async def test_a_cancellation_is_final_and_says_why(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    async with client_of(meetergo) as client:
        gone = await client.cancel(booked["id"], reason="Krankheitsfall")
        assert gone is not None
        cancel = shown_by_row(gone).cancel
        assert cancel is not None
        assert (cancel.actor, cancel.by, cancel.reason) == ("host", MARA, "Krankheitsfall")
        for act in (client.cancel(booked["id"]), client.reschedule(booked["id"], at(28, 13))):
            assert (await refusal(act)).code == "provider-refused"
        assert (await refusal(client.cancel(UNKNOWN))).code == "not-found"


async def test_a_reason_that_is_too_long_is_refused_without_a_call(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    async with client_of(meetergo) as client:
        assert (
            await refusal(client.cancel(booked["id"], reason="x" * (LONGEST_REASON + 1)))
        ).code == "invalid"
        assert meetergo.calls() == 0
        assert await client.cancel(booked["id"], reason="x" * LONGEST_REASON)


async def test_a_group_needs_a_scope(meetergo: StandIn) -> None:
    first = meetergo.book(at(27, 9), kind="sprechstunde-gruppe", who="Ilse")
    second = meetergo.book(at(27, 9), kind="sprechstunde-gruppe", who="Noor")
    assert first["id"] == second["id"]
    ilse, noor = second["attendees"]
    async with client_of(meetergo, user=DENIZ) as client:
        assert (await refusal(client.cancel(first["id"]))).code == "provider-refused"
        left = await client.cancel(first["id"], scope=Scope(attendee_id=ilse))
        assert left is not None
        snapshot = shown_by_row(left)
        assert (snapshot.cancelled, [one.attendee_id for one in snapshot.attendees]) == (False, [noor])
        gone = await client.cancel(first["id"], scope=Scope(everybody=True))
        assert gone is not None
        assert shown_by_row(gone).cancelled


async def test_a_series_is_cancelled_from_here_on(meetergo: StandIn) -> None:
    ids = meetergo.book(at(20, 9), series={"count": 4, "every_days": 1})["series"]
    async with client_of(meetergo) as client:
        await client.cancel(ids[1], scope=Scope(series=True))
    assert [meetergo.objects()[one]["cancelled"] for one in ids] == [False, True, True, True]


async def test_notes_guests_and_no_shows_are_written(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))
    (ilse,) = booked["attendees"]
    async with client_of(meetergo) as client:
        await client.note(booked["id"], "braucht Rampe")
        for email in ("kim@kunde.example", "jo@kunde.example"):
            await client.add_guest(booked["id"], attendee_id=ilse, email=email)
        await client.remove_guest(booked["id"], attendee_id=ilse, email="kim@kunde.example")
        missing = client.remove_guest(booked["id"], attendee_id=ilse, email="kim@kunde.example")
        assert (await refusal(missing)).code == "not-found"
        await client.mark_no_show(ilse)
        assert (await refusal(client.mark_no_show(UNKNOWN))).code == "not-found"
        row = await client.appointment(booked["id"])
    assert row is not None
    snapshot = shown_by_row(row)
    assert snapshot.notes == "braucht Rampe"
    assert [guest.email for guest in snapshot.guests] == ["jo@kunde.example"]
    assert snapshot.attendees[0].no_show is True


async def test_webhooks_are_registered_changed_and_removed(meetergo: StandIn) -> None:
    async with client_of(meetergo) as client:
        made = [
            await client.register_webhook(f"https://hub{n}.example/x", BOOKING_EVENTS, description="hub")
            for n in range(6)
        ]
        error = await refusal(
            client.register_webhook("https://hub.example", BOOKING_EVENTS, description="hub")
        )
        assert error.code == "limit-reached"
        assert await client.webhooks() == tuple(made)
        text, number = made[0].id, made[1].id
        assert number.isdigit()
        assert not text.isdigit()
        await client.change_webhook(number, event_types=["booking_created"])
        await client.change_webhook(text, endpoint="https://elsewhere.example")
        await client.remove_webhook(made[2].id)
        await client.remove_webhook(made[2].id)
        left = {one.id: one for one in await client.webhooks()}
        assert len(left) == 5
        assert (left[number].event_types, left[number].endpoint) == (("booking_created",), made[1].endpoint)
        assert (left[text].event_types, left[text].endpoint) == (BOOKING_EVENTS, "https://elsewhere.example")
        unknown = client.register_webhook("https://hub.example", ["nonsense"], description="")
        assert (await refusal(unknown)).code == "provider-refused"
