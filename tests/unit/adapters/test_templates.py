import html
from datetime import UTC, datetime
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from adapters.template_fields import FIELDS
from adapters.templates import (
    Allowing,
    Template,
    TemplateError,
    TemplateText,
    booking_fields,
    clean,
    contact_fields,
    cut,
    reschedule_link,
)
from events import Booking, Contact
from events.state import Cancel, Guest, MeetingType, Payment
from tests.factories import attendee, history, snapshot

START = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)


def booking(**changes: object) -> Booking:
    """A booking of two people; `changes` are members of the folded state."""
    people = (attendee("a1", name="Ilse Brandvold", phone="+491"), attendee("a2", name="Jon Ekdal"))
    return history(snapshot(attendees=people, start=START))[-1].booking.model_copy(update=changes)


def rendered(text: str, **values: object) -> str:
    return Template.parse(text).render({name.replace("__", "."): value for name, value in values.items()})


def parse_result(text: str) -> Template | TemplateError:
    try:
        return Template.parse(text)
    except TemplateError as error:
        return error


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("no field", "no field", id="text"),
        pytest.param("", "", id="empty"),
        pytest.param("{title}", "Demo", id="field"),
        pytest.param("<{ title }>", "<Demo>", id="spaces"),
        pytest.param("{meeting_type.name}: {title}", "Beratung: Demo", id="two fields"),
        pytest.param("{{{title}}} }}{{", "{Demo} }{", id="braces"),
        pytest.param("{notes|title}", "Demo", id="first that is not empty"),
        pytest.param("{notes|location}", "", id="none"),
        pytest.param("{notes|'no notes'}", "no notes", id="text as last resort"),
        pytest.param("{notes|''}", "", id="empty text"),
        pytest.param("{notes|'it''s {|} here' }", "it's {|} here", id="anything in quotes"),
        pytest.param("{attendees.names}", "Ilse, Jon", id="list"),
        pytest.param("{attendees.count}", "0", id="zero is a value"),
        pytest.param("{start}", "2026-10-27 09:00", id="time"),
        pytest.param(
            "{start:date} {start:time} {start:datetime}", "2026-10-27 09:00 2026-10-27 09:00", id="named"
        ),
        pytest.param("{start:%a %d.%m. %H:%M}", "Tue 27.10. 09:00", id="strftime"),
        pytest.param("{start:%H 100%%}", "09 100%", id="percent sign"),
        pytest.param("{previous_start:time|start:date}", "2026-10-27", id="format per alternative"),
        pytest.param("{metadata.room}{metadata.a b-c}", "Atelier", id="metadata"),
    ],
)
def test_a_template_is_filled_in(text: str, result: str) -> None:
    values = {
        "title": "Demo",
        "meeting_type.name": "Beratung",
        "notes": "",
        "attendees.names": ["Ilse", None, "Jon"],
        "attendees.count": 0,
        "start": START,
        "previous_start": None,
        "metadata.room": "Atelier",
    }
    assert Template.parse(text).render(values) == result


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        pytest.param(
            "{titel}", 1, 'unknown field "titel" at character 2; did you mean title?', id="typing error"
        ),
        pytest.param("a {b.c.d}", 3, 'unknown field "b.c.d" at character 4', id="unknown"),
        pytest.param("{title.__class__}", 1, 'unknown field "title.__class__"', id="attribute"),
        pytest.param("{title[0]}", 1, 'unknown field "title[0]"', id="item"),
        pytest.param("{title!r}", 1, 'unknown field "title!r"', id="conversion"),
        pytest.param("{0}", 1, 'unknown field "0"', id="number"),
        pytest.param("{}", 1, "a field name is missing", id="empty"),
        pytest.param("{title|}", 7, "a field name is missing", id="empty alternative"),
        pytest.param("{metadata.}", 1, 'unknown field "metadata."', id="metadata without key"),
        pytest.param("x {title", 2, 'this "{" is never closed', id="not closed"),
        pytest.param("{title|'x", 7, "this quote is never closed", id="quote not closed"),
        pytest.param("{'x' y}", 5, 'after a quoted text comes "|" or "}"', id="text after quote"),
        pytest.param("a } b", 2, 'a single "}"', id="lone brace"),
        pytest.param("{a{title}", 2, 'a "{" inside a field', id="nested"),
        pytest.param("{title:date}", 1, '"title" is not a time', id="format of a text"),
        pytest.param("{start:dates}", 1, '"dates" is not a format', id="unknown format"),
        pytest.param("{start:%Q}", 1, '"%Q" is no part of a date', id="unknown directive"),
        pytest.param("{start:%}", 1, '"%" is no part of a date', id="lone percent"),
        pytest.param("{contact.name}", 1, '"contact.name" is not available in this text', id="other group"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    assert message in str(caught.value)
    assert caught.value.position == position


def test_groups_of_fields_are_allowed_by_the_text() -> None:
    template = Template.parse("{contact.no_show_count} {event.type}", allowed=("contact", "event"))
    assert template.render({"contact.no_show_count": 2, "event.type": "BookingCreated"}) == "2 BookingCreated"
    with pytest.raises(TemplateError, match='"title" is not available'):
        Template.parse("{title}", allowed=("contact",))


def test_what_guests_typed_is_cut_and_then_escaped() -> None:
    values = {"notes": "<b>" + "x" * 100, "meeting_type.name": "<b>" + "x" * 100}
    template = Template.parse("{notes}|{meeting_type.name}|<i>")
    assert template.render(values, escape=html.escape, limit=5) == f"&lt;b&gt;x…|<b>{'x' * 100}|<i>"


def test_a_list_is_cut_as_a_whole() -> None:
    names = Template.parse("{attendees.names}")
    assert names.render({"attendees.names": ["Ilse", "Jon", "Mara"]}, limit=11) == "Ilse, Jon,…"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("a\x00b\x1bc\x7fd\x9be", "abcde"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\tb", "a\tb"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("a\ud800b", "a\ufffdb"),
        ("שלום", "שלום"),
    ],
)
def test_values_bring_no_control_characters_along(value: str, result: str) -> None:
    assert rendered("{title}", title=value) == result
    assert rendered("{meeting_type.name}", meeting_type__name=value) == result


