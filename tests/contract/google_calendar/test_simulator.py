"""The stand-in keeps what Google documents, asked over HTTP without our client."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.google_calendar.stand_in import CALENDAR, TOKEN, CalendarServer, StandIn

TIMES = {
    "start": {"dateTime": "2026-10-23T08:00:00Z", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-10-23T08:45:00.250Z", "timeZone": "Europe/Berlin"},
}


class Caller:
    """Plain HTTP to one calendar."""

    def __init__(self, server: CalendarServer) -> None:
        self._client = server.client
        self.token = TOKEN

    def call(self, method: str, path: str = "", *, etag: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"If-Match": etag} if etag else {})
        url = f"/calendar/v3/calendars/{CALENDAR}/events{'/' + path if path else ''}"
        return self._client.request(method, url, headers=headers, **options)

    def insert(self, entry_id: str = "event01", **members: Any) -> dict[str, Any]:
        answer = self.call("POST", json={"id": entry_id, "summary": "s"} | TIMES | members)
        made: dict[str, Any] = answer.raise_for_status().json()
        return made


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["errors"][0]["reason"]


@pytest.fixture
def stand_in(calendar_server: CalendarServer) -> Iterator[StandIn]:
    stand_in = StandIn(calendar_server, **{CALENDAR: "owner"})
    yield stand_in
    stand_in.close()


@pytest.fixture
def api(stand_in: StandIn, calendar_server: CalendarServer) -> Caller:
    return Caller(calendar_server)


def test_times_come_back_in_the_zone_they_were_given_in(api: Caller) -> None:
    made = api.insert("event01")
    assert made["start"] == {"dateTime": "2026-10-23T10:00:00+02:00", "timeZone": "Europe/Berlin"}
    assert made["end"] == {"dateTime": "2026-10-23T10:45:00+02:00", "timeZone": "Europe/Berlin"}
    assert made["status"] == "confirmed"
    assert "transparency" not in api.insert("event02", transparency="opaque")


@pytest.mark.parametrize("entry_id", ["abcd", "ABCDEF", "entry-1", "wxyz0", "a" * 1025])
def test_ids_outside_the_alphabet_or_length_are_refused(api: Caller, entry_id: str) -> None:
    assert reason(api.call("POST", json={"id": entry_id} | TIMES)) == (400, "invalid")


def test_an_id_is_used_once_for_ever(api: Caller) -> None:
    api.insert("event01")
    assert reason(api.call("POST", json={"id": "event01"} | TIMES)) == (409, "duplicate")
    assert api.call("DELETE", "event01").status_code == 204
    assert reason(api.call("POST", json={"id": "event01"} | TIMES)) == (409, "duplicate")


def test_a_deleted_entry_stays_readable_and_is_listed_on_demand(api: Caller) -> None:
    api.insert("event01")
    api.call("DELETE", "event01")
    assert reason(api.call("DELETE", "event01")) == (410, "deleted")
    assert api.call("GET", "event01").json()["status"] == "cancelled"
    assert api.call("GET").json()["items"] == []
    assert len(api.call("GET", params={"showDeleted": "true"}).json()["items"]) == 1


def test_what_never_was_is_not_found(api: Caller) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert reason(api.call(method, "event09", json=TIMES)) == (404, "notFound")


def test_an_update_restores_a_deleted_entry_unless_switched_off(api: Caller, stand_in: StandIn) -> None:
    api.insert("event01")
    api.call("DELETE", "event01")
    stand_in.switch(undelete=False)
    assert reason(api.call("PUT", "event01", json=TIMES)) == (403, "forbidden")
    assert reason(api.call("PATCH", "event01", json={"status": "confirmed"})) == (403, "forbidden")
    stand_in.switch(undelete=True)
    assert api.call("PUT", "event01", json=TIMES | {"status": "confirmed"}).json()["status"] == "confirmed"
    assert len(api.call("GET").json()["items"]) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_stale_etag_is_refused(api: Caller, method: str) -> None:
    stale = api.insert("event01")["etag"]
    fresh = api.call("PATCH", "event01", json={"summary": "t"}).json()["etag"]
    refused = api.call(method, "event01", etag=stale, json=TIMES)
    assert reason(refused) == (412, "conditionNotMet")
    assert refused.json()["error"]["errors"][0]["location"] == "If-Match"
    assert api.call(method, "event01", etag=fresh, json=TIMES).is_success


def test_an_update_replaces_the_whole_entry(api: Caller) -> None:
    made = api.insert("event01", location="Atelier", extendedProperties={"private": {"hub": "a"}})
    changed = api.call("PUT", "event01", json=TIMES | {"summary": "t"}).json()
    assert "location" not in changed
    assert "extendedProperties" not in changed
    assert (changed["iCalUID"], changed["created"]) == (made["iCalUID"], made["created"])
    assert changed["etag"] != made["etag"]
    assert reason(api.call("PUT", "event01", json={"summary": "t"})) == (400, "required")


def test_a_patch_merges_maps_and_removes_by_null(api: Caller) -> None:
    api.insert("event01", location="Atelier", extendedProperties={"private": {"hub": "a", "old": "b"}})
    change = {"extendedProperties": {"private": {"old": None, "new": "c"}}, "location": None}
    changed = api.call("PATCH", "event01", json=change).json()
    assert changed["extendedProperties"] == {"private": {"hub": "a", "new": "c"}}
    assert "location" not in changed
    assert changed["summary"] == "s"
    attendees = [{"email": "a@b.example"}, {"email": "c@d.example"}]
    api.call("PATCH", "event01", json={"attendees": attendees})
    assert (
        api.call("PATCH", "event01", json={"attendees": attendees[:1]}).json()["attendees"] == attendees[:1]
    )


def test_the_sequence_never_goes_back(api: Caller) -> None:
    api.insert("event01")
    later = TIMES | {"end": {"dateTime": "2026-10-23T09:00:00Z"}}
    moved = api.call("PUT", "event01", json=later).json()
    assert moved["sequence"] == 1
    assert reason(api.call("PUT", "event01", json=TIMES | {"sequence": 0})) == (400, "invalid")
    assert api.call("PUT", "event01", json=later | {"sequence": 1}).json()["sequence"] == 1


def test_long_property_keys_are_dropped_and_values_cut(api: Caller) -> None:
    made = api.insert("event01", extendedProperties={"private": {"k" * 45: "x", "k": "v" * 2000}})
    assert made["extendedProperties"]["private"] == {"k": "v" * 1024}


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"start": None}, "required"),
        ({"start": {"dateTime": "2026-10-23T10:00:00"}}, "required"),
        ({"start": {"dateTime": "tomorrow"}}, "invalid"),
        ({"end": {"dateTime": "2026-10-23T07:00:00Z"}}, "timeRangeEmpty"),
        ({"status": "gone"}, "invalid"),
        ({"colorId": "12"}, "invalid"),
    ],
    ids=["no start", "no zone", "no time", "ends before it starts", "status", "colour"],
)
def test_unusable_members_are_refused(api: Caller, members: dict[str, Any], refusal: str) -> None:
    assert reason(api.call("POST", json=TIMES | members)) == (400, refusal)


def test_lists_are_filtered_and_paged(api: Caller) -> None:
    for number in range(5):
        hub = {"private": {"hub": f"m:{number % 2}", "part": str(number)}}
        api.insert(f"event0{number}", extendedProperties=hub)

    def ids(**query: Any) -> list[str]:
        return [entry["id"][-1] for entry in api.call("GET", params=query).json()["items"]]

    assert ids(privateExtendedProperty="hub=m:1") == ["1", "3"]
    assert ids(privateExtendedProperty=["hub=m:0", "part=2"]) == ["2"]
    assert ids(iCalUID="event03@google.com") == ["3"]
    assert ids(timeMin="2026-10-23T08:45:00Z") == []
    assert ids(timeMax="2026-10-23T08:00:01Z", timeMin="2026-10-23T08:00:00Z") == ["0", "1", "2", "3", "4"]
    first = api.call("GET", params={"maxResults": 3}).json()
    assert [entry["id"][-1] for entry in first["items"]] == ["0", "1", "2"]
    assert ids(maxResults=3, pageToken=first["nextPageToken"]) == ["3", "4"]


def test_a_sync_token_shows_what_changed_since_deletions_included(api: Caller) -> None:
    api.insert("event01")
    api.insert("event02")
    token = api.call("GET").json()["nextSyncToken"]
    api.call("DELETE", "event02")
    changed = api.call("GET", params={"syncToken": token}).json()["items"]
    assert [(entry["id"], entry["status"]) for entry in changed] == [("event02", "cancelled")]
    assert reason(api.call("GET", params={"syncToken": "stale"})) == (410, "fullSyncRequired")
    mixed = {"syncToken": token, "privateExtendedProperty": "hub=a"}
    assert reason(api.call("GET", params=mixed)) == (400, "badRequest")


def test_strangers_and_unknown_calendars_are_refused(api: Caller, stand_in: StandIn) -> None:
    answer = stand_in.by_hand("GET", "", calendar="nobody@studio.example")
    assert reason(answer) == (404, "notFound")
    api.token = "ya29.wrong"
    assert reason(api.call("GET")) == (401, "authError")


def test_faults_strike_as_ordered_and_calls_are_counted(api: Caller, stand_in: StandIn) -> None:
    stand_in.fault(kind="status", on="get", status=503, skip=1, times=1)
    api.insert("event01")
    assert [api.call("GET", "event01").status_code for _ in range(3)] == [200, 503, 200]
    stand_in.fault(kind="truncated", on="get")
    with pytest.raises(ValueError, match=r"."):
        api.call("GET", "event01").json()
    stand_in.fault(kind="lost_reply", on="patch")
    with pytest.raises(httpx.RemoteProtocolError):
        api.call("PATCH", "event01", json={"summary": "done all the same"})
    assert stand_in.only()["summary"] == "done all the same"
    stand_in.fault(kind="disconnect", on="patch")
    with pytest.raises(httpx.RemoteProtocolError):
        api.call("PATCH", "event01", json={"summary": "not done"})
    assert stand_in.only()["summary"] == "done all the same"
    assert stand_in.made() == ["insert", "get", "get", "get", "get", "patch", "patch"]


def test_a_fault_nobody_knows_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        stand_in.fault(kind="status", sort="unknown")
