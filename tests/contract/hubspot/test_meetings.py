"""The mirror contract for meetings, on our stand-in, and which calls they take."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from adapters.api import AdapterContext, Receipt
from adapters.errors import PermanentError, TransientError
from adapters.hubspot.config import HubSpotMeetingsConfig
from adapters.hubspot.meetings import HubSpotMeetingsSink
from adapters.hubspot.simulator import TOKEN, create_app, meetings, meetings_config
from adapters.testing import MirrorContract, SimulatedSide, SimulatorServer, sample_states
from events import Booking
from tests.contract.hubspot.stand_in import Account, context

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()
MAILS = ["bo@kunde.example", "quendolin@kunde.example"]


def made(url: str, given: AdapterContext, **members: Any) -> HubSpotMeetingsSink:
    settings = HubSpotMeetingsConfig.model_validate(meetings_config(url) | members)
    return HubSpotMeetingsSink(settings, given)


class TestHubSpotMeetings(MirrorContract):
    secrets = (TOKEN,)
    forbidden = meetings.forbidden
    cannot = meetings.cannot

    @pytest.fixture(autouse=True)
    def _served(self, hubspot_server: SimulatorServer) -> None:
        self.server = hubspot_server

    def other_side(self) -> SimulatedSide:
        return SimulatedSide(self.server, create_app(tokens=[TOKEN], seen=["meetings"]))

    def sink(self, context: AdapterContext) -> HubSpotMeetingsSink:
        return made(self.server.url, context)


@pytest.fixture
async def sink(account: Account) -> AsyncIterator[HubSpotMeetingsSink]:
    sink = made(account.url, context())
    yield sink
    await sink.context.http.aclose()


async def bring(
    sink: HubSpotMeetingsSink, booking: Booking, receipts: Mapping[str, Receipt | None] | None = None
) -> dict[str, Receipt | None]:
    """Every wanted part, then those held but no longer wanted, as the hub does."""
    held = dict(receipts or {})
    wanted = sink.parts(booking)
    for part in (*wanted, *(part for part in held if part not in wanted)):
        held[part] = await sink.sync(booking if part in wanted else None, part, held.get(part))
    return {part: receipt for part, receipt in held.items() if receipt is not None}


def shown(account: Account) -> dict[str, dict[str, Any]]:
    """The meetings by the contact they are on."""
    found = {key: value for key, value in account.objects().items() if key.startswith("meetings/")}
    return {value["contacts"][0]: value for value in found.values() if len(value["contacts"]) == 1}


async def test_each_attendee_has_a_meeting_on_their_contact(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    receipts = await bring(sink, BOOKED)
    assert sorted(shown(account)) == MAILS
    assert {one["hs_meeting_outcome"] for one in shown(account).values()} == {"SCHEDULED"}
    account.forget_calls()
    receipts = await bring(sink, MISSED, receipts)
    assert account.made() == ["meetings.update", "meetings.update"]
    outcomes = {mail: one["hs_meeting_outcome"] for mail, one in shown(account).items()}
    assert outcomes == {MAILS[0]: "SCHEDULED", MAILS[1]: "NO_SHOW"}
    await bring(sink, CANCELLED, receipts)
    assert {one["hs_meeting_outcome"] for one in shown(account).values()} == {"CANCELED"}


async def test_a_corrected_address_moves_the_meeting_to_the_other_contact(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    receipts = await bring(sink, BOOKED)
    right = BOOKED.attendees[0].model_copy(
        update={"contact_id": "c-9", "email": "q.right@kunde.example", "former_contact_ids": ("c-1",)}
    )
    corrected = BOOKED.with_attendee(right).model_copy(update={"position": 30})
    receipts = await bring(sink, corrected, receipts)
    assert sorted(shown(account)) == ["bo@kunde.example", "q.right@kunde.example"]
    assert sorted(receipts) == ["c-2", "c-9"]


async def test_somebody_forgotten_has_no_meeting_any_more(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    receipts = await bring(sink, BOOKED)
    nobody = BOOKED.attendees[0].model_copy(update={"email": None, "name": None, "phone": None})
    forgotten = BOOKED.with_attendee(nobody).model_copy(update={"position": 30, "notes": None})
    assert list(await bring(sink, forgotten, receipts)) == ["c-2"]
    assert list(shown(account)) == ["bo@kunde.example"]


async def test_killed_before_its_receipt_a_meeting_can_still_be_removed(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    announced = sink.intended(BOOKED, "c-1")
    await sink.sync(BOOKED, "c-1", announced)
    assert await sink.sync(None, "c-1", announced) is None
    assert shown(account) == {}


async def test_a_meeting_that_was_not_tied_yet_is_tied_at_the_next_call(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    account.fault(kind="disconnect", on="meetings.associate")
    with pytest.raises(TransientError):
        await sink.sync(BOOKED, "c-1", None)
    assert shown(account) == {}
    await sink.sync(BOOKED, "c-1", None)
    assert list(shown(account)) == ["quendolin@kunde.example"]


async def test_without_create_contacts_only_known_ones_get_a_meeting(account: Account) -> None:
    sink = made(account.url, context(), create_contacts=False)
    account.add("bo@kunde.example")
    try:
        receipts = await bring(sink, BOOKED)
    finally:
        await sink.context.http.aclose()
    assert list(shown(account)) == ["bo@kunde.example"]
    missing = receipts["c-1"]
    assert missing is not None
    assert (missing.external_id, missing.detail) == ("", "no such contact")
    assert list(account.contacts()) == ["bo@kunde.example"]


async def test_an_outcome_the_account_does_not_have_is_named(account: Account) -> None:
    sink = made(account.url, context(), meeting={"outcomes": {"booked": "BOOKED"}})
    try:
        with pytest.raises(PermanentError, match="INVALID_OPTION hs_meeting_outcome"):
            await sink.sync(BOOKED, "c-1", None)
    finally:
        await sink.context.http.aclose()


async def test_what_stands_there_compares_with_what_would_be_written(
    account: Account, sink: HubSpotMeetingsSink
) -> None:
    await sink.open()
    receipts: dict[str, Receipt | None] = {}
    for state in sample_states():
        receipts = await bring(sink, state, receipts)
        for part, receipt in receipts.items():
            observed = await sink.observe(state.booking_id, part, receipt)
            assert observed is not None
            assert observed.fields == sink.preview(state, part)
            assert (
                observed.url
                == f"https://app-eu1.hubspot.com/contacts/4711/record/0-47/{observed.external_id}"
            )
    assert await sink.observe(BOOKED.booking_id, "c-1", None) is None


async def test_the_properties_of_meetings_are_made(hubspot_server: SimulatorServer) -> None:
    bare = Account(hubspot_server, prepare=False)
    sink = made(bare.url, context())
    needed = ["meetings.hub_meeting (string)", "meetings.hub_position (string)"]
    try:
        with pytest.raises(PermanentError, match=r"hub_meeting, hub_position on meetings"):
            await sink.open()
        assert await sink.prepare() == needed
        await sink.open()
        assert await sink.prepare() == []
    finally:
        await sink.context.http.aclose()
    made_property = bare.by_hand("GET", "properties/2026-09/meetings/hub_meeting").json()
    assert (made_property["hasUniqueValue"], made_property["groupName"]) == (True, "meeting")
