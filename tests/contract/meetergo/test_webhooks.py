"""Webhooks of the stand-in at a real listener: what they say, and all that may happen to them on the way."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.meetergo.simulated.asked import BookingDto, CancelDto
from adapters.meetergo.simulated.company import FIRST_TALK, OPEN_HOUR, example_company
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.shapes import detail, row
from adapters.meetergo.simulated.state import Appointment, Subscription, Switches
from adapters.testing import SimulatorServer
from events import Booking, BookingEvent, BookingSnapshot
from events.derive import derive, fold
from events.versions import cut
from tests.contract.meetergo.stand_in import (
    BOOKING_EVENTS,
    DENIZ,
    MARA,
    MONDAY,
    Listener,
    StandIn,
    at,
    shown_by_row,
    shown_by_webhook,
)
from tests.factories import contact_of
from tests.waiting import until

ONLY_ROWS_SHOW = {"group", "notes", "guests"}
"""Details that no webhook shows, so that the first row seen after one teaches them."""


@pytest.fixture
def subscribed(meetergo: StandIn, listener: Listener, listener_server: SimulatorServer) -> StandIn:
    meetergo.subscribe(listener_server.url)
    return meetergo


def with_contacts(snapshot: BookingSnapshot) -> BookingSnapshot:
    """As the pipeline completes it."""
    people = {
        "attendees": tuple(
            one.model_copy(update={"contact_id": contact_of(one.attendee_id, one.email)})
            for one in snapshot.attendees
        )
    }
    if snapshot.knows("guests"):
        people["guests"] = tuple(
            one.model_copy(update={"contact_id": contact_of("", one.email)}) for one in snapshot.guests
        )
    return snapshot.model_copy(update=people)


def disagreements(webhook: BookingSnapshot, api: BookingSnapshot) -> Iterator[str]:
    """Members that both know and show differently; times at the webhook's precision."""
    for name in webhook.model_fields_set & api.model_fields_set - {"origin", "hint", "version_precision"}:
        one, other = getattr(webhook, name), getattr(api, name)
        if isinstance(one, datetime) and isinstance(other, datetime):
            one, other = cut(one, 0), cut(other, 0)
        if name == "attendees":
            one, other = (
                [(a.attendee_id, a.email, a.name, a.phone, a.timezone) for a in b] for b in (one, other)
            )
        if name == "cancel" and one and other:
            one, other = (c.model_copy(update={"at": cut(c.at, 0)}) for c in (one, other))
        if one != other:
            yield f"{name}: {one} in the webhook, {other} in the API"


# What they say


Step = Callable[[StandIn, dict[str, Any]], object]
STORIES: dict[str, list[Step]] = {
    "moved twice and cancelled": [
        lambda meetergo, booked: meetergo.move(booked["id"], at(28, 10)),
        lambda meetergo, booked: meetergo.move(booked["id"], at(27, 9)),
        lambda meetergo, booked: meetergo.cancel(booked["id"], by="attendee", reason="passt nicht"),
    ],
    "cancelled by the host": [lambda meetergo, booked: meetergo.cancel(booked["id"], who=MARA)],
}


@pytest.mark.parametrize("story", STORIES)
def test_a_webhook_and_the_api_show_the_same_and_neither_adds_to_the_other(
    subscribed: StandIn, listener: Listener, story: str
) -> None:
    meetergo = subscribed
    booked = meetergo.book(at(27, 9))
    by_webhook: Booking | None = None
    by_api: Booking | None = None
    for step in [lambda *_: None, *STORIES[story]]:
        meetergo.advance(61.5)
        step(meetergo, booked)
        meetergo.deliver()
        (body,) = listener.bodies()
        page = meetergo.raw("/v4/appointment/paginated", page=0, pageSize=10).json()
        webhook = shown_by_webhook(body)
        of_list = shown_by_row(page["appointments"][0])
        of_detail = shown_by_row(meetergo.raw(f"/v4/appointment/{booked['id']}").json())
        assert set(disagreements(webhook, of_detail)) == set(disagreements(webhook, of_list)) == set()
        facts = derive(by_webhook, webhook)
        assert facts
        by_webhook = fold(facts)
        assert derive(by_webhook, of_list) == ()
        by_api = fold(derive(by_api, of_detail)) or by_api
        assert by_api is not None
        assert derive(by_api, webhook) == ()
        assert [getattr(fact, "changed", None) for fact in derive(by_api, newer(webhook))] == [("metadata",)]


