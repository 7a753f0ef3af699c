"""Which contact is written, in which calls, and what happens when several could be meant."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapters.api import Receipt
from adapters.errors import AuthError, PermanentError, TransientError
from adapters.http import HttpClient
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import sample_contacts
from events import Contact
from tests.contract.hubspot.stand_in import Account, context, sink_on

BOOKED, MOVED, MISSED, REVERTED, HANDED_OVER = sample_contacts()
MAIL = "quendolin@kunde.example"
OTHER = Contact(contact_id="c-2", email="q.new@kunde.example", booking_count=1, no_show_count=3, position=27)

MakeSink = Callable[..., HubSpotSink]


async def walk(sink: HubSpotSink, *states: Contact) -> Receipt | None:
    receipt: Receipt | None = None
    for state in states:
        receipt = await sink.sync(state, "", receipt)
    return receipt


async def test_a_contact_hubspot_does_not_know_is_made(account: Account, sink: HubSpotSink) -> None:
    receipt = await sink.sync(MISSED, "", None)
    assert account.contact(MAIL) == {
        "hub_booking_count": "1",
        "hub_reschedule_count": "1",
        "hub_no_show_count": "1",
        "hub_last_no_show": "2026-10-23",
        "hub_contact": "c-1",
        "hub_position": "1:19",
    }
    assert receipt is not None
    assert (receipt.detail, receipt.position) == ("created", 19)
    assert account.made() == ["contacts.read", "contacts.read", "contacts.create"]


async def test_a_known_contact_is_found_by_its_address_in_any_case(
    account: Account, sink: HubSpotSink
) -> None:
    made = account.add("QUENDOLIN@Kunde.example", firstname="Quendolin")
    account.forget_calls()
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    assert (receipt.external_id, receipt.detail) == (made, "changed")
    shown = account.contact(MAIL)
    assert (shown["firstname"], shown["hub_booking_count"]) == ("Quendolin", "1")
    assert account.made() == ["contacts.read", "contacts.read", "contacts.update"]


async def test_a_later_state_is_one_call(account: Account, sink: HubSpotSink) -> None:
    receipt = await sink.sync(BOOKED, "", None)
    account.forget_calls()
    receipt = await sink.sync(MISSED, "", receipt)
    assert receipt is not None
    assert (receipt.detail, receipt.position) == ("changed", 19)
    assert account.made() == ["contacts.update"]


async def test_a_later_state_that_says_the_same_is_looked_up_and_not_written(
    account: Account, sink: HubSpotSink
) -> None:
    receipt = await sink.sync(MISSED, "", None)
    account.forget_calls()
    receipt = await sink.sync(MISSED.model_copy(update={"position": 50}), "", receipt)
    assert receipt is not None
    assert (receipt.detail, receipt.position) == ("unchanged", 50)
    assert account.made() == ["contacts.read"]


async def test_a_state_that_comes_back_after_a_lost_reply_is_written(
    account: Account, sink: HubSpotSink
) -> None:
    receipt = await walk(sink, BOOKED, MOVED)
    account.lose_next_reply()
    with pytest.raises(TransientError):
        await sink.sync(MISSED, "", receipt)
    assert account.contact(MAIL)["hub_no_show_count"] == "1"
    await sink.sync(REVERTED, "", receipt)
    assert account.contact(MAIL)["hub_no_show_count"] == "0"


async def test_without_create_only_known_contacts_are_kept(account: Account, make: MakeSink) -> None:
    sink = make(account, create=False)
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    assert (receipt.detail, receipt.external_id) == ("not there", "")
    assert account.objects() == {}
    account.add(MAIL)
    receipt = await sink.sync(MISSED, "", receipt)
    assert receipt is not None
    assert receipt.detail == "changed"
    assert account.contact(MAIL)["hub_no_show_count"] == "1"


async def test_somebody_else_makes_the_contact_between_two_calls(account: Account, sink: HubSpotSink) -> None:
    made = account.add(MAIL)
    account.fault(kind="status", status=404, on="contacts.read", times=2)
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    assert (receipt.external_id, receipt.detail) == (made, "changed")
    assert [call["status"] for call in account.called()][-4:] == [409, 404, 200, 200]


async def test_an_address_that_is_taken_and_not_found_is_followed_by_id(
    account: Account, sink: HubSpotSink
) -> None:
    made = account.add(MAIL)
    account.fault(kind="status", status=404, on="contacts.read", times=4)
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    assert receipt.external_id == made
    assert [call["by"] for call in account.called()][-2:] == [None, None]


async def test_a_contact_that_stays_out_of_reach_is_tried_again_later(
    account: Account, sink: HubSpotSink
) -> None:
    account.add(MAIL)
    account.fault(kind="status", status=404, on="contacts.read", times=None)
    with pytest.raises(TransientError, match="changes hands"):
        await sink.sync(BOOKED, "", None)


async def test_a_contact_deleted_between_two_calls_is_made_again(account: Account, sink: HubSpotSink) -> None:
    first = account.add(MAIL)
    account.fault(kind="status", status=404, on="contacts.update")
    receipt = await walk(sink, BOOKED)
    assert receipt is not None
    assert receipt.external_id == first
    account.by_hand("DELETE", f"objects/2026-09/contacts/{first}")
    receipt = await sink.sync(MISSED, "", receipt)
    assert receipt is not None
    assert (receipt.detail, receipt.external_id != first) == ("created", True)
    assert account.contact(MAIL)["hub_no_show_count"] == "1"


async def test_a_contact_merged_away_is_followed(account: Account, sink: HubSpotSink) -> None:
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    merged = account.merge(receipt.external_id, account.add("q@work.example", firstname="Q"))
    receipt = await sink.sync(MISSED, "", receipt)
    assert receipt is not None
    assert receipt.external_id == merged
    assert list(account.contacts()) == [MAIL]
    assert account.contact(MAIL)["hub_no_show_count"] == "1"


async def test_a_person_who_changes_the_address_in_hubspot_keeps_the_counters(
    account: Account, sink: HubSpotSink
) -> None:
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    body = {"properties": {"email": "corrected@kunde.example"}}
    path = f"objects/2026-09/contacts/{receipt.external_id}"
    account.by_hand("PATCH", path, json=body).raise_for_status()
    for known in (receipt, None):
        await sink.sync(MISSED, "", known)
        assert list(account.contacts()) == ["corrected@kunde.example"]
        assert account.contact("corrected@kunde.example")["hub_no_show_count"] == "1"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_of_two_addresses_of_one_contact_the_main_one_counts(
    account: Account, sink: HubSpotSink, order: Sequence[int]
) -> None:
    merged = account.merge(account.add(str(OTHER.email)), account.add(MAIL))
    states = (BOOKED, MISSED, OTHER)
    receipts: dict[str, Receipt | None] = {}
    for index in (*order, *order):
        state = states[index]
        receipts[state.contact_id] = await sink.sync(state, "", receipts.get(state.contact_id))
    shown = account.contact(str(OTHER.email))
    assert (shown["hub_contact"], shown["hub_no_show_count"]) == ("c-2", "3")
    assert receipts["c-2"] is not None
    assert receipts["c-2"].external_id == merged
    missed_again = MISSED.model_copy(update={"no_show_count": 2, "position": 60})
    left = await sink.sync(missed_again, "", receipts["c-1"])
    assert left is not None
    assert (left.external_id, left.detail) == ("", "kept for another address")
    assert account.contact(str(OTHER.email)) == shown


@pytest.mark.parametrize("with_receipt", [True, False])
async def test_a_corrected_address_leaves_zeros_on_the_contact_before(
    account: Account, sink: HubSpotSink, with_receipt: bool
) -> None:
    receipt = await sink.sync(MISSED, "", None)
    await sink.sync(HANDED_OVER, "", receipt if with_receipt else None)
    await sink.sync(OTHER, "", None)
    counts = {mail: shown["hub_no_show_count"] for mail, shown in account.contacts().items()}
    assert counts == {MAIL: "0", OTHER.email: "3"}
    assert "hub_last_no_show" not in account.contact(MAIL)


@pytest.mark.parametrize(
    "order", [(HANDED_OVER, OTHER), (OTHER, HANDED_OVER)], ids=["old first", "new first"]
)
@pytest.mark.parametrize("with_receipts", [True, False])
async def test_an_address_corrected_on_both_sides_is_one_contact_with_the_right_numbers(
    account: Account, sink: HubSpotSink, order: Sequence[Contact], with_receipts: bool
) -> None:
    receipt = await sink.sync(MISSED, "", None)
    assert receipt is not None
    path = f"objects/2026-09/contacts/{receipt.external_id}"
    account.by_hand("PATCH", path, json={"properties": {"email": OTHER.email}}).raise_for_status()
    receipts: dict[str, Receipt | None] = {"c-1": receipt if with_receipts else None}
    for state in (*order, *order):
        receipts[state.contact_id] = await sink.sync(state, "", receipts.get(state.contact_id))
    assert list(account.contacts()) == [OTHER.email]
    shown = account.contact(str(OTHER.email))
    assert (shown["hub_contact"], shown["hub_no_show_count"]) == ("c-2", "3")


async def test_a_contact_never_written_that_has_no_address_any_more_is_left_alone(
    account: Account, sink: HubSpotSink
) -> None:
    receipt = await sink.sync(HANDED_OVER, "", None)
    assert receipt is not None
    assert (receipt.external_id, receipt.detail) == ("", "not there")
    assert account.objects() == {}


async def test_somebody_forgotten_loses_what_is_ours(account: Account, sink: HubSpotSink) -> None:
    account.add(MAIL, firstname="Quendolin")
    receipt = await sink.sync(MISSED, "", None)
    forgotten = MISSED.model_copy(update={"email": None, "name": None, "phone": None, "position": 40})
    for known in (receipt, None):
        left = await sink.sync(forgotten, "", known)
        assert account.contacts() == {MAIL: {"firstname": "Quendolin"}}
        assert left is None or left.external_id == ""


async def test_forgetting_never_undoes_a_later_state(account: Account, sink: HubSpotSink) -> None:
    await sink.sync(MISSED, "", None)
    forgotten = BOOKED.model_copy(update={"email": None, "name": None, "phone": None})
    receipt = await sink.sync(forgotten, "", None)
    assert account.contact(MAIL)["hub_no_show_count"] == "1"
    assert receipt is not None
    assert (receipt.detail, receipt.position) == ("unchanged", 19)


async def test_somebody_known_by_telephone_only_is_nowhere_and_says_so(
    account: Account, sink: HubSpotSink
) -> None:
    caller = Contact(contact_id="c-9", phone="+4930900112", booking_count=2, position=5)
    receipt = await sink.sync(caller, "", None)
    assert receipt is not None
    assert (receipt.external_id, receipt.detail) == ("", "no mail address")
    assert account.objects() == {}
    assert account.made() == ["contacts.read"]
    assert await sink.sync(None, "", receipt) is None


async def test_what_stands_there_compares_with_what_would_be_written(
    account: Account, sink: HubSpotSink
) -> None:
    assert await sink.observe("c-1", "", None) is None
    receipt: Receipt | None = None
    for state in sample_contacts():
        receipt = await sink.sync(state, "", receipt)
        observed = await sink.observe("c-1", "", receipt)
        assert observed is not None
        assert observed.fields == sink.preview(state, "")
        assert (observed.key, observed.external_id) == ("c-1", receipt and receipt.external_id)
    before = account.contact(MAIL)
    account.by_hand(
        "PATCH",
        f"objects/2026-09/contacts/{receipt and receipt.external_id}",
        json={"properties": {"hub_no_show_count": "7"}},
    )
    edited = await sink.observe("c-1", "", receipt)
    assert edited is not None
    assert edited.fields["hub_no_show_count"] == "7"
    assert before["hub_no_show_count"] == "0"


async def test_the_account_is_the_target_and_gives_the_address_of_a_contact(sink: HubSpotSink) -> None:
    await sink.open()
    assert sink.target().endswith("#4711")
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    page = f"https://app-eu1.hubspot.com/contacts/4711/record/0-1/{receipt.external_id}"
    assert (receipt.url, receipt.target) == (page, sink.target())
    observed = await sink.observe("c-1", "", receipt)
    assert observed is not None
    assert observed.url == page


async def test_another_account_under_the_same_name_is_written_anew(
    account: Account, sink: HubSpotSink
) -> None:
    await sink.open()
    receipt = await sink.sync(BOOKED, "", None)
    assert receipt is not None
    elsewhere = receipt.model_copy(update={"target": f"{account.url}#1"})
    account.by_hand("DELETE", f"objects/2026-09/contacts/{receipt.external_id}")
    again = await sink.sync(BOOKED, "", elsewhere)
    assert again is not None
    assert again.detail == "created"


async def test_a_property_deleted_in_hubspot_is_named_with_what_helps(
    account: Account, sink: HubSpotSink
) -> None:
    receipt = await sink.sync(BOOKED, "", None)
    account.forget_property("hub_no_show_count")
    with pytest.raises(
        PermanentError, match=r"400 .*PROPERTY_DOESNT_EXIST hub_no_show_count.*sinks prepare crm"
    ):
        await sink.sync(MISSED, "", receipt)


async def test_an_address_hubspot_does_not_take_is_refused_without_being_told(sink: HubSpotSink) -> None:
    wrong = BOOKED.model_copy(update={"email": "quendolin@nowhere"})
    with pytest.raises(PermanentError, match="INVALID_EMAIL email") as refused:
        await sink.sync(wrong, "", None)
    assert "quendolin" not in str(refused.value)


@pytest.mark.parametrize("path", ["a/b@kunde.example", "a?b#c@kunde.example", "ä%2f+b@kunde.example"])
async def test_an_address_with_odd_characters_stays_one_part_of_the_path(
    account: Account, sink: HubSpotSink, path: str
) -> None:
    odd = BOOKED.model_copy(update={"email": path})
    await sink.sync(odd, "", None)
    made = account.contact(path)
    assert made["hub_booking_count"] == "1"
    receipt = await sink.sync(odd.model_copy(update={"no_show_count": 2, "position": 12}), "", None)
    assert receipt is not None
    assert receipt.detail == "changed"
    assert len(account.contacts()) == 1


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"status": 429, "reason": "TEN_SECONDLY_ROLLING"}, timedelta(seconds=10)),
        ({"status": 429, "reason": "SECONDLY", "retry_after": "1"}, timedelta(seconds=1)),
        ({"status": 429, "reason": "DAILY"}, timedelta(hours=12, minutes=1)),
        ({"status": 429, "reason": "DAILY", "retry_after": "60"}, timedelta(seconds=60)),
        ({"status": 423}, timedelta(seconds=2)),
        ({"status": 477, "retry_after": "600"}, timedelta(minutes=10)),
    ],
)
async def test_a_limit_waits_as_told_or_as_documented(
    account: Account, sink: HubSpotSink, fault: dict[str, Any], wait: timedelta
) -> None:
    await sink.open()
    account.fault(kind="status", **fault)
    with pytest.raises(TransientError) as refused:
        await sink.sync(BOOKED, "", None)
    assert refused.value.retry_after == wait


async def test_a_token_without_rights_says_which_are_missing(account: Account, sink: HubSpotSink) -> None:
    account.fault(kind="status", status=403, reason="MISSING_SCOPES")
    with pytest.raises(AuthError, match="403 MISSING_SCOPES"):
        await sink.open()


class Listening(httpx.AsyncHTTPTransport):
    """Remembers the paths that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        return await super().handle_async_request(request)


async def test_only_the_dated_paths_are_called(account: Account) -> None:
    listening = Listening()
    sink = sink_on(account, replace(context(), http=HttpClient(transport=listening)))
    try:
        await sink.open()
        await sink.prepare()
        await walk(sink, BOOKED, MISSED)
    finally:
        await sink.context.http.aclose()
    areas = {path.partition("/2026-09/")[0] for path in listening.paths if "/2026-09/" in path}
    assert areas == {"/account-info", "/crm/objects", "/crm/properties"}
    assert all("/2026-09/" in path for path in listening.paths)
