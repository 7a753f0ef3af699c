"""The properties the sink needs: found missing, made once, and what cannot be repaired."""

from collections.abc import Callable

import pytest

from adapters.errors import PermanentError, TransientError
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import SimulatorServer, sample_contacts
from tests.contract.hubspot.stand_in import Account

NEEDED = [
    "contacts.hub_contact (string)",
    "contacts.hub_position (string)",
    "contacts.hub_booking_count (number)",
    "contacts.hub_reschedule_count (number)",
    "contacts.hub_no_show_count (number)",
    "contacts.hub_last_no_show (date)",
]


@pytest.fixture
def bare(hubspot_server: SimulatorServer) -> Account:
    """An account nobody has prepared."""
    return Account(hubspot_server, prepare=False)


@pytest.fixture
def sink(bare: Account, make: Callable[..., HubSpotSink]) -> HubSpotSink:
    return make(bare)


async def test_a_sink_does_not_open_before_its_properties_are_there(bare: Account, sink: HubSpotSink) -> None:
    with pytest.raises(PermanentError, match=r"no property hub_contact, hub_position, .*sinks prepare crm"):
        await sink.open()
    await sink.prepare()
    await sink.open()
    await sink.sync(sample_contacts()[2], "", None)
    assert len(bare.contacts()) == 1


async def test_what_is_missing_is_made_once(bare: Account, sink: HubSpotSink) -> None:
    assert await sink.prepare(dry_run=True) == NEEDED
    assert "contacts.define" not in bare.made()
    assert await sink.prepare() == NEEDED
    assert await sink.prepare() == []
    shown = bare.by_hand("GET", "properties/2026-09/contacts/hub_contact").json()
    assert (shown["type"], shown["fieldType"], shown["hasUniqueValue"]) == ("string", "text", True)
    shown = bare.by_hand("GET", "properties/2026-09/contacts/hub_last_no_show").json()
    assert (shown["type"], shown["fieldType"], shown["groupName"]) == ("date", "date", "contactinformation")
    bare.forget_property("hub_no_show_count")
    assert await sink.prepare() == ["contacts.hub_no_show_count (number)"]


async def test_a_property_made_meanwhile_is_not_ours_and_no_failure(bare: Account, sink: HubSpotSink) -> None:
    await sink.prepare()
    bare.forget_property("hub_no_show_count")
    bare.fault(kind="status", status=409, on="contacts.define")
    assert await sink.prepare() == []


async def test_a_lost_answer_is_made_good_by_asking_again(bare: Account, sink: HubSpotSink) -> None:
    bare.fault(kind="lost_reply", on="contacts.define", skip=2)
    with pytest.raises(TransientError):
        await sink.prepare()
    assert await sink.prepare() == NEEDED[3:]
    await sink.open()


async def test_an_identity_without_unique_values_cannot_be_used(bare: Account, sink: HubSpotSink) -> None:
    body = {
        "name": "hub_contact",
        "label": "x",
        "type": "string",
        "fieldType": "text",
        "groupName": "contactinformation",
    }
    bare.by_hand("POST", "properties/2026-09/contacts", json=body).raise_for_status()
    for act in (sink.open, sink.prepare):
        with pytest.raises(PermanentError, match=r"hub_contact .* does not have unique values"):
            await act()