def newer(snapshot: BookingSnapshot) -> BookingSnapshot:
    """The same content of a later version, so that all of it is weighed."""
    later = at(31, 0)
    return snapshot.model_copy(update={"version": later, "updated_at": later})


def test_a_group_told_by_webhooks_is_the_one_the_api_shows(subscribed: StandIn, listener: Listener) -> None:
    meetergo = subscribed
    states: list[Booking | None] = [None]
    booked: dict[str, Any] = {}
    for who in ("Tomasz", "Noor", "Piet"):
        meetergo.advance(2)
        booked = meetergo.book(at(27, 9), kind="sprechstunde-gruppe", who=who)
    meetergo.advance(2)
    meetergo.cancel(booked["id"], attendeeId=booked["attendees"][1])
    meetergo.deliver()
    kinds = []
    for body in listener.bodies():
        facts = derive(states[-1], shown_by_webhook(body))
        kinds += [fact.event_type() for fact in facts]
        states.append(fold(facts))
    assert kinds == ["BookingCreated", "AttendeeAdded", "AttendeeAdded", "AttendeeRemoved"]
    api = shown_by_row(meetergo.raw(f"/v4/appointment/{booked['id']}", user=DENIZ).json())
    (learnt,) = derive(states[-1], api)
    assert (learnt.event_type(), getattr(learnt, "changed", ())) == (
        "BookingDetailsChanged",
        ("company_slug", "group"),
    )
    assert derive(learnt.booking, api) == ()


def test_nothing_is_signed_or_numbered_and_nothing_announces_a_no_show(
    subscribed: StandIn, listener: Listener
) -> None:
    meetergo = subscribed
    booked = meetergo.book(at(27, 9))
    meetergo.ask("POST", "/_no_show", attendee=booked["attendees"][0])
    meetergo.ask("POST", "/_note", id=booked["id"], note="x")
    meetergo.deliver(everything=True)
    ((headers, body),) = listener.received
    assert body["webhookType"] == "booking_created"
    assert set(headers) <= {
        *("host", "accept", "accept-encoding", "connection", "user-agent"),
        *("content-length", "content-type"),
    }


def test_only_registered_kinds_go_to_registered_addresses(
    meetergo: StandIn, listener: Listener, listener_server: SimulatorServer
) -> None:
    created = meetergo.subscribe(listener_server.url, "booking_created")
    meetergo.subscribe(listener_server.url, "booking_cancelled", "new_employee")
    booked = meetergo.book(at(27, 9))
    meetergo.move(booked["id"], at(28, 9))
    meetergo.send("DELETE", f"/webhooks/{created}").raise_for_status()
    meetergo.cancel(meetergo.book(at(27, 11))["id"])
    meetergo.deliver()
    assert [body["webhookType"] for body in listener.bodies()] == ["booking_created", "booking_cancelled"]


@pytest.mark.parametrize(("each", "told"), [("each", 3), ("one", 1)])
def test_a_cancelled_series_is_announced_by_occurrence_or_once(
    subscribed: StandIn, listener: Listener, each: str, told: int
) -> None:
    meetergo = subscribed
    meetergo.switch(series_webhooks=each)
    ids = meetergo.book(at(20, 9), series={"count": 4, "every_days": 1})["series"]
    meetergo.deliver()
    assert len(listener.bodies()) == 4
    meetergo.cancel(ids[1], cancelEntireSeries=True)
    meetergo.deliver()
    assert [body["id"] for body in listener.bodies()] == ids[1 : 1 + told]


# What happens to them on the way


def test_a_lost_webhook_never_comes(subscribed: StandIn, listener: Listener) -> None:
    subscribed.switch(lost=1)
    subscribed.book(at(27, 9))
    assert subscribed.deliver(everything=True) == listener.bodies() == []
    (lost,) = subscribed.ask("GET", "/_deliveries")
    assert (lost["outcome"], lost["kind"], lost["status"]) == ("lost", "booking_created", None)


def test_a_doubled_webhook_comes_twice(subscribed: StandIn, listener: Listener) -> None:
    subscribed.switch(doubled=1)
    subscribed.book(at(27, 9))
    first, second = subscribed.deliver(everything=True)
    assert second["copy_of"] == first["number"]
    one, other = listener.bodies()
    assert one == other


