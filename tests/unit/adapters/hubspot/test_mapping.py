"""From a contact to properties and back, without any HubSpot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.hubspot.config import ContactSettings
from adapters.hubspot.mapping import (
    TEXT_LIMIT,
    Definition,
    Found,
    Wanted,
    contact_values,
    definitions,
    kind_of,
    kinds_of,
    normalised,
)
from adapters.templates import Template
from adapters.testing import sample_contacts
from events import Contact

BOOKED, MOVED, MISSED, REVERTED, HANDED_OVER = sample_contacts()
MIDNIGHT_IN_BERLIN = datetime(2026, 10, 22, 22, 30, tzinfo=UTC)

PROPERTIES = {
    "no_shows": "{contact.no_show_count}",
    "last_day": "{contact.last_no_show_at:date}",
    "last_moment": "{contact.last_no_show_at}",
    "summary": "{contact.name|'somebody'}: {contact.booking_count} bookings",
}


def settings(**properties: str) -> ContactSettings:
    return ContactSettings.model_validate({"properties": properties or PROPERTIES})


def values(contact: Contact, **properties: str) -> dict[str, str]:
    return contact_values(contact, settings(**properties), "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{contact.no_show_count}", "number"),
        ("{contact.last_no_show_at:date}", "date"),
        ("{contact.last_no_show_at}", "datetime"),
        ("{contact.last_no_show_at:datetime}", "datetime"),
        ("{contact.last_no_show_at:%d.%m.%Y}", "string"),
        ("{contact.last_no_show_at:time}", "string"),
        ("{contact.name}", "string"),
        ("{contact.no_show_count} times", "string"),
        ("{contact.no_show_count}{contact.booking_count}", "string"),
        ("{contact.name|contact.booking_count}", "string"),
        ("{'7'}", "string"),
        ("yes", "string"),
        ("", "string"),
    ],
)
def test_a_single_field_decides_the_type(text: str, kind: str) -> None:
    assert kind_of(Template.parse(text, allowed=["contact"])) == kind


def test_values_are_texts_in_the_notation_of_their_type() -> None:
    late = MISSED.model_copy(update={"last_no_show_at": MIDNIGHT_IN_BERLIN.replace(microsecond=250)})
    assert values(late) == {
        "no_shows": "1",
        "last_day": "2026-10-23",
        "last_moment": "2026-10-22T22:30:00Z",
        "summary": "Quendolin: 1 bookings",
    }


def test_what_is_not_there_is_cleared() -> None:
    assert values(HANDED_OVER) == {
        "no_shows": "0",
        "last_day": "",
        "last_moment": "",
        "summary": "somebody: 0 bookings",
    }


def test_what_guests_wrote_is_one_line_without_tricks_and_cut() -> None:
    typed = BOOKED.model_copy(update={"name": "  A\x00\u202eB\r\nC <b>" + "x" * 70_000})
    shown = values(typed, name="{contact.name} {contact.name}")["name"]
    assert shown.startswith("AB C <b>x")
    assert len(shown) == TEXT_LIMIT
    assert values(BOOKED.model_copy(update={"name": " \n "}), name="{contact.name}") == {"name": ""}


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ({"no_shows": "1"}, {"no_shows": "1"}),
        ({"no_shows": "1.0"}, {"no_shows": "1"}),
        ({"no_shows": "100"}, {"no_shows": "100"}),
        ({"no_shows": "many"}, {"no_shows": "many"}),
        ({"last_day": "2026-10-23"}, {"last_day": "2026-10-23"}),
        ({"last_day": "1792713600000"}, {"last_day": "2026-10-23"}),
        ({"last_day": "2026-10-23T00:00:00Z"}, {"last_day": "2026-10-23"}),
        ({"last_moment": "2026-10-23T08:00:00.250Z"}, {"last_moment": "2026-10-23T08:00:00Z"}),
        ({"last_moment": "2026-10-23T10:00:00+02:00"}, {"last_moment": "2026-10-23T08:00:00Z"}),
        ({"last_moment": "1792742400000"}, {"last_moment": "2026-10-23T08:00:00Z"}),
        ({"last_moment": "9" * 40}, {"last_moment": "9" * 40}),
        ({"last_moment": "soon"}, {"last_moment": "soon"}),
        ({"summary": " as it is "}, {"summary": "as it is"}),
        ({"email": "somebody@else.example"}, {}),
    ],
)
def test_values_are_read_in_any_notation(shown: dict[str, str], ours: dict[str, str]) -> None:
    blank = dict.fromkeys(PROPERTIES, "")
    assert normalised(shown, kinds_of(settings())) == blank | ours


def test_written_values_are_read_back_as_they_were() -> None:
    for contact in sample_contacts():
        assert normalised(values(contact), kinds_of(settings())) == values(contact)


def wanted(contact: Contact, stamp: str = "1:11") -> Wanted:
    kinds = kinds_of(settings())
    return Wanted(("hub_contact", contact.contact_id), "hub_position", stamp, values(contact), kinds)


def test_the_marks_go_along_in_every_write() -> None:
    assert wanted(BOOKED).properties == values(BOOKED) | {"hub_contact": "c-1", "hub_position": "1:11"}


def test_a_fingerprint_tells_contents_apart_not_positions() -> None:
    assert wanted(BOOKED).fingerprint == wanted(BOOKED, "1:99").fingerprint
    assert wanted(BOOKED).fingerprint != wanted(MISSED).fingerprint


def test_an_object_says_what_is_wanted_in_any_notation() -> None:
    shown = {"no_shows": "1.0", "last_day": "1792713600000", "last_moment": "1792742400000"}
    found = Found("1", shown | {"summary": "Quendolin: 1 bookings"})
    assert wanted(MISSED).is_said_by(found)
    assert not wanted(BOOKED).is_said_by(found)


@pytest.mark.parametrize(
    "shown", ['{"id": "1", "prop', None, [], {}, {"id": 1, "properties": {}}, {"id": "1"}]
)
def test_an_answer_that_is_no_object_is_none(shown: object) -> None:
    assert Found.read(shown) is None


def test_null_counts_as_blank() -> None:
    found = Found.read({"id": "1", "properties": {"no_shows": None, "last_day": "2026-10-23"}})
    assert found is not None
    assert (found.get("no_shows"), found.get("last_day"), found.get("unknown")) == ("", "2026-10-23", "")


def test_a_main_address_is_told_from_an_additional_one() -> None:
    found = Found("1", {"email": "Quendolin@Kunde.example"})
    assert found.is_addressed_by(" quendolin@kunde.example ")
    assert not found.is_addressed_by("other@kunde.example")


def test_what_has_to_be_there_comes_with_its_type() -> None:
    needed = definitions(settings())
    assert [(one.name, one.kind, one.unique) for one in needed] == [
        ("hub_contact", "string", True),
        ("hub_position", "string", False),
        ("no_shows", "number", False),
        ("last_day", "date", False),
        ("last_moment", "datetime", False),
        ("summary", "string", False),
    ]


@pytest.mark.parametrize(
    ("kind", "field"), [("number", "number"), ("date", "date"), ("datetime", "date"), ("string", "text")]
)
def test_a_property_is_made_with_type_and_field(kind: Any, field: str) -> None:
    body = Definition("hub_no_show_count", kind, "meetings missed").body("contactinformation")
    assert (body["type"], body["fieldType"], body["groupName"]) == (kind, field, "contactinformation")
    assert (body["name"], body["label"]) == ("hub_no_show_count", "Hub no show count")
    assert "hasUniqueValue" not in body
    assert Definition("hub_contact", kind, "", unique=True).body("g")["hasUniqueValue"] is True
