"""From a body to a receipt: the same outcome as when it is read again, and a digest of what it says."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import MeetergoConfig
from events.derive import derive
from events.envelope import Envelope
from hub.ingest.contacts import with_contacts
from hub.ingest.intake import Intake, read_stored
from hub.log.inbox_log import NewReceipt, StoredReceipt
from tests.unit.adapters.meetergo.payloads import WEBHOOKS, created, payload

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOURCE = MeetergoSource(MeetergoConfig(), instance="meetergo")
INTAKE = Intake(SOURCE)


class Identities:
    def contact_id(
        self, source: str, attendee_id: str | None, *, email: str | None = None, phone: str | None = None
    ) -> str:
        return f"c-{email or phone or attendee_id}"


def received(body: Any, *, intake: Intake = INTAKE, at: datetime = NOW) -> NewReceipt:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return intake.receive(content, received_at=at)[0]


def stored(receipt: NewReceipt) -> StoredReceipt:
    return StoredReceipt(**{name: getattr(receipt, name) for name in receipt.__slots__})


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_receipt_is_read_again_as_it_was_received(name: str) -> None:
    receipt = received(payload(name))
    reading = read_stored(SOURCE, stored(receipt))
    assert (receipt.status, receipt.reason) == ("accepted", None)
    assert (reading.outcome, reading.provider_id, reading.kind) == (
        "booking",
        receipt.provider_id,
        receipt.kind,
    )


def test_a_receipt_knows_which_version_it_shows_and_who_attends() -> None:
    body = created() | {"updatedAt": "2026-11-19T10:00:01.750Z"}
    receipt, (attendee,) = received(body), body["attendees"]
    assert receipt.version == datetime(2026, 11, 19, 10, 0, 1, tzinfo=UTC)
    assert receipt.attendee_ids == (attendee["id"],)
    many = [attendee | {"id": f"{number:036d}"} for number in range(200)]
    assert received(body | {"attendees": many}).attendee_ids is None
    unread = received(body | {"start": None})
    assert (unread.status, unread.version, unread.attendee_ids) == ("quarantined", None, None)


@pytest.mark.parametrize("kind", ["booking_created", "booking_cancelled", "booking_rescheduled"])
def test_flat_and_wrapped_copies_have_one_digest(kind: str) -> None:
    flat, wrapped = (received(payload(f"webhook_{kind}.{style}.json")) for style in ("flat", "wrapped"))
    assert flat.digest == wrapped.digest
    assert flat.receipt_id != wrapped.receipt_id


def test_a_digest_is_of_what_is_said_not_of_how_it_is_written() -> None:
    body = created(location="Grüße")
    same = [
        json.dumps(body).encode(),
        json.dumps(body, ensure_ascii=False, indent=2).encode(),
        json.dumps(dict(reversed(body.items()))).encode(),
        json.dumps(body | {"secret": "another-secret"}).encode(),
    ]
    assert len({received(one).digest for one in same}) == 1
    others = [created(location="Gruß"), created(location="Grüße", webhookType="booking_cancelled"), {}]
    assert len({received(one).digest for one in (*others, body)}) == 4
    elsewhere = Intake(MeetergoSource(MeetergoConfig(), instance="other"))
    assert received(body, intake=elsewhere).digest != received(body).digest


def test_bodies_that_do_not_parse_have_digests_too() -> None:
    assert received(b"[").digest == received(b"[").digest != received(b"[ ").digest


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"updatedAt": ..., "createdAt": ..., "rescheduledAt": ...}, "no version"),
        ({"updatedAt": "2026-11-21T12:00:01Z"}, "more than 24 h after its receipt"),
        ({"id": "ä" * 190}, "too long to be stored"),
        ({"attendees": [{"id": str(n)} for n in range(501)]}, "attendees: more than 500"),
    ],
    ids=["no version", "from the future", "long id", "too many attendees"],
)
def test_what_cannot_be_taken_on_trust_waits_for_a_person(members: dict[str, Any], reason: str) -> None:
    receipt = received(created(**members))
    assert receipt.status == "quarantined"
    assert receipt.reason is not None
    assert reason in receipt.reason


def test_a_clock_that_is_a_day_ahead_is_forgiven() -> None:
    assert received(created(updatedAt="2026-11-21T12:00:00Z")).status == "accepted"


def test_its_own_kind_cannot_be_abused_as_a_text() -> None:
    receipt = received({"webhookType": "a guest's\nname " + "x" * 100})
    assert receipt.kind == "a_guest_s_name_" + "x" * 49


def test_an_id_is_given_by_the_time_of_receipt_and_cannot_be_guessed() -> None:
    ids = [received({}, at=NOW + timedelta(microseconds=n)).receipt_id for n in range(100)]
    assert ids == sorted(ids)
    assert len({receipt_id[-12:] for receipt_id in ids}) == 100


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    found = [path] if path else []
    for key, member in members:
        found += places(member, (*path, key))
    return found


@given(st.sampled_from(WEBHOOKS), st.data())
def test_whatever_a_sample_is_turned_into_ends_as_a_receipt_and_as_facts_that_can_be_stored(
    name: str, data: st.DataObject
) -> None:
    body = deepcopy(payload(name))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(body)))
        inside: Any = body
        for step in path:
            inside = inside[step]
        inside[last] = data.draw(VALUES)
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    receipt, problem = INTAKE.receive(content, received_at=NOW)
    assert receipt.status in ("accepted", "ignored", "quarantined")
    assert (receipt.reason is not None) >= (receipt.status == "quarantined")
    reading = read_stored(SOURCE, stored(receipt))
    if problem is not None:
        return
    outcome = {"booking": "accepted", "ignored": "ignored", "unreadable": "quarantined"}[reading.outcome]
    assert (receipt.status, receipt.provider_id) == (outcome, reading.provider_id)
    if reading.snapshot is not None:
        for fact in derive(None, with_contacts(reading.snapshot, None, Identities())):
            message = Envelope.of(fact, provenance="webhook").to_message()
            assert Envelope.from_message(json.loads(json.dumps(message))).event == fact