def test_a_late_webhook_shows_what_was_when_it_was_due(subscribed: StandIn, listener: Listener) -> None:
    subscribed.switch(late=1, late_seconds=90)
    booked = subscribed.book(at(27, 9))
    subscribed.switch(late=0)
    subscribed.move(booked["id"], at(28, 9))
    subscribed.deliver()
    assert [body["webhookType"] for body in listener.bodies()] == ["booking_rescheduled"]
    subscribed.advance(89)
    assert subscribed.deliver() == []
    subscribed.advance(1)
    subscribed.deliver()
    (late,) = listener.bodies()
    assert shown_by_webhook(late).start == at(27, 9)


def test_a_reordered_webhook_lets_the_next_one_pass(subscribed: StandIn, listener: Listener) -> None:
    subscribed.switch(reordered=1)
    booked = subscribed.book(at(27, 9))
    subscribed.switch(reordered=0)
    assert subscribed.deliver() == []
    subscribed.move(booked["id"], at(28, 9))
    subscribed.advance(1)
    subscribed.deliver()
    assert [body["webhookType"] for body in listener.bodies()] == ["booking_rescheduled", "booking_created"]


def test_a_listener_that_is_away_has_lost_it(
    meetergo: StandIn, listener: Listener, listener_server: SimulatorServer
) -> None:
    meetergo.subscribe(listener_server.url)
    meetergo.subscribe("http://127.0.0.1:9")
    listener_server.client.post("/_faults", json={"kind": "status", "status": 503}).raise_for_status()
    meetergo.book(at(27, 9))
    assert [(one["outcome"], one["status"]) for one in meetergo.deliver()] == [
        ("refused", 503),
        ("failed", None),
    ]
    assert meetergo.deliver(everything=True) == []


async def test_unless_they_are_held_they_come_by_themselves(subscribed: StandIn, listener: Listener) -> None:
    subscribed.switch(hold=False)
    booked = subscribed.book(at(27, 9))
    await until(lambda: len(listener.received) == 1)
    subscribed.switch(late=1, late_seconds=3600)
    subscribed.move(booked["id"], at(28, 9))
    subscribed.switch(late=0)
    subscribed.cancel(booked["id"])
    await until(lambda: len(listener.received) == 2)
    subscribed.advance(3600)
    await until(lambda: len(listener.received) == 3)
    assert [body["webhookType"] for body in listener.bodies()] == [
        "booking_created",
        "booking_cancelled",
        "booking_rescheduled",
    ]


# Any history


Choice = tuple[str, int, int]
choices = st.lists(
    st.tuples(
        st.sampled_from(["book", "join", "move", "cancel", "leave", "no_show", "undo", "note", "guest"]),
        st.integers(0, 5),
        st.integers(0, 40),
    ),
    max_size=25,
)


