"""HubSpot's own client on our stand-in: it reads every answer into its models, which are not ours.

It knows the older paths only (`/crm/v3`, `/crm/v4`); the stand-in gives both the same answers.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.associations.v4.exceptions import ApiException as AssociationsError
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    Filter,
    FilterGroup,
    PublicMergeInput,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.objects.meetings import BatchInputSimplePublicObjectBatchInputUpsert as MeetingInputs
from hubspot.crm.objects.meetings import SimplePublicObjectBatchInputUpsert as MeetingInput
from hubspot.crm.objects.meetings import SimplePublicObjectInputForCreate as MeetingForCreate
from hubspot.crm.properties import PropertyCreate
from hubspot.crm.properties.exceptions import ApiException as PropertiesError

from adapters.hubspot.simulator import TOKEN
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import sample_contacts
from tests.contract.hubspot.stand_in import Account

MAIL = "quendolin@kunde.example"


@pytest.fixture
def client(account: Account) -> HubSpot:
    return HubSpot(access_token=TOKEN, host=account.url)


def create(client: HubSpot, **properties: str) -> Any:
    body = SimplePublicObjectInputForCreate(properties=properties)
    return client.crm.contacts.basic_api.create(simple_public_object_input_for_create=body)


def update(client: HubSpot, contact_id: str, id_property: str | None = None, **properties: str) -> Any:
    options = {"id_property": id_property} if id_property else {}
    return client.crm.contacts.basic_api.update(
        contact_id, simple_public_object_input=SimplePublicObjectInput(properties=properties), **options
    )


def upsert(client: HubSpot, *inputs: dict[str, Any]) -> Any:
    body = BatchInputSimplePublicObjectBatchInputUpsert(
        inputs=[SimplePublicObjectBatchInputUpsert(**one) for one in inputs]
    )
    return client.crm.contacts.batch_api.upsert(body)


def search(client: HubSpot, mail: str) -> list[str]:
    wanted = Filter(property_name="email", operator="EQ", value=mail)
    request = PublicObjectSearchRequest(filter_groups=[FilterGroup(filters=[wanted])], limit=10)
    return [found.id for found in client.crm.contacts.search_api.do_search(request).results]


def refused(act: Callable[[], Any], kind: type[Exception] = ApiException) -> tuple[int, dict[str, Any]]:
    with pytest.raises(kind) as info:
        act()
    error: Any = info.value
    return error.status, json.loads(error.body)


def test_a_contact_is_made_read_changed_and_archived(client: HubSpot) -> None:
    made = create(client, email="Quendolin@Kunde.example", firstname="Quendolin")
    api = client.crm.contacts.basic_api
    shown = api.get_by_id(MAIL, id_property="email", properties=["email", "hub_no_show_count", "unheard_of"])
    assert (shown.id, shown.properties["email"]) == (made.id, MAIL)
    assert shown.properties["hub_no_show_count"] is None
    assert "unheard_of" not in shown.properties
    changed = update(client, MAIL, "email", hub_no_show_count="3", firstname="")
    assert (changed.id, changed.properties["hub_no_show_count"]) == (made.id, "3")
    assert api.get_by_id(made.id, properties=["firstname"]).properties["firstname"] is None
    api.archive(made.id)
    api.archive(made.id)
    status, body = refused(lambda: api.get_by_id(made.id))
    assert (status, body["status"], body["category"]) == (404, "error", "OBJECT_NOT_FOUND")
    assert api.get_page().results == []


def test_a_mail_address_belongs_to_one_contact_in_any_case(client: HubSpot) -> None:
    made = create(client, email=MAIL)
    status, body = refused(lambda: create(client, email=MAIL.upper()))
    assert (status, body["category"]) == (409, "CONFLICT")
    assert body["message"] == f"Contact already exists. Existing ID: {made.id}"
    other = create(client, email="bo@kunde.example")
    assert refused(lambda: update(client, other.id, email=MAIL))[0] == 409


def test_additional_addresses_and_old_ids_lead_to_the_merged_contact(client: HubSpot) -> None:
    first, second = create(client, email=MAIL), create(client, email="q@work.example")
    body = PublicMergeInput(primary_object_id=first.id, object_id_to_merge=second.id)
    merged = client.crm.contacts.basic_api.merge(body)
    assert merged.id not in (first.id, second.id)
    api = client.crm.contacts.basic_api
    found = [api.get_by_id(mail, id_property="email").id for mail in (MAIL, "q@work.example")]
    assert found == [api.get_by_id(old).id for old in (first.id, second.id)] == [merged.id] * 2
    assert refused(lambda: create(client, email="q@work.example"))[0] == 409


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hub_nothing", "1", "PROPERTY_DOESNT_EXIST"),
        ("hub_no_show_count", "many", "INVALID_NUMBER"),
        ("hub_no_show_count", " 3", "INVALID_VALUE"),
        ("hub_last_no_show", "23.10.2026", "INVALID_DATE"),
        ("hub_last_no_show", "1792742400000", "INVALID_DATE"),
        ("email", "nobody", "INVALID_EMAIL"),
        ("hs_object_id", "7", "READ_ONLY_VALUE"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(
    client: HubSpot, name: str, value: str, code: str
) -> None:
    made = create(client, email=MAIL)
    status, body = refused(lambda: update(client, made.id, **{name: value}))
    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    listed = json.loads(body["message"].removeprefix("Property values were not valid: "))
    assert [(one["name"], one["error"]) for one in listed] == [(name, code)]
    assert body["errors"][0]["code"] == code


def test_values_come_back_as_texts_of_their_type(client: HubSpot) -> None:
    made = create(client, email=MAIL, hub_last_no_show="1792713600000", hub_no_show_count="3")
    shown = client.crm.contacts.basic_api.get_by_id(
        made.id, properties=["hub_last_no_show", "hub_no_show_count"]
    )
    assert shown.properties["hub_last_no_show"] == "2026-10-23"
    assert shown.properties["hub_no_show_count"] == "3"


def test_an_upsert_says_whether_it_made_something(client: HubSpot) -> None:
    values = {"hub_contact": "c-1", "email": MAIL, "hub_no_show_count": "1"}
    (first,) = upsert(client, {"id": "c-1", "id_property": "hub_contact", "properties": values}).results
    again = {"id": "c-1", "id_property": "hub_contact", "properties": {"hub_booking_count": "2"}}
    (second,) = upsert(client, again).results
    assert (first.new, second.new, second.id) == (True, False, first.id)
    shown = client.crm.contacts.basic_api.get_by_id(first.id, properties=["hub_no_show_count"])
    assert shown.properties["hub_no_show_count"] == "1"


def test_an_upsert_by_address_is_not_partial(client: HubSpot) -> None:
    made = create(client, email=MAIL, firstname="Quendolin")
    one = {"id": MAIL, "id_property": "email", "properties": {"hub_no_show_count": "1"}}
    (result,) = upsert(client, one).results
    assert (result.id, result.new) == (made.id, False)
    shown = client.crm.contacts.basic_api.get_by_id(made.id, properties=["firstname"])
    assert shown.properties["firstname"] is None


def test_of_a_batch_each_is_refused_by_itself_if_traced(client: HubSpot) -> None:
    good = {"id": "c-1", "id_property": "hub_contact", "properties": {"email": MAIL}}
    bad = {"id": "c-2", "id_property": "hub_contact", "properties": {"email": "nobody"}}
    assert refused(lambda: upsert(client, good, bad))[0] == 400
    traced = [one | {"object_write_trace_id": str(index)} for index, one in enumerate((good, bad))]
    answer = upsert(client, *traced)
    assert len(answer.results) == answer.num_errors == len(answer.errors) == 1
    assert answer.errors[0].category == "VALIDATION_ERROR"


def test_properties_are_made_once(client: HubSpot) -> None:
    api = client.crm.properties.core_api
    body = PropertyCreate(
        name="own_count", label="Own", type="number", field_type="number", group_name="contactinformation"
    )
    assert refused(lambda: api.get_by_name("contacts", "own_count"), PropertiesError)[0] == 404
    made = api.create("contacts", property_create=body)
    assert (made.name, made.type, made.field_type) == ("own_count", "number", "number")
    assert refused(lambda: api.create("contacts", property_create=body), PropertiesError)[0] == 409
    assert "own_count" in {one.name for one in api.get_all("contacts").results}
    assert api.get_by_name("contacts", "email").hubspot_defined is True


def test_search_sees_changes_late(client: HubSpot, account: Account) -> None:
    made = create(client, email=MAIL)
    assert search(client, MAIL) == [made.id]
    account.see_late()
    late = create(client, email="late@kunde.example")
    assert search(client, "late@kunde.example") == []
    account.catch_up()
    assert search(client, "late@kunde.example") == [late.id]


@pytest.mark.parametrize("policy", ["DAILY", "TEN_SECONDLY_ROLLING"])
def test_a_limit_names_its_policy_and_headers(client: HubSpot, account: Account, policy: str) -> None:
    account.fault(kind="status", status=429, reason=policy, retry_after="9")
    with pytest.raises(ApiException) as info:
        create(client, email=MAIL)
    error: Any = info.value
    body = json.loads(error.body)
    assert (error.status, body["policyName"], body["errorType"]) == (429, policy, "RATE_LIMIT")
    assert error.headers["Retry-After"] == "9"
    assert error.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"


def test_a_wrong_token_is_turned_away(account: Account) -> None:
    stranger = HubSpot(access_token="pat-of-somebody-else", host=account.url)
    status, body = refused(lambda: create(stranger, email=MAIL))
    assert (status, body["category"]) == (401, "INVALID_AUTHENTICATION")


def test_a_meeting_is_tied_to_a_contact(client: HubSpot) -> None:
    contact = create(client, email=MAIL)
    type_ = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}
    body = MeetingForCreate(
        properties={"hs_meeting_title": "Erstgespräch", "hs_meeting_start_time": "2026-10-23T08:00:00Z"},
        associations=[{"to": {"id": contact.id}, "types": [type_]}],
    )
    meetings = client.crm.objects.meetings
    made = meetings.basic_api.create(simple_public_object_input_for_create=body)
    shown = meetings.basic_api.get_by_id(made.id, properties=["hs_timestamp"])
    assert shown.properties["hs_timestamp"] == "2026-10-23T08:00:00Z"
    basic = client.crm.associations.v4.basic_api
    (tied,) = basic.get_page("meetings", made.id, "contacts").results
    assert (str(tied.to_object_id), tied.association_types[0].type_id) == (contact.id, 200)
    basic.create_default("meetings", made.id, "contacts", contact.id)
    assert len(basic.get_page("meetings", made.id, "contacts").results) == 1
    with pytest.raises(AssociationsError):
        basic.create_default("meetings", made.id, "contacts", "99999")


def test_a_meeting_has_the_documented_outcomes(client: HubSpot) -> None:
    properties = client.crm.properties.core_api
    body = PropertyCreate(
        name="own_meeting",
        label="Own",
        type="string",
        field_type="text",
        group_name=properties.get_by_name("meetings", "hs_meeting_title").group_name,
        has_unique_value=True,
    )
    properties.create("meetings", property_create=body)
    api = client.crm.objects.meetings.batch_api

    def put(outcome: str) -> Any:
        one = MeetingInput(id="m-1", id_property="own_meeting", properties={"hs_meeting_outcome": outcome})
        return api.upsert(MeetingInputs(inputs=[one])).results[0]

    made = [put(outcome) for outcome in ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")]
    assert [one.new for one in made] == [True, False, False, False, False]
    assert len({one.id for one in made}) == 1
    with pytest.raises(Exception, match="400"):
        put("CANCELLED")


async def test_what_the_sink_writes_is_what_others_read(
    client: HubSpot, account: Account, sink: HubSpotSink
) -> None:
    receipt = None
    for state in sample_contacts()[:3]:
        receipt = await sink.sync(state, "", receipt)
    shown = client.crm.contacts.basic_api.get_by_id(
        MAIL, id_property="email", properties=["hub_no_show_count", "hub_last_no_show", "hub_position"]
    )
    assert {name: shown.properties[name] for name in ("hub_no_show_count", "hub_last_no_show")} == {
        "hub_no_show_count": "1",
        "hub_last_no_show": "2026-10-23",
    }
    assert shown.properties["hub_position"] == "1:19"
