"""Sealing with a key per contact: what is on disk, who can read it, and what forgetting does."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events import Envelope
from events.snapshot import GuestSnapshot
from events.state import Cancel
from hub.errors import LogError
from hub.log import EventLog, LogConnection, OpenedLog, Privacy, connect, open_streams
from hub.log.keys import Keyring
from hub.log.publish import Message, expected_version, store
from hub.log.subjects import event_subject, history_filter, key_subject, stream_name
from tests.factories import at, attendee, history, snapshot
from tests.nats_process import NatsProcess

ILSE = {"email": "Ilse.Brandvold@kunde.example", "name": "Ilse Brandvold", "phone": "+49 30 2312 5306"}
B1 = ("meetergo", "b1")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def own_log(own_server: NatsProcess) -> AsyncIterator[tuple[EventLog, Privacy]]:
    async with await connect(own_server.address) as connection:
        await open_streams(connection, prefix="hub", installation_id="i1", events_known=False)
        privacy = Privacy(connection, "hub")
        await privacy.load()
        yield EventLog(connection, privacy, "hub"), privacy


def personal_booking(privacy: Privacy, provider_id: str = "b1") -> list[Envelope]:
    """A booking of two that says something personal wherever it can, moved nowhere, then cancelled."""
    ilse = attendee("a1", contact_id=privacy.contact_id("meetergo", "a1", email=ILSE["email"]), **ILSE)
    jon = attendee(
        "a2",
        contact_id=privacy.contact_id("meetergo", "a2", email="jon@kunde.example"),
        email="jon@kunde.example",
        name="Jon Ekdal",
    )
    guest = "guest@kunde.example"
    members = {
        "provider_id": provider_id,
        "attendees": (ilse, jon),
        "booker": ilse.contact_id,
        "guests": (GuestSnapshot(contact_id=privacy.contact_id("meetergo", None, email=guest), email=guest),),
        "notes": "secret-notes",
        "answers": {"why": "secret-answer"},
        "location": "secret-street 5",
    }
    cancel = Cancel(at=at(5), reason="secret-reason")
    facts = history(
        snapshot(**members),
        snapshot(**members, cancelled=True, cancel=cancel, version=at(5), updated_at=at(5)),
    )
    return [Envelope.of(fact, provenance="webhook") for fact in facts]


async def name_of_second(log: EventLog) -> str | None:
    (envelope,) = await log.read(0, 1)
    assert envelope.booking is not None
    return envelope.booking.attendees[1].name


SECRETS = (
    b"Ilse.Brandvold",
    b"ilse.brandvold",
    b"Ilse Brandvold",
    b"2312 5306",
    b"Jon Ekdal",
    b"jon@kunde",
    b"guest@kunde",
    b"secret-notes",
    b"secret-answer",
    b"secret-street",
    b"secret-reason",
)


async def test_nothing_personal_is_on_disk_and_everything_comes_back(
    own_log: tuple[EventLog, Privacy], own_server: NatsProcess
) -> None:
    log, privacy = own_log
    batch = personal_booking(privacy)
    assert any(secret in json.dumps(batch[-1].to_message()).encode() for secret in SECRETS)
    await log.append(batch, expected={B1: 0})
    assert [envelope.event for envelope in await log.read(0, 10)] == [envelope.event for envelope in batch]

    own_server.kill()
    disk = own_server.bytes_on_disk()
    assert b"Erstgespr" in disk
    assert [secret for secret in SECRETS if secret in disk] == []
    assert [secret for secret in SECRETS if base64.b64encode(secret)[:-4] in disk] == []


async def test_a_forgotten_person_is_unreadable_and_their_key_is_gone_from_disk(
    own_log: tuple[EventLog, Privacy], own_server: NatsProcess
) -> None:
    log, privacy = own_log
    await log.append(personal_booking(privacy), expected={B1: 0})
    jon = privacy.contact_id("meetergo", "a2", email="jon@kunde.example")
    stream_seq = {}
    async with await connect(own_server.address) as connection:
        for contact_id in (jon, privacy.contact_id("meetergo", "a1", email=ILSE["email"])):
            answer = await connection.api(
                "STREAM.MSG.GET.HUB_KEYS", {"last_by_subj": key_subject("hub", contact_id)}
            )
            stream_seq[contact_id] = base64.b64decode(answer["message"]["data"])
    key_of_jon, key_of_ilse = stream_seq.values()
    assert key_of_jon in own_server.bytes_on_disk()

    assert await privacy.forget(jon)
    assert not await privacy.forget(jon)

    disk = own_server.bytes_on_disk()
    assert key_of_jon not in disk
    assert key_of_jon[8:] not in disk
    assert key_of_ilse in disk
    for envelope in await log.read(0, 10):
        assert envelope.booking is not None
        ilse, gone = envelope.booking.attendees
        assert (gone.email, gone.name, gone.phone) == (None, None, None)
        assert (gone.attendee_id, gone.contact_id) == ("a2", jon)
        assert (ilse.email, ilse.name, ilse.phone) == tuple(ILSE.values())
        assert envelope.booking.notes == "secret-notes"


async def test_forgetting_the_booker_empties_all_they_typed(event_log: EventLog, privacy: Privacy) -> None:
    await event_log.append(personal_booking(privacy), expected={B1: 0})
    await privacy.forget(privacy.contact_id("meetergo", "a1", email=ILSE["email"]))
    created, cancelled = await event_log.read(0, 10)
    for envelope in (created, cancelled):
        assert envelope.booking is not None
        assert (envelope.booking.notes, envelope.booking.answers, envelope.booking.location) == (
            None,
            None,
            None,
        )
        assert envelope.booking.last_reason is None
        assert envelope.booking.attendees[1].name == "Jon Ekdal"
    assert cancelled.booking is not None
    assert cancelled.booking.cancel is not None
    assert cancelled.booking.cancel.reason is None
    assert cancelled.booking.cancel.at == at(5)


async def test_open_names_the_forgotten(privacy: Privacy) -> None:
    messages = [envelope.to_message() for envelope in personal_booking(privacy)]
    await privacy.seal_all(messages)
    jon = privacy.contact_id("meetergo", "a2", email="jon@kunde.example")
    await privacy.forget(jon)
    assert await privacy.open_all(messages) == frozenset({jon})


async def test_a_forgotten_person_who_comes_back_gets_a_new_key(
    event_log: EventLog, privacy: Privacy
) -> None:
    await event_log.append(personal_booking(privacy), expected={B1: 0})
    jon = privacy.contact_id("meetergo", "a2", email="jon@kunde.example")
    await privacy.forget(jon)
    await event_log.append(personal_booking(privacy, "b2"), expected={("meetergo", "b2"): 0})

    names = [
        envelope.booking.attendees[1].name
        for envelope in await event_log.read(0, 10)
        if envelope.booking is not None
    ]
    assert names == [None, None, "Jon Ekdal", "Jon Ekdal"]


async def test_another_hub_sees_new_keys_and_forgotten_ones(
    event_log: EventLog, privacy: Privacy, nats_server: NatsProcess, prefix: str
) -> None:
    async with await connect(nats_server.address) as connection:
        other_privacy = Privacy(connection, prefix)
        await other_privacy.load()
        other = EventLog(connection, other_privacy, prefix)
        assert other_privacy.contact_id("m", None, email="x@y.example") == privacy.contact_id(
            "m", None, email="x@y.example"
        )
        await event_log.append(personal_booking(privacy), expected={B1: 0})
        jon = privacy.contact_id("meetergo", "a2", email="jon@kunde.example")
        assert await name_of_second(other) == "Jon Ekdal"

        await privacy.forget(jon)
        async with asyncio.timeout(60):
            while await name_of_second(other) is not None:
                pass
        # What the other hub appends now must not be sealed with the key that is gone.
        await other.append(personal_booking(other_privacy, "b2"), expected={("meetergo", "b2"): 0})
        newest = (await event_log.head("meetergo", "b2"))[0]
        assert newest is not None
        assert newest.booking is not None
        assert newest.booking.attendees[1].name == "Jon Ekdal"


async def test_racing_hubs_agree_on_one_secret_and_one_key_per_contact(
    nats_server: NatsProcess, streams: OpenedLog, prefix: str
) -> None:
    connections = [await connect(nats_server.address) for _ in range(4)]
    hubs = [Privacy(connection, prefix) for connection in connections]
    await asyncio.gather(*(hub.load() for hub in hubs))
    assert len({hub.contact_id("m", None, email="a@b.example") for hub in hubs}) == 1
    contacts = [f"c{number}" for number in range(20)]
    rings = await asyncio.gather(*(hub.ensure_keys(contacts) for hub in hubs for _ in range(2)))
    for contact in contacts:
        assert len({ring[contact].id for ring in rings}) == 1
    for connection in connections:
        await connection.close()


async def test_a_sealed_text_opens_nowhere_else(
    event_log: EventLog, privacy: Privacy, connection: LogConnection, prefix: str
) -> None:
    (first, _) = personal_booking(privacy)
    stolen = first.to_message()
    await privacy.seal_all([stolen])
    forged = json.loads(json.dumps(stolen))
    forged["id"] = "another-event"
    with pytest.raises(LogError, match="changed after sealing"):
        await privacy.open_all([forged])
    swapped = json.loads(json.dumps(stolen))
    attendees = swapped["data"]["booking"]["attendees"]
    attendees[0]["contact_id"] = attendees[1]["contact_id"]
    attendees[0]["_sealed"] = attendees[1]["_sealed"]
    with pytest.raises(LogError, match="changed after sealing"):
        await privacy.open_all([swapped])
    subject = event_subject(prefix, *B1, first.type, first.event_id)
    await store(
        connection,
        stream_name(prefix, "events"),
        [Message(subject, json.dumps(forged).encode(), expected_version(0, history_filter(prefix, *B1)))],
    )
    with pytest.raises(LogError, match="changed after sealing"):
        await event_log.read(0, 1)


async def test_the_cache_is_bounded_and_reads_what_it_dropped(
    privacy: Privacy, connection: LogConnection, prefix: str
) -> None:
    ring = Keyring(connection, prefix, capacity=3)
    contacts = [f"c{number}" for number in range(10)]
    made = await ring.ensure(contacts)
    again = await ring.load({contact: frozenset() for contact in contacts})
    assert {contact: key.id for contact, key in made.items()} == {
        contact: key.id for contact, key in again.items()
    }
    assert await privacy.preload(["nobody"]) == {}


async def test_more_contacts_than_one_question_can_name_are_loaded(
    connection: LogConnection, streams: OpenedLog, prefix: str
) -> None:
    contacts = [f"c{number}" for number in range(1200)]
    ring, fresh = Keyring(connection, prefix), Keyring(connection, prefix)
    await ring.ensure(contacts)
    assert set(await fresh.load({contact: frozenset() for contact in contacts})) == set(contacts)


async def test_the_same_person_has_the_same_id_everywhere(privacy: Privacy) -> None:
    def contact_id(source: str = "meetergo", attendee_id: str | None = "a1", **known: str) -> str:
        return privacy.contact_id(source, attendee_id, **known)

    mail = contact_id(email="Ilse@Kunde.example ")
    assert mail == contact_id("calcom", "other", email="ilse@kunde.example", phone="+4930")
    assert mail != contact_id(email="ilse+x@kunde.example")
    phone = contact_id(phone="+49 (30) 2312-5306")
    assert phone == contact_id("calcom", None, phone="+493023125306", email="  ")
    assert phone != mail
    alone = contact_id()
    assert alone != contact_id("calcom") != contact_id(attendee_id="a2")
    assert alone == contact_id(phone=" - ", email="")
    assert len({mail, phone, alone}) == 3
    assert {len(one) for one in (mail, phone, alone)} == {32}
    with pytest.raises(ValueError, match="needs a mail"):
        contact_id(attendee_id=None)


async def test_a_contact_id_does_not_say_whose_it_is(privacy: Privacy, connection: LogConnection) -> None:
    other_prefix = f"other{datetime.now(UTC).timestamp():.0f}"
    await open_streams(connection, prefix=other_prefix, installation_id="i2", events_known=False)
    other = Privacy(connection, other_prefix)
    await other.load()
    mail = "ilse@kunde.example"
    assert privacy.contact_id("m", None, email=mail) != other.contact_id("m", None, email=mail)
    for kind in ("events", "inbox", "keys"):
        await connection.api(f"STREAM.DELETE.{stream_name(other_prefix, kind)}")
