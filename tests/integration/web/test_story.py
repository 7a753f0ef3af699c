"""What happened to a booking, its events, and what reached the door."""

import asyncio
import json
from datetime import timedelta, timezone
from typing import Any

from hub.store import attempts, dirty, inbox, quarantine, unconfirmed
from hub.store.tables import AttemptRow, DeliveryRow, DirtyRow, InboxRow, QuarantineRow, TargetReceiptRow
from tests.factories import NOON, at, attendee, history, snapshot
from tests.integration.web.world import NOW, TOKEN, World, keys, on_both_databases

EVENT_KEYS = keys(
    """
        event_id type booking_id source position occurred_at recorded_at provenance schema_version
        causation_id data
    """
)
RECEIPT_KEYS = keys("receipt_id source received_at status reason booking_id")
DELIVERY_KEYS = keys("sink event_id key position state attempts due_at last_error")


def receipt(receipt_id: str, **overrides: Any) -> InboxRow:
    members = {
        "receipt_id": receipt_id,
        "source": "meetergo",
        "sequence": 1,
        "received_at": at(0),
        "kind": "booking_created",
        "status": "accepted",
        "provider_id": "b1",
        "digest": "d",
    } | overrides
    return InboxRow(**members)


def moved() -> list[Any]:
    return history(
        snapshot(provider_id="b1", version=at(0)),
        snapshot(provider_id="b1", version=at(60), start=NOON + timedelta(days=4), rescheduled_at=at(60)),
    )


@on_both_databases
async def test_story_has_every_part(world: World) -> None:
    facts = world.happened(moved(), recorded_at=at(61))
    target = TargetReceiptRow(
        sink="team-calendar", key="b1", part="", external_id="4k2f", url="https://calendar.example/4k2f",
        position=2, detail="created", updated_at=NOW,
    )  # fmt: skip

    def fill(session: Any) -> None:
        inbox.insert(
            session, [receipt("r_8f2a0001"), receipt("r_90c10002", status="duplicate", received_at=at(1))]
        )
        row = session.get(DeliveryRow, ("team-calendar", facts[1].event_id, "b1"))
        row.state, row.outcome, row.url = "delivered", "changed", "https://calendar.example/4k2f"
        attempts.add(
            session,
            [
                AttemptRow(
                    sink="team-calendar", event_id=facts[1].event_id, key="b1", booking_id="b1",
                    at=at(62), number=number, outcome=outcome, duration_seconds=0.2,
                )
                for number, outcome in ((1, "transient"), (2, "changed"))
            ],
        )  # fmt: skip
        session.add(target)
        dirty.mark(
            session,
            [
                DirtyRow(
                    source="meetergo", provider_id="b1", receipt_id="r_90c10002", marked_at=NOW, due_at=NOW
                )
            ],
        )
        unconfirmed.put(session, "meetergo", "b1", receipt_id="r_90c10002", detail="cancelled", now=NOW)

    world.change(fill)
    answer = await world.client("read").get("/api/v1/bookings/b1/story")
    story = answer.json()
    assert set(story) == {"booking", "inbox", "events", "deliveries", "targets", "pending", "no_match"}
    assert [item["receipt_id"] for item in story["inbox"]] == ["r_8f2a0001", "r_90c10002"]
    assert set(story["inbox"][0]) == RECEIPT_KEYS | {"provider_id", "kind"}
    assert [event["type"] for event in story["events"]] == ["BookingCreated", "BookingRescheduled"]
    assert set(story["events"][0]) == EVENT_KEYS | {"provider_id", "related", "hidden", "detail"}
    assert story["events"][1]["data"]["booking"]["reschedule_count"] == 1
    calendar = [row for row in story["deliveries"] if row["sink"] == "team-calendar"]
    assert [row["state"] for row in calendar] == ["pending", "delivered"]
    assert [attempt["outcome"] for attempt in calendar[1]["tries"]] == ["transient", "changed"]
    assert story["targets"] == [
        {
            "sink": "team-calendar", "key": "b1", "part": "", "external_id": "4k2f",
            "url": "https://calendar.example/4k2f", "position": 2, "detail": "created",
            "updated_at": "2026-10-21T12:00:00Z",
        }
    ]  # fmt: skip
    assert {item["kind"] for item in story["pending"]} == {"mark", "unconfirmed", "delivery"}
    assert story["booking"]["in_step"]["team-calendar"] == "in_step"
    assert answer.headers["etag"] == '"2"'
    found = await world.client().get("/api/v1/bookings/4k2f")
    assert found.json()["booking_id"] == "b1"


