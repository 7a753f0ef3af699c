"""The stand-in is meetergo as far as anybody can know it: shapes of the samples, refusals, odd habits."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from adapters.meetergo.simulated.company import FIRST_TALK, PERSONAL_TOKEN, example_company
from adapters.meetergo.simulated.state import State
from adapters.testing import SimulatorServer
from tests.contract.meetergo.stand_in import (
    DENIZ,
    MARA,
    Listener,
    StandIn,
    at,
    shown_by_row,
)
from tests.unit.adapters.meetergo.payloads import document, payload

OF_THE_GUIDE = {"companySlug", "meetingTypeSlug"}
"""Members that the provider's guide takes from an appointment and the sample of one does not show."""


def differences(sample: Any, shown: Any, path: str = "") -> Iterator[str]:
    """Where a document has other members or other types than the sample; null fits everything."""
    if sample is None or shown is None:
        return
    if type(sample) is not type(shown):
        yield f"{path}: {type(shown).__name__} instead of {type(sample).__name__}"
    elif isinstance(sample, dict):
        yield from (f"{path}.{name} is missing" for name in sample.keys() - shown.keys())
        yield from (f"{path}.{name} is no member" for name in shown.keys() - sample.keys())
        for name in sample.keys() & shown.keys():
            yield from differences(sample[name], shown[name], f"{path}.{name}")
    elif isinstance(sample, list) and sample:
        for index, element in enumerate(shown):
            yield from differences(sample[0], element, f"{path}.{index}")


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def moved(meetergo: StandIn) -> str:
    booked = meetergo.book(at(23, 8))
    meetergo.move(booked["id"], at(27, 9))
    return str(booked["id"])


def group(meetergo: StandIn) -> dict[str, Any]:
    for who in ("Tomasz", "Noor", "Piet"):
        joined = meetergo.book(at(27, 9), kind="sprechstunde-gruppe", who=who)
    return dict(joined)


# Shapes


def test_an_appointment_read_by_itself(meetergo: StandIn) -> None:
    shown = meetergo.raw(f"/v4/appointment/{moved(meetergo)}").json()
    assert set(differences(payload("appointment_detail.json"), without(shown, *OF_THE_GUIDE))) == set()
    assert set(shown) >= OF_THE_GUIDE
    of_group = group(meetergo)["id"]
    shown = meetergo.raw(f"/v4/appointment/{of_group}", user=DENIZ).json()
    assert set(differences(payload("appointment_detail.group.json"), without(shown, *OF_THE_GUIDE))) == set()


def test_lists(meetergo: StandIn) -> None:
    moved(meetergo)
    meetergo.cancel(meetergo.book(at(28, 9))["id"], reason="weg")
    page = meetergo.raw("/v4/appointment/paginated", page=0, pageSize=10).json()
    assert (len(page["appointments"]), page["total"]) == (2, 2)
    assert set(differences(payload("appointments_page_0.before_no_show.json"), page)) == set()
    after = meetergo.raw("/v4/appointment/paginated", page=1, pageSize=10).json()
    assert after == payload("appointments_page_1_empty.json") | {"total": 2}


def test_a_mark_shows_in_lists_with_everybody_of_the_appointment(meetergo: StandIn) -> None:
    booked = group(meetergo)
    before = meetergo.raw("/v4/appointment/paginated", user=DENIZ, page=0, pageSize=10).json()
    meetergo.advance(3600)
    meetergo.ask("POST", "/_no_show", attendee=booked["attendees"][1])
    after = meetergo.raw("/v4/appointment/paginated", user=DENIZ, page=0, pageSize=10).json()
    sample = payload("appointments_page_0.json")["appointments"][2]
    assert set(differences(sample, after["appointments"][0])) == set()
    assert [one["noShow"] for one in after["appointments"][0]["attendees"]] == [False, True, False]
    assert "noShow" not in before["appointments"][0]["attendees"][0]
    assert before["appointments"][0]["updatedAt"] == after["appointments"][0]["updatedAt"]


def test_answers_to_writes(meetergo: StandIn) -> None:
    first = moved(meetergo)
    answer = meetergo.send("POST", f"/v4/appointment/{first}/reschedule", start="2026-10-28T09:00:00Z").json()
    assert set(differences(payload("reschedule_response.json"), answer)) == set()
    answer = meetergo.send("POST", f"/v4/appointment/{first}/cancel", reason="weg").json()
    assert set(differences(payload("cancel_response.json"), answer)) == set()


