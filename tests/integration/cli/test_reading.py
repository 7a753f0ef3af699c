"""Lists and single objects: the JSON promise, cursors, selectors, what is not found."""

import json

import pytest

from tests.factories import ILSE, JON
from tests.integration.cli.served import bookinghub
from tests.integration.web.world import World


@pytest.mark.parametrize(
    "noun",
    ["bookings", "contacts", "events", "inbox", "deliveries", "operations", "issues"],
)
def test_empty_list_prints_nothing(hub: World, noun: str) -> None:
    for flags in (["--json"], []):
        ran = bookinghub(noun, "list", *flags)
        assert (ran.code, ran.out, ran.err) == (0, "", "")


@pytest.mark.parametrize("noun", ["sinks", "sources", "projections", "tokens"])
def test_lists_print_one_object_per_line(hub: World, noun: str) -> None:
    ran = bookinghub(noun, "list", "--json")
    assert ran.code == 0
    assert all(isinstance(item, dict) for item in ran.lines)
    assert len(bookinghub(noun, "list").out.splitlines()) == len(ran.lines) + 1


def test_list_that_is_cut_ends_with_the_cursor(hub: World) -> None:
    for number in range(3):
        hub.booking(provider_id=f"b{number}")
    cut = bookinghub("bookings", "list", "--limit", "2", "--json")
    assert [item.get("booking_id") for item in cut.lines] == ["b2", "b1", None]
    rest = bookinghub("bookings", "list", "--json", "--cursor", cut.lines[-1]["next"])
    assert [item["booking_id"] for item in rest.lines] == ["b0"]
    every = bookinghub("bookings", "list", "--all", "--json")
    assert [item["booking_id"] for item in every.lines] == ["b2", "b1", "b0"]
    people = bookinghub("bookings", "list", "--limit", "2")
    assert "--all" in people.err


def test_selectors_of_the_command_line_are_those_of_the_api(hub: World) -> None:
    hub.booking(provider_id="b1", meeting_type_slug="vor-ort", attendees=[ILSE])
    hub.booking(provider_id="b2", attendees=[JON])
    for arguments, found in (
        (["--meeting-type", "vor-*"], ["b1"]),
        (["--contact", "jon@kunde.example"], ["b2"]),
        (["--state", "active", "--state", "cancelled"], ["b2", "b1"]),
        (["--from", "2026-10-24"], []),
        (["--host", "h1", "--booking", "b2"], ["b2"]),
    ):
        ran = bookinghub("bookings", "list", "--json", *arguments)
        assert [item["booking_id"] for item in ran.lines] == found, arguments


def test_times_without_a_zone_are_echoed_in_full(hub: World) -> None:
    ran = bookinghub("bookings", "list", "--from", "2026-10-23 10:00")
    assert "from=2026-10-23T10:00:00+02:00" in ran.err


def test_single_object_is_one_line(hub: World) -> None:
    hub.booking(provider_id="b1", attendees=[ILSE])
    assert bookinghub("bookings", "show", "ilse", "--json").json["booking_id"] == "b1"
    shown = bookinghub("bookings", "show", "b1").out
    assert "Erstgespräch" in shown
    assert "23 Oct 2026 10:00" in shown
    assert bookinghub("contacts", "show", "ilse", "--json").json["name"] == "Ilse Brandvold"
    assert bookinghub("events", "show", "1", "--json").json["type"] == "BookingCreated"
    assert bookinghub("sinks", "show", "crm", "--json").json["kind"] == "contact"
    assert bookinghub("projections", "show", "bookings", "--json").json["position"] == 1
    assert bookinghub("sources", "show", "meetergo", "--json").json["webhook"].endswith("0123456789")
    assert (
        bookinghub("deliveries", "show", "--sink", "crm", hub.log.events[0].event_id, "--json").json["tries"]
        == []
    )


def test_nothing_found_is_one_line_and_code_1(hub: World) -> None:
    ran = bookinghub("bookings", "show", "nobody")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "no booking matches 'nobody'; try: bookinghub bookings list\n"
    problem = json.loads(bookinghub("bookings", "show", "nobody", "--json").err)
    assert (problem["code"], problem["status"]) == ("not-found", 404)


def test_several_hits_are_listed_and_code_2(hub: World) -> None:
    hub.booking(provider_id="b-one-111", attendees=[ILSE])
    hub.booking(provider_id="b-two-222", attendees=[ILSE])
    ran = bookinghub("why", "ilse")
    assert (ran.code, ran.out) == (2, "")
    assert "b-one-111" in ran.err
    assert "b-two-222" in ran.err