@on_both_databases
async def test_events_carry_their_data_and_the_newest_is_first(world: World) -> None:
    world.happened(moved(), recorded_at=at(61))
    world.booking(provider_id="b2")
    client = world.client("read")
    listed = (await client.get("/api/v1/events")).json()["items"]
    assert [event["position"] for event in listed] == [3, 2, 1]
    assert set(listed[0]) == EVENT_KEYS | {"provider_id", "related"}
    assert listed[1]["data"]["start"] == "2026-10-27T08:00:00Z"
    assert listed[1]["causation_id"] == "r_00000001"
    one = (await client.get(f"/api/v1/events/{listed[1]['event_id'][:8]}")).json()
    assert one == listed[1]
    assert (await client.get("/api/v1/events/2")).json() == one
    assert (await client.get("/api/v1/events/%232")).json() == one
    only = (await client.get("/api/v1/events", params={"type": "BookingRescheduled"})).json()["items"]
    assert [event["position"] for event in only] == [2]
    only = (await client.get("/api/v1/events", params={"booking": "b2"})).json()["items"]
    assert [event["position"] for event in only] == [3]
    only = (await client.get("/api/v1/events", params={"since": "2026-10-12T08:00:00Z"})).json()["items"]
    assert [event["position"] for event in only] == [2, 1]


async def test_times_of_another_zone_are_sent_with_z(world: World) -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    absent = attendee(no_show=True, no_show_at=berlin)
    world.happened(
        history(snapshot(start=berlin, end=berlin + timedelta(hours=1), attendees=[absent])),
        recorded_at=at(1),
    )
    client = world.client("read")
    events = (await client.get("/api/v1/events")).json()["items"]
    noon = NOON.isoformat().replace("+00:00", "Z")
    assert {event["data"]["booking"]["start"] for event in events} == {noon}
    booking = (await client.get("/api/v1/bookings/b1")).json()
    assert (booking["start"], booking["attendees"][0]["no_show_at"]) == (noon, noon)


async def test_stream_sends_what_happens_and_its_id_is_the_position(world: World) -> None:
    world.booking(provider_id="b1")
    world.booking(provider_id="b2")
    received = await _streamed(world, "/api/v1/events/stream", {"last-event-id": "1"}, want=b"id: 2\n")
    assert b"id: 1\n" not in received
    assert b"event: BookingCreated\n" in received
    data = next(line for line in received.decode().splitlines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["booking_id"] == "b2"


async def test_stream_begins_now_waits_and_chooses(world: World) -> None:
    world.booking(provider_id="b1")

    async def later() -> None:
        world.booking(provider_id="b2", source="other")
        world.booking(provider_id="b3")

    received = await _streamed(
        world, "/api/v1/events/stream?source=meetergo", {}, want=b"id: 3\n", once_open=later
    )
    assert b"id: 1\n" not in received
    assert b"id: 2\n" not in received


async def test_stream_refuses_what_is_no_position(world: World) -> None:
    assert (await world.client().get("/api/v1/events/stream?after=x")).status_code == 422
    assert (await world.client().get("/api/v1/events/stream?state=x")).status_code == 422


async def _streamed(
    world: World, address: str, headers: dict[str, str], *, want: bytes, once_open: Any = None
) -> bytes:
    """What a stream sends until it holds `want`; httpx would wait for its end."""
    path, _, query = address.partition("?")
    secret = world.token("read")
    received, opened, found = bytearray(), asyncio.Event(), asyncio.Event()
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "", "scheme": "http", "server": ("hub.test", 80), "client": ("127.0.0.1", 1),
        "http_version": "1.1", "asgi": {"version": "3.0"}, "extensions": {},
        "headers": [(b"authorization", f"Bearer {secret}".encode()), *given],
    }  # fmt: skip

    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await found.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        received.extend(message.get("body", b""))
        if received:
            opened.set()
        if want in received:
            found.set()

    task = asyncio.create_task(world.app(scope, receive, send))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(60):
            await opened.wait()
            if once_open is not None:
                await once_open()
            await found.wait()
    finally:
        world.services.stopping.set()
        await asyncio.wait({task}, timeout=60)
    return bytes(received)


