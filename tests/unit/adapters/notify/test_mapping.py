"""Messages say what happened, and nothing in them obeys a guest."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.notify.config import NotifyConfig
from adapters.notify.mapping import BODY_LIMIT, TITLE_LIMIT, VALUE_LIMIT, harmless, message_of
from adapters.template_fields import LABELS
from adapters.testing import envelope_of, sample_events
from events import BookingRescheduled, Envelope
from events.catalogue import CATALOGUE

BASE: dict[str, Any] = {"to": ["json://127.0.0.1/x"]}


def config(**members: Any) -> NotifyConfig:
    return NotifyConfig.model_validate(BASE | members)


def moved(**members: Any) -> Envelope:
    event = sample_events()[BookingRescheduled]
    return envelope_of(event.model_copy(update={"booking": event.booking.model_copy(update=members)}))


def named(name: str) -> Envelope:
    booking = sample_events()[BookingRescheduled].booking
    people = tuple(a.model_copy(update={"name": name}) for a in booking.attendees)
    return moved(attendees=people)


def test_every_event_type_has_its_words() -> None:
    assert {kind.event_type() for kind in LABELS} == set(CATALOGUE)


@pytest.mark.parametrize("event", sample_events().values(), ids=lambda event: event.event_type())
def test_every_event_gives_a_message(event: Any) -> None:
    message = message_of(envelope_of(event), config(), "Europe/Berlin")
    assert message.title.startswith(LABELS[type(event)])
    assert message.body.strip()


def test_the_example_of_the_documentation() -> None:
    wanted = config(
        title="{event.label}: {meeting_type.name}",
        body="{attendees.names}: {previous_start:%d.%m. %H:%M} → {start:%d.%m. %H:%M}. {reason|''}",
    )
    event = sample_events()[BookingRescheduled]
    message = message_of(envelope_of(event), wanted, "UTC")
    assert message.title == f"Moved: {event.booking.meeting_type.name}"  # type: ignore[union-attr]
    assert f"→ {event.booking.start:%d.%m. %H:%M}" in message.body


def test_a_text_of_empty_fields_says_what_happened() -> None:
    message = message_of(moved(notes=None), config(body="{notes}"), "UTC")
    assert message.body == "Moved"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ('<a href="https://evil.example">x</a>', '\u2039a href="https://evil.example"\u203ax\u2039/a\u203a'),
        ("<!channel>", "\u2039!channel\u203a"),
        ("<@U123>", "\u2039@\u2060U123\u203a"),
        ("@everyone", "@\u2060everyone"),
        ("me@everyone", "me@\u2060everyone"),
        ("hi @Here", "hi @\u2060Here"),
        ("ilse@kunde.example", "ilse@kunde.example"),
        ("[pay](https://evil.example)", "[pay]\u2060(https://evil.example)"),
        ("[pay][1]", "[pay]\u2060[1]"),
    ],
)
def test_what_a_guest_typed_has_no_power(typed: str, shown: str) -> None:
    assert harmless(typed) == shown
    assert shown in message_of(named(typed), config(body="{attendees.names}"), "UTC").body


def test_line_breaks_direction_and_length_stay_within_the_value() -> None:
    typed = "Ilse\r\n# Alarm\n\u202egnp.exe\u2066 " + "x" * 10_000
    message = message_of(named(typed), config(title="{attendees.names}", body="{attendees.names}"), "UTC")
    for text in (message.title, message.body):
        assert "\n" not in text
        assert not set("\u202e\u2066\r") & set(text)
    assert len(message.title) <= TITLE_LIMIT
    assert len(message.body) <= VALUE_LIMIT + 20
    assert len(message_of(moved(), config(body="y" * 5000), "UTC").body) == BODY_LIMIT


@given(st.text(max_size=200) | st.text(alphabet="<>@[]()!everyonhcl ", max_size=60))
def test_no_text_is_left_with_power(typed: str) -> None:
    text = harmless(typed)
    assert not set("<>") & set(text)
    assert not re.search(r"@(everyone|here|channel|all\b)", text, re.IGNORECASE)
    assert not re.search(r"\][(\[]", text)
    assert not re.search(r"(^|\s)@\w", text)
    assert harmless(text) == text


@pytest.mark.parametrize("address", ["", "nothing", "https//x", "unknown://host/token-of-mine"])
def test_an_address_apprise_does_not_know_is_refused_unquoted(address: str) -> None:
    with pytest.raises(ValidationError, match="apprise knows") as raised:
        config(to=[address])
    assert "token-of-mine" not in raised.value.errors(include_input=False)[0]["msg"]


def test_contact_fields_are_no_part_of_a_message() -> None:
    with pytest.raises(ValidationError, match="not available"):
        config(body="{contact.no_show_count}")