@pytest.mark.parametrize(
    ("kind", "sample", "host"),
    [
        (FIRST_TALK, "booking_response.standard.json", MARA),
        ("mit-bestaetigung", "booking_response.double_opt_in.json", MARA),
        ("auf-anfrage", "booking_response.host_confirmation.json", DENIZ),
    ],
)
def test_answers_to_bookings(meetergo: StandIn, kind: str, sample: str, host: str) -> None:
    attendee = {"email": "jana@kunde.example", "firstname": "Jana", "receiveReminders": True, "notes": {}}
    body = {"meetingTypeId": kind, "start": "2026-10-27T09:00:00+01:00", "hostIds": [host]}
    answer = meetergo.send("POST", "/v4/booking", **body, attendee=attendee)
    assert answer.status_code == 201
    assert set(differences(payload(sample), answer.json())) == set()
    if "bookingType" in answer.json():
        assert answer.json()["bookingType"] == payload(sample)["bookingType"]


def test_bookings_that_wait_are_listed(meetergo: StandIn) -> None:
    attendee = {
        "receiveReminders": True,
        "notes": {"Anliegen": "Rückfrage"},
        "email": "jana@kunde.example",
        "firstname": "Jana",
        "lastname": "Oduya",
        "language": "de",
        "timezone": "Europe/Berlin",
    }
    body = {"start": "2026-10-27T09:00:00+01:00", "hostIds": [MARA], "duration": 45}
    meetergo.send("POST", "/v4/booking", meetingTypeId="mit-bestaetigung", attendee=attendee, **body)
    page = meetergo.raw("/v4/provisional-booking/paginated", page=0, pageSize=10).json()
    sample = payload("provisional_bookings_page.json")
    del sample["provisionalBookings"][0]["dto"]["attendee"]["dataPolicyAccepted"]
    assert set(differences(sample, page)) == set()
    assert page["total"] == 1


def test_free_times(meetergo: StandIn) -> None:
    group(meetergo)
    query = {"meetingTypeId": "sprechstunde-gruppe", "start": "2026-10-27", "end": "2026-10-29"}
    shown = meetergo.raw("/v4/booking-availability", user=None, hostIds=[DENIZ], **query).json()
    sample = payload("availability.current.json")
    spots = [spot for day in shown["dates"] for spot in day["spots"]]
    assert sum("appointment" in spot for spot in spots) == 1
    for spot in spots:
        spot.setdefault("appointment", None)
    assert set(differences(sample, shown)) == set()
    assert spots[0]["startTime"] == "2026-10-27T08:00:00+01:00"
    assert shown["timeframes"][0]["start"] == "2026-10-27T07:00:00.000Z"


def test_webhook_registrations(meetergo: StandIn) -> None:
    events = ["booking_created", "booking_cancelled"]
    for n in range(2):
        made = meetergo.send(
            "POST", "/webhooks", endpoint=f"https://hub{n}.example", eventTypes=events, description="hub"
        )
        assert made.status_code == 201
    listed = meetergo.raw("/webhooks").json()
    sample = document("webhook_subscriptions_list.json")
    assert [set(differences(one, other)) for one, other in zip(sample, listed, strict=True)] == [set(), set()]
    assert set(differences(payload("webhook_subscription.json"), listed[0])) == set()


Doing = Callable[[StandIn], object]


def _created(meetergo: StandIn) -> None:
    meetergo.book(at(27, 9))


def _group_joined(meetergo: StandIn) -> None:
    group(meetergo)


def _cancelled(meetergo: StandIn) -> None:
    meetergo.cancel(moved(meetergo), reason="weg", by="attendee")


def _group_left(meetergo: StandIn) -> None:
    booked = group(meetergo)
    meetergo.cancel(booked["id"], attendeeId=booked["attendees"][0])


def _group_cancelled(meetergo: StandIn) -> None:
    meetergo.cancel(group(meetergo)["id"], cancelAll=True, reason="krank")


def _by_phone(meetergo: StandIn) -> None:
    meetergo.book(at(27, 9), phoneOnlyBooking=True)


def _linked(meetergo: StandIn) -> None:
    meetergo.switch(echo_link=True)
    meetergo.book(at(27, 9), rescheduledFromId=moved(meetergo))


@pytest.mark.parametrize(
    ("sample", "doing"),
    [
        pytest.param("created.flat", _created, id="created"),
        pytest.param("rescheduled.flat", moved, id="moved"),
        pytest.param("cancelled.flat", _cancelled, id="cancelled"),
        pytest.param("created.group_further_attendees.flat", _group_joined, id="joined"),
        pytest.param("cancelled.group_attendee_removed.flat", _group_left, id="left"),
        pytest.param("cancelled.group_cancel_all.flat", _group_cancelled, id="all"),
        pytest.param("created.phone_only.flat", _by_phone, id="by telephone"),
        pytest.param("created.replacement_with_link.flat", _linked, id="linked"),
    ],
)
def test_webhooks(meetergo: StandIn, listener_server: SimulatorServer, sample: str, doing: Doing) -> None:
    listener = Listener()
    listener_server.app = listener
    meetergo.subscribe(listener_server.url)
    doing(meetergo)
    meetergo.deliver()
    (_, body) = listener.received[-1]
    expected = payload(f"webhook_booking_{sample}.json")
    assert set(differences(expected, body)) == set()
    for written, shown in pairs(expected, body, "start", "updatedAt"):
        assert len(written.partition(".")[0]) == len(shown.partition(".")[0]), "as precise, in the same zone"


