"""Bookings over HTTP: their exact shape, selectors, references, pages."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from events.state import Host
from tests.factories import NOON, at, attendee, history, snapshot
from tests.integration.web.world import World, keys, on_both_databases

BOOKING_KEYS = keys(
    """
        booking_id source provider_ids status no_show title meeting_type start end timezone
        previous_start rescheduled_at reschedule_count last_reason hosts attendees guests group
        location link notes payment cancel reschedule_link metadata created_at updated_at position
        in_step
    """
)
ADDED_TO_BOOKING = {"provider_id", "related", "channel", "answers"}
ATTENDEE_KEYS = keys("attendee_id email name phone timezone language no_show no_show_at removed removed_at")


def people(*names: str) -> list[Any]:
    return [attendee(f"a-{name.lower()}", name=name, email=f"{name.lower()}@kunde.example") for name in names]


async def ids_of(client: httpx.AsyncClient, **selectors: str) -> list[str]:
    answer = await client.get("/api/v1/bookings", params=selectors)
    assert answer.status_code == 200, answer.text
    return [item["booking_id"] for item in answer.json()["items"]]


async def test_booking_has_every_key_of_the_contract(world: World) -> None:
    world.booking(provider_id="b1", company_slug="studio")
    answer = await world.client("read").get("/api/v1/bookings/b1")
    booking = answer.json()
    assert set(booking) == BOOKING_KEYS | ADDED_TO_BOOKING
    assert set(booking["attendees"][0]) == ATTENDEE_KEYS | {"contact_id"}
    assert set(booking["hosts"][0]) == {"id", "email", "name"}
    assert set(booking["meeting_type"]) == {"id", "slug", "name"}
    assert booking["start"] == "2026-10-23T08:00:00Z"
    assert booking["cancel"] is None
    assert booking["payment"] is None
    assert booking["notes"] is None
    assert booking["timezone"] == "Europe/Berlin"
    assert booking["in_step"] == {"team-calendar": "pending", "crm": "pending", "team-chat": "pending"}
    assert answer.headers["etag"] == '"1"'


async def test_reschedule_link_is_computed(world: World) -> None:
    world.booking(provider_id="b1", company_slug="studio nord")
    link = (await world.client().get("/api/v1/bookings/b1")).json()["reschedule_link"]
    assert link == (
        "https://cal.meetergo.com/studio%20nord/erstgespraech?reschedule=b1&email=a1%40kunde.example"
    )


@on_both_databases
async def test_newest_change_comes_first_and_cursor_leads_on(world: World) -> None:
    for number in range(5):
        world.booking(provider_id=f"b{number}")
    client = world.client()
    first = (await client.get("/api/v1/bookings", params={"limit": "2"})).json()
    assert [item["booking_id"] for item in first["items"]] == ["b4", "b3"]
    rest = (await client.get("/api/v1/bookings", params={"limit": "9", "cursor": first["next"]})).json()
    assert [item["booking_id"] for item in rest["items"]] == ["b2", "b1", "b0"]
    assert rest["next"] is None


async def test_cursor_of_other_selectors_is_refused(world: World) -> None:
    for number in range(3):
        world.booking(provider_id=f"b{number}")
    client = world.client()
    page = (await client.get("/api/v1/bookings", params={"limit": "1"})).json()
    answer = await client.get("/api/v1/bookings", params={"state": "active", "cursor": page["next"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/cursor"


async def test_lines_end_with_the_cursor_if_cut(world: World) -> None:
    for number in range(3):
        world.booking(provider_id=f"b{number}")
    client = world.client(accept="application/x-ndjson")
    cut = (await client.get("/api/v1/bookings", params={"limit": "2"})).text.splitlines()
    assert len(cut) == 3
    assert cut[-1].startswith('{"next":')
    whole = await client.get("/api/v1/bookings")
    assert len(whole.text.splitlines()) == 3
    assert whole.headers["content-type"] == "application/x-ndjson"


@on_both_databases
async def test_selectors_choose_bookings(world: World) -> None:
    world.booking(provider_id="early", start=NOON, version=at(0))
    world.booking(
        provider_id="late",
        start=NOON + timedelta(days=4),
        version=at(60),
        meeting_type_slug="vor-ort-beratung",
        meeting_type_id="mt2",
        attendees=people("Ilse"),
        hosts=(Host(id="h2", email="jon@studio.example", name="Jön"),),
    )
    cancelled = history(
        snapshot(provider_id="gone", version=at(90)),
        snapshot(provider_id="gone", version=at(95), cancelled=True),
    )
    world.happened(cancelled, recorded_at=at(95))
    client = world.client()
    assert await ids_of(client, **{"from": "2026-10-24"}) == ["late"]
    assert await ids_of(client, to="2026-10-23") == ["gone", "early"]
    assert await ids_of(client, since="2026-10-12T08:00:00Z") == ["gone", "late"]
    assert await ids_of(client, until="2026-10-12T08:00:00Z") == ["early"]
    assert await ids_of(client, state="cancelled") == ["gone"]
    assert await ids_of(client, host="h2") == ["late"]
    assert await ids_of(client, host="jon@studio.example") == ["late"]
    assert await ids_of(client, host="Jön") == ["late"]
    assert await ids_of(client, host="h") == []
    assert await ids_of(client, meeting_type="vor-ort-*") == ["late"]
    assert await ids_of(client, **{"meeting-type": "mt1"}) == ["gone", "early"]
    assert await ids_of(client, contact="ilse@kunde.example") == ["late"]
    assert await ids_of(client, contact="nobody@kunde.example") == []
    assert await ids_of(client, booking="early") == ["early"]
    assert await ids_of(client, source="elsewhere") == []


async def test_a_time_without_zone_is_the_hubs_and_said_in_full(world: World) -> None:
    world.booking(provider_id="b1")
    answer = await world.client().get(
        "/api/v1/bookings", params={"from": "2026-10-23 10:00", "to": "2026-10-23"}
    )
    assert [item["booking_id"] for item in answer.json()["items"]] == ["b1"]
    assert answer.headers["selectors-read-as"] == (
        "from=2026-10-23T10:00:00+02:00, to=2026-10-24T00:00:00+02:00"
    )


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"form": "2026-10-23"}, "/form"),
        ({"sink": "crm"}, "/sink"),
        ({"as-of": "2h"}, "/as-of"),
        ({"state": "moved"}, "/state"),
        ({"from": "tomorrow"}, "/from"),
        ({"from": "2h"}, "/from"),
        ({"since": ""}, "/since"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "1001"}, "/limit"),
        ({"cursor": "e30"}, "/cursor"),
    ],
    ids=lambda value: str(value),
)
async def test_what_is_no_selector_is_refused(world: World, query: dict[str, str], pointer: str) -> None:
    answer = await world.client().get("/api/v1/bookings", params=query)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert answer.json()["errors"][0]["pointer"] == pointer


@on_both_databases
async def test_reference_finds_by_any_id_and_by_name(world: World) -> None:
    world.booking(provider_id="6f1c2d3e-4b5a", attendees=people("Ilse", "Ödön"))
    new = world.booking(provider_id="74e2d0c9-1111", attendees=people("Jon"))
    client = world.client()

    async def found(ref: str) -> Any:
        answer = await client.get(f"/api/v1/bookings/{ref}")
        return answer.json().get("booking_id", answer.json().get("code"))

    assert await found("6f1c2d3e-4b5a") == "6f1c2d3e-4b5a"
    assert await found("6f1c2d") == "6f1c2d3e-4b5a"
    assert await found("6f1c2") == "not-found"
    assert await found("ILSE") == "6f1c2d3e-4b5a"
    assert await found("ödön") == "6f1c2d3e-4b5a"
    assert await found("ilse@kunde.example") == "6f1c2d3e-4b5a"
    assert await found(new[0].event_id) == "74e2d0c9-1111"
    assert await found(new[0].event_id[:8]) == "74e2d0c9-1111"
    assert await found("@last") == "74e2d0c9-1111"
    assert await found("mara") == "not-found"
    assert await found("%") == "not-found"


async def test_several_hits_are_listed_and_nothing_is_guessed(world: World) -> None:
    world.booking(provider_id="b-one-111", attendees=people("Ilse"))
    world.booking(provider_id="b-two-222", attendees=people("Ilse"))
    answer = await world.client().get("/api/v1/bookings/ilse")
    assert answer.status_code == 409
    assert answer.json()["code"] == "ambiguous"
    assert [hit["booking_id"] for hit in answer.json()["candidates"]] == ["b-two-222", "b-one-111"]
    assert answer.json()["candidates"][0]["attendees"] == ["Ilse"]


@on_both_databases
async def test_empty_hub_lists_nothing(world: World) -> None:
    for noun in ("bookings", "contacts", "events", "inbox", "deliveries", "operations", "issues"):
        answer = await world.client().get(f"/api/v1/{noun}")
        assert answer.json() == {"items": [], "next": None}, noun
