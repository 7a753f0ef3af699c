"""Webhooks of the stand-in at a real listener: what they say, and all that may happen to them on the way."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.testing import SimulatorServer
from events import Booking
from events.derive import derive, fold
from tests.contract.meetergo.comparing import disagreements, newer
from tests.contract.meetergo.stand_in import (
    DENIZ,
    MARA,
    Listener,
    StandIn,
    at,
    shown_by_row,
    shown_by_webhook,
)
from tests.waiting import until


@pytest.fixture
def subscribed(meetergo: StandIn, listener: Listener, listener_server: SimulatorServer) -> StandIn:
    meetergo.subscribe(listener_server.url)
    return meetergo


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