def pairs(sample: dict[str, Any], shown: dict[str, Any], *names: str) -> Iterator[tuple[str, str]]:
    one, other = (body.get("rescheduledAppointment", body) for body in (sample, shown))
    if "." not in one["updatedAt"]:
        yield from ((one[name], other[name]) for name in names)


# Refusals


def refused(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == body["statusCode"]
    return body


def test_refusals_are_worded_as_in_the_samples(meetergo: StandIn) -> None:
    booked = group(meetergo)["id"]
    meetergo.ask("POST", "/_keys", token="rgo-over", owner=MARA, expires_at="2026-01-01T00:00:00Z")
    unknown = "/v4/appointment/00000000-0000-4000-8000-000000000000"
    attendee = {"email": "a@b.example", "receiveReminders": True, "notes": {}}
    taken = {"meetingTypeId": FIRST_TALK, "start": "2026-10-25T09:00:00Z", "hostIds": [MARA]}
    given = {
        "error_400_message_array": meetergo.raw("/v4/appointment/paginated", page=-1, pageSize=101),
        "error_400_missing_user_header": meetergo.raw("/v4/user/me", user=None),
        "error_400_availability_scope": meetergo.raw(
            "/v4/booking-availability", meetingTypeId=FIRST_TALK, start="2026-10-27", end="2026-10-28"
        ),
        "error_400_slot_occupied": meetergo.send("POST", "/v4/booking", **taken, attendee=attendee),
        "error_400_group_cancel_without_scope": meetergo.send(
            "POST", f"/v4/appointment/{booked}/cancel", user=DENIZ, reason="weg"
        ),
        "error_401_expired_key": meetergo.raw("/v4/user/me", key="rgo-over"),
        "error_403_pat_impersonation": meetergo.raw("/v4/user/me", key=PERSONAL_TOKEN, user=DENIZ),
        "error_404_appointment": meetergo.raw(unknown),
    }
    assert {name: refused(answer) for name, answer in given.items()} == {
        name: payload(f"{name}.json") for name in given
    }


def test_other_refusals_are_worded_so_too(meetergo: StandIn) -> None:
    for _ in range(6):
        meetergo.subscribe("https://hub.example")
    over = meetergo.send("POST", "/webhooks", endpoint="https://hub.example", eventTypes=["booking_created"])
    assert refused(over) == payload("error_406_webhook_limit.json")
    meetergo.fault(kind="status", status=503)
    assert refused(meetergo.raw("/v4/user/me")) == payload("error_503.json")
    meetergo.switch(requests_per_minute=1)
    limited = meetergo.raw("/v4/user/me")
    assert refused(limited) == payload("error_429_rate_limit.json")
    assert "retry-after" not in limited.headers


def test_a_body_that_fails_validation_names_its_members(meetergo: StandIn) -> None:
    answer = refused(
        meetergo.send("POST", "/v4/booking", meetingTypeId=FIRST_TALK, start="soon", hostIds=[MARA])
    )
    assert set(differences(payload("error_400_validation.json"), answer)) == set()
    assert [error["field"] for error in answer["errors"]] == ["start", "attendee"]
    answer = refused(meetergo.send("POST", "/v4/booking", attendee={"email": "a@b.example"}))
    assert {error["field"] for error in answer["errors"]} >= {"attendee.receiveReminders", "attendee.notes"}


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("2026-10-16T09:00:00Z", id="past"),
        pytest.param("2026-10-27T22:00:00Z", id="at night"),
        pytest.param("2026-10-31T09:00:00Z", id="on a Saturday"),
        pytest.param("2026-10-27T16:30:00Z", id="longer than the day"),
    ],
)
def test_a_time_that_is_not_offered_is_taken(meetergo: StandIn, start: str) -> None:
    attendee = {"email": "a@b.example", "receiveReminders": True, "notes": {}}
    body = {"meetingTypeId": FIRST_TALK, "start": start, "hostIds": [MARA], "attendee": attendee}
    assert refused(meetergo.send("POST", "/v4/booking", **body)) == payload("error_400_slot_occupied.json")
    assert meetergo.send("POST", "/v4/booking", **body, ignoreAvailability=True).status_code == 201


