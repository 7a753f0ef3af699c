"""The company of the playground: its week, what happens by itself, and what a person can do there."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.google_calendar.simulator import create_app as create_calendar
from adapters.meetergo.simulated.company import MARA
from adapters.meetergo.simulated.life import MOST_CANCELLED, MOST_UPCOMING, Life
from adapters.meetergo.simulated.playing import listen, play
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.refusals import ProviderRefusalError
from adapters.meetergo.simulated.week import BOOKINGS, playground_company
from adapters.meetergo.simulator import Simulator, create_app
from adapters.simulation import Simulation

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
DOOR = "http://127.0.0.1:1/webhooks/meetergo/token"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def company(clock: Clock) -> Provider:
    provider = Provider(playground_company(NOW), clock=clock)
    listen(provider, DOOR)
    return provider


def lived(company: Provider, clock: Clock, acts: int, **others: Simulation) -> None:
    for _ in range(acts):
        clock.now += timedelta(seconds=4)
        Life(company, others, misbehave=True).step()


def test_the_week_holds_what_has_happened_before_anybody_looked(company: Provider) -> None:
    appointments = list(company.state.appointments.values())
    assert len(appointments) == BOOKINGS
    assert min(one.start for one in appointments) < NOW < max(one.start for one in appointments)
    assert max(one.start for one in appointments) - min(one.start for one in appointments) < timedelta(days=7)
    assert sum(one.reschedule_count > 0 and one.is_active for one in appointments) >= 3
    assert sum(not one.is_active for one in appointments) == 2
    assert [one.end < NOW for one in appointments if any(guest.no_show for guest in one.attendees)] == [True]
    assert max(len(one.attendees) for one in appointments) == 3
    assert {one.host_ids for one in appointments} == {(MARA,)}
    assert all(one.updated_at <= NOW for one in appointments)
    assert company.state.letters == []


def test_one_guest_can_be_asked_about_by_name_however_long_it_goes_on(
    company: Provider, clock: Clock
) -> None:
    lived(company, clock, 120)
    names = [guest.fullname for one in company.state.appointments.values() for guest in one.attendees]
    assert names.count("Ilse Brandvold") == 1


def test_two_weeks_of_one_day_are_the_same() -> None:
    assert playground_company(NOW) == playground_company(NOW)


def test_one_round_shows_every_mishap(company: Provider, clock: Clock) -> None:
    calendar = create_calendar()
    lived(company, clock, 15, google_calendar=calendar)
    letters, gone = company.state.letters, company.records.post.deliveries
    assert [one.outcome for one in gone] == ["lost", "lost"]
    assert sum(one.copy_of is not None for one in letters) == 1
    assert any(one.due > one_before.due for one, one_before in itertools.pairwise(letters))
    assert {"booking_created", "booking_rescheduled", "booking_cancelled"} == {one.kind for one in letters}
    assert company.state.switches.doubled == company.state.switches.lost == 0


def test_a_neighbour_is_out_of_order_for_three_changes_of_one_booking(
    company: Provider, clock: Clock
) -> None:
    calendar = create_calendar()
    broken: list[bool] = []
    for _ in range(15):
        lived(company, clock, 1, google_calendar=calendar)
        broken.append(bool(calendar.faults))
    assert [act for act, is_broken in enumerate(broken) if is_broken] == [6, 7, 8]
    moved = Counter(one.appointment_id for one in company.state.letters if one.kind == "booking_rescheduled")
    assert max(moved.values()) >= 3


def test_a_well_behaved_world_breaks_nothing(company: Provider, clock: Clock) -> None:
    calendar = create_calendar()
    for _ in range(15):
        Life(company, {"google_calendar": calendar}, misbehave=False).step()
        assert calendar.faults == []
    assert not company.records.post.deliveries
    assert all(one.copy_of is None and one.due <= clock.now for one in company.state.letters)


def test_a_no_show_comes_and_goes_without_a_word(company: Provider, clock: Clock) -> None:
    marks: list[int] = []
    for _ in range(15):
        told = company.state.numbered
        lived(company, clock, 1)
        count = sum(guest.no_show for one in company.state.appointments.values() for guest in one.attendees)
        if not marks or marks[-1] != count:
            marks.append(count)
            if len(marks) > 1:
                assert company.state.numbered == told, "no webhook tells of it"
    assert marks == [1, 2, 1]


def test_a_playground_does_not_grow_for_ever(company: Provider, clock: Clock) -> None:
    lived(company, clock, 900)
    appointments = list(company.state.appointments.values())
    assert sum(one.is_active and one.start > clock.now for one in appointments) <= MOST_UPCOMING + 3
    assert sum(not one.is_active for one in appointments) <= MOST_CANCELLED


def test_a_round_goes_on_where_it_was(clock: Clock) -> None:
    first, second = create_app(playground_company(NOW), clock=clock), create_app(clock=clock)
    first.state.switches.hold = True
    listen(first.provider, DOOR)
    lived(first.provider, clock, 7)
    second.restore(first.keep())
    assert second.keep() == first.keep()
    lived(first.provider, clock, 8)
    clock.now -= timedelta(seconds=32)
    lived(second.provider, clock, 8)
    assert second.state == first.state


def test_what_was_kept_by_another_version_is_refused() -> None:
    with pytest.raises(ValidationError):
        create_app().restore('{"company": "of another shape"}')


def test_webhooks_go_to_one_address_only(company: Provider) -> None:
    listen(company, DOOR)
    assert [one.endpoint for one in company.state.subscriptions] == [DOOR]
    listen(company, DOOR + "2")
    assert [one.endpoint for one in company.state.subscriptions] == [DOOR + "2"]


def test_an_address_that_somebody_entered_is_not_entered_twice(company: Provider) -> None:
    (ours,) = company.state.subscriptions
    company.state.subscriptions = [ours.model_copy(update={"description": "by hand"})]
    listen(company, DOOR)
    assert [one.description for one in company.state.subscriptions] == ["by hand"]


@pytest.mark.parametrize("key", ["rgo-made-up", "ak_live:made:up"], ids=["personal", "platform"])
async def test_it_is_open_to_every_key(key: str) -> None:
    headers = [(b"authorization", f"Bearer {key}".encode())]
    if key.startswith("ak_live"):
        headers.append((b"x-meetergo-api-user-id", MARA.encode()))
    assert await status_of(create_app(playground_company(NOW)), headers) == 200
    assert await status_of(create_app(), headers) == 401


async def status_of(app: Simulator, headers: list[tuple[bytes, bytes]]) -> int:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v4/user/me",
        "raw_path": b"/v4/user/me",
        "query_string": b"",
        "headers": headers,
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_a_person_books_moves_and_cancels(company: Provider) -> None:
    booked = play(company, {"act": "book", "name": "Nora Helmer", "email": "nora@guests.example"})
    one = company.state.appointments[booked["id"]]
    assert (one.attendees[0].fullname, one.attendees[0].email) == ("Nora Helmer", "nora@guests.example")
    assert one.start > NOW
    moved = play(company, {"act": "move", "id": one.id, "start": "2026-12-01T09:00:00+01:00"})
    assert moved["start"] == "2026-12-01T08:00:00.000Z"
    assert play(company, {"act": "cancel", "id": one.id, "reason": "no time"})["cancelled"] is True
    cancelled = company.state.appointments[one.id].cancel
    assert cancelled is not None
    assert cancelled.reason == "no time"
    assert [letter.kind for letter in company.state.letters] == [
        "booking_created",
        "booking_rescheduled",
        "booking_cancelled",
    ]


def test_without_a_name_the_nearest_that_fits_is_meant(company: Provider) -> None:
    upcoming = [one for one in company.state.appointments.values() if one.is_active and one.start > NOW]
    assert play(company, {"act": "move"})["id"] == min(upcoming, key=lambda one: one.start).id
    missed = company.state.appointments[play(company, {"act": "no-show"})["id"]]
    assert missed.start < NOW
    assert missed.attendees[0].no_show
    assert play(company, {"act": "no-show", "undo": True, "id": missed.id})["id"] == missed.id
    assert not company.state.appointments[missed.id].attendees[0].no_show


def test_one_guest_of_a_group_leaves(company: Provider) -> None:
    hour = next(one for one in company.state.appointments.values() if len(one.attendees) == 3)
    left = play(company, {"act": "cancel", "id": hour.id, "attendee": hour.attendees[1].id})
    assert left["attendees"] == [hour.attendees[0].id, hour.attendees[2].id]
    assert left["cancelled"] is False


@pytest.mark.parametrize(
    "asked",
    [
        {"act": "dance"},
        {"act": "book", "meeting_type": "unknown"},
        {"act": "book", "meeting_type": "auf-anfrage"},
    ],
    ids=["unknown act", "unknown meeting type", "waits for somebody's word"],
)
def test_what_cannot_be_done_is_refused(company: Provider, asked: dict[str, Any]) -> None:
    before = len(company.state.appointments)
    with pytest.raises(ProviderRefusalError):
        play(company, asked)
    assert len(company.state.appointments) == before
