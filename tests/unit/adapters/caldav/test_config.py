"""What the YAML of a CalDAV sink may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.caldav import adapter
from adapters.caldav.config import CalDavConfig

PASSWORD = "not-a-real-password"
URL = "https://dav.studio.example/calendars/team/"
MINIMAL: dict[str, Any] = {"url": URL, "username": "hub", "password": PASSWORD}
HOSTS = {"mara@studio.example": "https://dav.studio.example/mara/work"}


def test_an_address_and_an_account_are_enough() -> None:
    config = CalDavConfig.model_validate(MINIMAL)
    assert config.collections == (URL,)
    assert (config.per, config.on_cancel, config.on_no_show) == ("booking", "delete", "mark")


def test_the_secrets_are_not_told() -> None:
    for config in (
        CalDavConfig.model_validate(MINIMAL),
        CalDavConfig.model_validate({"url": URL, "token": PASSWORD}),
    ):
        assert PASSWORD not in repr(config)
        assert PASSWORD not in config.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": None}, "url is missing"),
        ({"url": "http://dav.example/team/"}, "must be https"),
        ({"url": "https://hub:secret@dav.example/team/"}, "neither a user"),
        ({"url": "dav.example"}, "is not an address"),
        ({"password": None}, "either username and password, or token"),
        ({"username": None}, "either username and password, or token"),
        ({"token": "t"}, "either username and password, or token"),
        ({"username": "a:b"}, "colon"),
        ({"calendars": HOSTS}, "goes with per: host only"),
        ({"per": "host"}, "url does not go with per: host"),
        ({"per": "host", "url": None}, "calendars is missing"),
        ({"per": "host", "url": None, "calendars": {"Mara": URL}}, "is not a mail address"),
        ({"per": "host", "url": None, "calendars": HOSTS | {"Mara@studio.example": URL}}, "twice"),
        ({"event": {"title": "{meeting_typ.name}"}}, "did you mean meeting_type.name"),
        ({"on_cancel": "keep"}, "'delete' or 'mark'"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CalDavConfig.model_validate(MINIMAL | changes)


def test_hosts_are_known_by_their_mail_address_in_any_case() -> None:
    config = CalDavConfig.model_validate(
        {"per": "host", "token": "t", "calendars": {" Mara@Studio.example": HOSTS["mara@studio.example"]}}
    )
    assert config.calendars == {"mara@studio.example": "https://dav.studio.example/mara/work/"}


def test_the_adapter_is_a_sink_of_this_config() -> None:
    assert adapter.sink_config is CalDavConfig
    assert adapter.source is None