class World:
    """A company in memory whose webhooks and API are compared after every act."""

    def __init__(self) -> None:
        self.now = MONDAY
        state = example_company()
        state.switches = Switches(quiet=frozenset())
        hub = Subscription(id="hub", endpoint="x", event_types=BOOKING_EVENTS, created_at=MONDAY)
        state.subscriptions.append(hub)
        self.provider = Provider(state, clock=lambda: self.now)
        self._numbers = count()

    def act(self, what: str, which: int, by: int) -> None:
        """One act, if there is something to act on."""
        self.now += timedelta(seconds=1)
        active = [a for a in self.provider.state.appointments.values() if a.is_active]
        if what in ("book", "join") or not active:
            self._book(group=what == "join", start=at(26 + which % 3, 9))
            return
        self._change(what, active[which % len(active)], by)

    def _book(self, *, group: bool, start: datetime) -> None:
        who = f"guest{next(self._numbers)}"
        body = {
            "meetingTypeId": OPEN_HOUR if group else FIRST_TALK,
            "start": start.isoformat(),
            "hostIds": [DENIZ if group else MARA],
            "ignoreAvailability": True,
            "attendee": {
                "email": f"{who}@kunde.example",
                "fullname": who,
                "receiveReminders": True,
                "notes": {},
            },
        }
        group_starts = [a for a in self.provider.state.appointments.values() if a.start == start]
        if not any(len(a.attendees) == 6 for a in group_starts):
            self.provider.desk.book(BookingDto.model_validate(body))

    def _change(self, what: str, about: Appointment, by: int) -> None:
        attendee = about.attendees[by % len(about.attendees)]
        provider = self.provider
        acts: dict[str, Callable[[], object]] = {
            "move": lambda: provider.reschedule(
                about.id, at(26, 8) + timedelta(hours=by), ignore_availability=True
            ),
            "cancel": lambda: provider.cancel(
                about.id,
                CancelDto(cancelAll=True, reason=f"weil {by}"),
                by_guest=bool(by % 2),
                who=attendee.id,
            ),
            "leave": lambda: provider.cancel(
                about.id, CancelDto(attendeeId=attendee.id), by_guest=True, who=attendee.id
            ),
            "no_show": lambda: provider.mark(attendee.id),
            "undo": lambda: provider.mark(attendee.id, missed=False),
            "note": lambda: provider.write_note(about.id, f"note {by}"),
            "guest": lambda: provider.add_guest(about.id, attendee.id, f"friend{by}@kunde.example"),
        }
        acts[what]()

    def webhooks(self) -> list[BookingSnapshot]:
        """What was announced since the last question."""
        letters = self.provider.records.post.take_due(self.now, everything=True)
        return [with_contacts(shown_by_webhook(letter.body)) for letter in letters]

    def rows(self) -> dict[str, BookingSnapshot]:
        appointments = self.provider.state.appointments.values()
        return {one.id: with_contacts(shown_by_row(row(one, self.provider.state))) for one in appointments}


@settings(max_examples=60)
@given(choices)
def test_in_any_history_both_sides_tell_of_the_same_facts(acts: Sequence[Choice]) -> None:
    world = World()
    heard: dict[str, list[BookingEvent]] = {}
    polled: dict[str, Booking] = {}
    for act in acts:
        world.act(*act)
        for webhook in world.webhooks():
            row_now = world.rows()[webhook.provider_id]
            assert set(disagreements(webhook, row_now)) == set()
            history = heard.setdefault(webhook.provider_id, [])
            history += derive(fold(history), webhook)
            learnt = derive(fold(history), row_now)
            assert {type_of(fact) for fact in learnt} <= {"details", "mark"}, "the webhook left something out"
            for fact in learnt:
                assert set(getattr(fact, "changed", ())) <= ONLY_ROWS_SHOW
        for appointment_id, snapshot in world.rows().items():
            facts = derive(polled.get(appointment_id), snapshot)
            polled[appointment_id] = facts[-1].booking if facts else polled[appointment_id]
            assert derive(polled[appointment_id], snapshot) == ()
    for appointment_id, history in heard.items():
        ended = fold((*history, *derive(fold(history), world.rows()[appointment_id])))
        assert ended is not None
        assert essentials(ended) == essentials(polled[appointment_id])


def type_of(fact: BookingEvent) -> str:
    """What only the API shows: marks, and details among those named above."""
    if fact.event_type() in ("AttendeeNoShow", "AttendeeNoShowReverted"):
        return "mark"
    if fact.event_type() == "AttendeeDetailsChanged" and getattr(fact, "changed", ()) == ("no_show_flag",):
        return "mark"
    return "details" if fact.event_type() == "BookingDetailsChanged" else fact.event_type()


def essentials(booking: Booking) -> object:
    """What both ways have to end in; times of acts at the precision of a second."""
    return (
        (booking.status, booking.start, booking.end, booking.reschedule_count, booking.link, booking.title),
        sorted((one.attendee_id, one.email, one.no_show_flag) for one in booking.present),
        (booking.notes, {guest.email for guest in booking.guests}),
        booking.cancel and (cut(booking.cancel.at or MONDAY, 0), booking.cancel.by, booking.cancel.reason),
    )


def test_an_appointment_read_by_itself_says_what_its_row_says() -> None:
    world = World()
    world.act("book", 0, 0)
    (made,) = world.provider.state.appointments.values()
    by_row = shown_by_row(row(made, world.provider.state))
    by_itself = shown_by_row(detail(made, world.provider.state))
    for name in by_row.model_fields_set:
        assert getattr(by_row, name) == getattr(by_itself, name), name
    assert by_itself.model_fields_set - by_row.model_fields_set == {"company_slug", "meeting_type_slug"}