@on_both_databases
async def test_receipts_are_listed_and_shown_with_their_masked_body(world: World) -> None:
    world.booking(provider_id="b1")
    world.inbox.bodies[1] = b'{"secret":"***"}'
    body = b'{"id":'
    bad = receipt(
        "r_bad00002",
        status="quarantined",
        reason="not JSON",
        provider_id=None,
        received_at=at(5),
        sequence=None,
    )
    kept = QuarantineRow(
        receipt_id="r_bad00002", source="meetergo", received_at=at(5), reason="not JSON", body=body
    )
    world.change(
        lambda session: (inbox.insert(session, [receipt("r_good0001"), bad]), quarantine.put(session, [kept]))
    )
    client = world.client("read")
    listed = (await client.get("/api/v1/inbox")).json()["items"]
    assert [item["receipt_id"] for item in listed] == ["r_bad00002", "r_good0001"]
    assert [item["booking_id"] for item in listed] == [None, "b1"]
    assert set(listed[0]) == RECEIPT_KEYS | {"provider_id", "kind"}
    shown = (await client.get("/api/v1/inbox/r_good")).json()
    assert shown["payload"] == '{"secret":"***"}'
    assert (await client.get("/api/v1/inbox/r_bad00002")).json()["payload"] == '{"id":'
    for query, found in (
        ({"state": "quarantined"}, ["r_bad00002"]),
        ({"booking": "b1"}, ["r_good0001"]),
        ({"since": "2026-10-12T07:35:00Z"}, ["r_bad00002"]),
        ({"source": "other"}, []),
    ):
        chosen = (await client.get("/api/v1/inbox", params=query)).json()["items"]
        assert [item["receipt_id"] for item in chosen] == found


async def test_receipt_is_reprocessed(world: World) -> None:
    kept = QuarantineRow(receipt_id="r_bad00002", source="meetergo", received_at=NOW, reason="x", body=b"")
    rows = [receipt("r_good0001"), receipt("r_bad00002", status="quarantined")]
    world.change(lambda session: (inbox.insert(session, rows), quarantine.put(session, [kept])))
    client = world.client("operate")
    tried = await client.post("/api/v1/inbox/r_bad00002/reprocess", json={"dry_run": True})
    assert (tried.status_code, world.reprocessed) == (200, [])
    done = await client.post("/api/v1/inbox/r_bad0/reprocess")
    assert (done.status_code, world.reprocessed) == (202, ["r_bad00002"])
    assert (await client.post("/api/v1/inbox/r_good0001/reprocess")).status_code == 422
    assert (await client.post("/api/v1/inbox/r_none/reprocess")).status_code == 404


async def test_payload_is_posted_to_our_own_door(world: World) -> None:
    answer = await world.client("operate").post("/api/v1/inbox/send", content=b'{"id": "x"}')
    assert answer.json() == {"receipt": "r_new", "status": "accepted", "source": "meetergo"}
    assert world.door.received == [(f"/webhooks/meetergo/{TOKEN}", b'{"id": "x"}')]


async def test_refusal_of_the_door_names_the_receipt(world: World) -> None:
    world.door.status = 400
    world.door.body = b'{"detail":"not a JSON object; kept in quarantine","receipt":"r_kept"}'
    answer = await world.client("operate").post("/api/v1/inbox/send", content=b"[]")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["receipt"] == "r_kept"
    assert "quarantine" in answer.json()["detail"]
    world.door.status = 503
    answer = await world.client("operate").post("/api/v1/inbox/send", content=b"{}")
    assert answer.status_code == 503
    answer = await world.client("operate").post("/api/v1/inbox/send?source=other", content=b"{}")
    assert answer.status_code == 404


@on_both_databases
async def test_contacts_have_every_key_of_the_contract(world: World) -> None:
    world.happened(moved(), recorded_at=at(61))
    world.booking(provider_id="b2", attendees=["a1", "a2"])
    client = world.client("read")
    listed = (await client.get("/api/v1/contacts")).json()["items"]
    assert set(listed[0]) == keys(
        """
        contact_id email phone name booking_count cancellation_count reschedule_count no_show_count
        last_no_show_at last_cancellation_reason first_seen_at last_seen_at
    """
    )
    one = (await client.get("/api/v1/contacts/a1@kunde.example")).json()
    assert (one["booking_count"], one["reschedule_count"]) == (2, 1)
    assert (await client.get("/api/v1/contacts/person a2")).json()["email"] == "a2@kunde.example"
    assert (await client.get("/api/v1/contacts/person")).status_code == 409
    only = (await client.get("/api/v1/contacts", params={"booking": "b1"})).json()["items"]
    assert [item["email"] for item in only] == ["a1@kunde.example"]