def test_a_single_line_stays_one() -> None:
    assert Template.parse("{notes}").render({"notes": " a\n b\t\tc "}, single_line=True) == "a b c"


@pytest.mark.parametrize(
    ("value", "limit", "result"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("ab cd", 4, "ab…"),
        ("e\u0301e\u0301", 3, "e\u0301…"),
        ("xe\u0301y", 3, "x…"),
        ("x\U0001f469\u200d\U0001f52cy", 3, "x…"),
        ("x\U0001f44d\U0001f3fdy", 3, "x…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_a_cut_is_between_characters(value: str, limit: int, result: str) -> None:
    assert cut(value, limit) == result


@given(st.text(), st.integers(0, 30))
def test_a_cut_text_is_never_too_long(value: str, limit: int) -> None:
    assert len(cut(value, limit)) <= limit


@given(st.text())
def test_cleaning_twice_changes_nothing(value: str) -> None:
    assert clean(clean(value)) == clean(value)
    assert "\n" not in clean(value, single_line=True)
    clean(value).encode()


@given(st.text(alphabet=st.sampled_from("{}|:'%. abtile" + "\n\0")) | st.text())
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    parsed = parse_result(text)
    if isinstance(parsed, TemplateError):
        assert 0 <= parsed.position <= len(text)
    else:
        assert isinstance(parsed.render(booking_fields(booking(), "Europe/Berlin")), str)


@given(st.text())
def test_braces_written_twice_are_text(text: str) -> None:
    assert Template.parse(text.replace("{", "{{").replace("}", "}}")).render({}) == text


@given(st.text(), st.text())
def test_no_value_is_read_as_a_template(title: str, notes: str) -> None:
    found = Template.parse("{title}\x1f{notes}").render({"title": title, "notes": notes})
    assert found == f"{clean(title)}\x1f{clean(notes)}"


def test_every_field_of_a_booking_has_a_value() -> None:
    full = booking(
        location="Atelier",
        channel="onsite",
        notes="none",
        previous_start=START,
        last_reason="ill",
        company_slug="studio",
        guests=(Guest(contact_id="c", email="guest@kunde.example"),),
        meeting_type=MeetingType(id="m", slug="beratung", name="Beratung"),
        cancel=Cancel(reason="ill", by="Ilse"),
        payment=Payment(status="paid", amount="12.00", currency="EUR"),
        metadata={"<key>": "v"},
    )
    names = [field.name for field in FIELDS.values() if field.group == "booking"]
    values = booking_fields(full, "Europe/Berlin")
    assert set(values) == set(names)
    assert [name for name in names if values[name] in (None, [], "") and name != "no_show.names"] == []


def test_times_are_in_the_zone_asked_for() -> None:
    template = Template.parse("{start:%H:%M} {timezone}")
    assert template.render(booking_fields(booking(), "Europe/Berlin")) == "10:00 Europe/Berlin"
    assert template.render(booking_fields(booking(), "America/New_York")) == "05:00 America/New_York"


def test_who_has_left_is_not_named() -> None:
    people = booking().attendees
    left = booking(attendees=(people[0], people[1].model_copy(update={"removed": True})))
    assert (
        Template.parse("{attendees.names}/{attendees.count}").render(booking_fields(left, "UTC"))
        == "Ilse Brandvold/1"
    )


def test_who_did_not_come_is_named() -> None:
    people = booking().attendees
    missed = booking(attendees=(people[0].model_copy(update={"no_show": True}), people[1]))
    assert Template.parse("{no_show.names}").render(booking_fields(missed, "UTC")) == "Ilse Brandvold"


def test_a_booking_of_which_little_is_known_renders() -> None:
    bare = booking(meeting_type=None, title=None, attendees=(), hosts=())
    text = Template.parse(
        "{meeting_type.name|title|'Meeting'}{reschedule_link}{cancel.reason}{payment.amount}"
    )
    assert text.render(booking_fields(bare, "UTC")) == "Meeting"


def test_the_reschedule_link_is_that_of_the_providers_guide() -> None:
    known = booking(company_slug="my studio", provider_id="b/2", meeting_type=MeetingType(slug="erst"))
    people = (known.attendees[0].model_copy(update={"email": "ilse+x@kunde.example"}),)
    link = reschedule_link(known.model_copy(update={"attendees": people}))
    assert link == "https://cal.meetergo.com/my%20studio/erst?reschedule=b%2F2&email=ilse%2Bx%40kunde.example"


@pytest.mark.parametrize(
    "changes",
    [{"company_slug": None}, {"meeting_type": None}, {"meeting_type": MeetingType()}, {"attendees": ()}],
)
def test_a_reschedule_link_with_an_unknown_part_is_none(changes: dict[str, object]) -> None:
    known = {"company_slug": "studio", "meeting_type": MeetingType(slug="erst")}
    assert reschedule_link(booking(**known)) is not None
    assert reschedule_link(booking(**(known | changes))) is None


class Texts(BaseModel):
    title: TemplateText = Template.parse("{title}")
    body: Annotated[Template, Allowing("contact")] | None = None


def test_a_pydantic_field_checks_its_template() -> None:
    assert str(Texts(title="{notes}", body="{contact.name}").title) == "{notes}"  # type: ignore[arg-type]
    assert Texts().model_dump() == {"title": "{title}", "body": None}
    assert Texts.model_json_schema()["properties"]["title"]["format"] == "template"
    for wrong in ({"title": "{titel}"}, {"body": "{title}"}, {"title": {"a": None}}):
        with pytest.raises(ValidationError):
            Texts.model_validate(wrong)


def test_a_template_names_its_fields() -> None:
    assert Template.parse("{{x}} {link|location|'none'} {start:date}").fields == {"link", "location", "start"}


def test_every_contact_field_has_its_value_in_the_zone() -> None:
    moment = datetime(2026, 10, 22, 22, 30, tzinfo=UTC)
    contact = Contact(contact_id="c-1", email="q@kunde.example", no_show_count=2, last_no_show_at=moment)
    values = contact_fields(contact, "Europe/Berlin")
    assert values.keys() == {field.name for field in FIELDS.values() if field.group == "contact"}
    text = "{contact.email} {contact.no_show_count} {contact.last_no_show_at:date} {contact.phone|'-'}"
    parsed = Template.parse(text, allowed=["contact"])
    assert parsed.render(values) == "q@kunde.example 2 2026-10-23 -"