def test_a_personal_token_may_name_its_owner_and_needs_nobody(meetergo: StandIn) -> None:
    for user in (None, MARA):
        assert meetergo.raw("/v4/user/me", key=PERSONAL_TOKEN, user=user).json()["id"] == MARA
    assert meetergo.raw("/v4/user/me", key=None, user=None).status_code == 401


def test_paths_of_older_pages_are_no_routes(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9))["id"]
    for method, path in (
        ("GET", "/v4/appointment"),
        ("DELETE", f"/v4/appointment/{booked}"),
        ("GET", "/v4/webhooks"),
        ("DELETE", f"/v4/attendee/{booked}/no-show"),
        ("POST", "/booking"),
    ):
        assert meetergo.send(method, path).status_code == 404, path


def test_a_member_it_does_not_know_is_dropped_without_a_word(meetergo: StandIn) -> None:
    booked = meetergo.book(at(27, 9), rescheduledFromId=moved(meetergo))
    assert "rescheduledFromId" not in meetergo.raw(f"/v4/appointment/{booked['id']}").json()
    answer = meetergo.send("POST", f"/v4/appointment/{booked['id']}/cancel", notifyAttendees=True)
    assert answer.status_code == 200


# Habits


@pytest.mark.parametrize("member", ["noShow", "isNoShow", "no_show", "noShowAt", "status", None])
def test_a_mark_is_read_under_every_name_it_may_have_and_taken_back(
    meetergo: StandIn, member: str | None
) -> None:
    meetergo.switch(no_show_member=member)
    booked = meetergo.book(at(27, 9))
    path = f"/v4/appointment/{booked['id']}"
    seen = []
    for missed in (True, False):
        meetergo.ask("POST", "/_no_show", attendee=booked["attendees"][0], missed=missed)
        seen.append(shown_by_row(meetergo.raw(path).json()).attendees[0].no_show)
    # A status that says something else than no-show says nothing about it.
    taken_back = None if member in (None, "status") else False
    assert seen == [None if member is None else True, taken_back]


@pytest.mark.parametrize(("quiet", "stays"), [([], []), (["no_show", "note", "guest"], ["note", "no_show"])])
def test_what_leaves_the_version_as_it_was_is_a_switch(
    meetergo: StandIn, quiet: list[str], stays: list[str]
) -> None:
    meetergo.switch(quiet=quiet)
    booked = meetergo.book(at(27, 9))
    kept = []
    for act, body in (
        ("note", {"id": booked["id"], "note": "x"}),
        ("no_show", {"attendee": booked["attendees"][0]}),
    ):
        before = meetergo.raw(f"/v4/appointment/{booked['id']}").json()["updatedAt"]
        meetergo.advance(5)
        meetergo.ask("POST", f"/_{act}", **body)
        if meetergo.raw(f"/v4/appointment/{booked['id']}").json()["updatedAt"] == before:
            kept.append(act)
    assert kept == stays


def test_its_state_is_kept_as_json_and_goes_on_where_it_was(
    meetergo: StandIn, meetergo_server: SimulatorServer
) -> None:
    meetergo.switch(lost=0.5, hold=True)
    meetergo.subscribe("https://hub.example")
    booked = group(meetergo)
    kept = json.dumps(meetergo.ask("GET", "/_state"))
    fresh = StandIn(meetergo_server, State.model_validate_json(kept))
    assert fresh.ask("GET", "/_state") == json.loads(kept)
    for stand_in in (meetergo, fresh):
        meetergo_server.app = stand_in.app
        stand_in.cancel(booked["id"], cancelAll=True)
    states = []
    for stand_in in (meetergo, fresh):
        meetergo_server.app = stand_in.app
        states.append(stand_in.ask("GET", "/_state"))
    assert states[0] == states[1]


def history(server: SimulatorServer, seed: int, **switches: Any) -> tuple[Mapping[str, Any], list[Any], Any]:
    """What one history of bookings comes to: objects, letters on their way and those that got lost."""
    stand_in = StandIn(server, example_company(seed=seed))
    stand_in.switch(**switches)
    stand_in.subscribe("https://hub.example")
    for n in range(40):
        booked = stand_in.book(at(27, 9, n))
        stand_in.move(booked["id"], at(28, 9, n))
    return stand_in.objects(), stand_in.ask("GET", "/_letters"), stand_in.ask("GET", "/_deliveries")


def test_one_seed_makes_one_history_and_another_seed_another(meetergo_server: SimulatorServer) -> None:
    switches = {"lost": 0.3, "doubled": 0.3, "reordered": 0.3, "late": 0.3}
    first, again = (history(meetergo_server, 7, **switches) for _ in range(2))
    assert first == again
    other = history(meetergo_server, 8, **switches)
    assert first[0].keys().isdisjoint(other[0])
    assert len(first[2]) != len(other[2]) or first[1] != other[1]
    assert 10 < len(first[2]) < 40
