"""What the YAML of a Google Calendar sink may say."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.config_types import SourceText
from adapters.google_calendar import adapter
from adapters.google_calendar.config import GoogleCalendarConfig

TOKEN = "ya29.not-a-real-token"
MINIMAL: dict[str, Any] = {"credentials": {"access_token": TOKEN}, "calendar": "team@studio.example"}


def test_credentials_and_calendar_are_enough() -> None:
    config = GoogleCalendarConfig.model_validate(MINIMAL)
    assert config.base_url == "https://www.googleapis.com/calendar/v3/"
    assert (config.per, config.on_cancel, config.on_no_show) == ("booking", "delete", "mark")
    assert config.event.show_as == "free"
    assert str(config.event.title) == "{meeting_type.name}: {attendees.names}"


def test_the_token_is_not_told() -> None:
    config = GoogleCalendarConfig.model_validate(MINIMAL)
    assert TOKEN not in repr(config)
    assert TOKEN not in config.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calendar": None}, "calendar is missing"),
        ({"per": "host"}, "does not go with per: host"),
        ({"calendar": "two words"}, "not a calendar id"),
        ({"credentials": {}}, "exactly one of access_token"),
        ({"credentials": {"access_token": "a", "service_account_file": "b"}}, "are given"),
        ({"credentials": {"access_token": "a", "password": "b"}}, "Extra inputs"),
        ({"base_url": "http://calendar.example/calendar/v3/"}, "must be https"),
        ({"base_url": "https://user:secret@calendar.example/"}, "neither a user"),
        ({"base_url": "https://calendar.example/?key=1"}, "neither a user"),
        ({"base_url": "calendar.example"}, "is not an address"),
        ({"event": {"title": "{meeting_typ.name}"}}, "did you mean meeting_type.name"),
        ({"event": {"show_as": "maybe"}}, "'free' or 'busy'"),
        ({"on_cancel": "keep"}, "'delete' or 'mark'"),
        ({"on_no_show": "delete"}, "'mark' or 'keep'"),
        ({"colour": "5"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GoogleCalendarConfig.model_validate(MINIMAL | changes)


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "[::1]:8123"])
def test_http_is_accepted_on_loopback(host: str) -> None:
    config = GoogleCalendarConfig.model_validate(MINIMAL | {"base_url": f"http://{host}/calendar/v3"})
    assert config.base_url == f"http://{host}/calendar/v3/"


def test_per_host_needs_no_calendar() -> None:
    config = GoogleCalendarConfig.model_validate({"credentials": {"access_token": "a"}, "per": "host"})
    assert config.calendar is None


def test_a_credentials_file_counts_from_the_yaml_file() -> None:
    named = SourceText("./google.json", Path("/etc/bookinghub"))
    config = GoogleCalendarConfig.model_validate(MINIMAL | {"credentials": {"service_account_file": named}})
    assert config.credentials.service_account_file == Path("/etc/bookinghub/google.json")


def test_the_adapter_is_a_sink_of_this_config() -> None:
    assert adapter.sink_config is GoogleCalendarConfig
    assert adapter.source is None
