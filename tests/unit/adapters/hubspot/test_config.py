"""What the YAML of a HubSpot sink may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hubspot import adapter
from adapters.hubspot.config import HubSpotConfig

TOKEN = "pat-not-a-real-token"
CONTACT: dict[str, Any] = {"properties": {"hub_no_show_count": "{contact.no_show_count}"}}
MINIMAL: dict[str, Any] = {"token": TOKEN, "contact": CONTACT}


def test_a_token_and_one_property_are_enough() -> None:
    config = HubSpotConfig.model_validate(MINIMAL)
    assert (config.base_url, config.version) == ("https://api.hubapi.com", "2026-09")
    contact = config.contact
    assert (contact.create, contact.position, contact.identity) == (True, "hub_position", "hub_contact")
    assert str(contact.properties["hub_no_show_count"]) == "{contact.no_show_count}"


def test_the_token_is_not_told() -> None:
    config = HubSpotConfig.model_validate(MINIMAL)
    assert TOKEN not in repr(config)
    assert TOKEN not in config.model_dump_json()


@pytest.mark.parametrize("version", ["2026-03", "2026-09", "2027-03-beta"])
def test_the_version_is_a_date(version: str) -> None:
    assert HubSpotConfig.model_validate(MINIMAL | {"version": version}).version == version


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "v3"}, "match pattern"),
        ({"base_url": "http://hubspot.example"}, "must be https"),
        ({"base_url": "https://user@hubspot.example"}, "neither a user"),
        ({"contact": {"properties": {}}}, "at least 1"),
        ({"contact": {}}, "Field required"),
        ({"contact": {"properties": {"No Show": "1"}}}, "match pattern"),
        ({"contact": {"properties": {"email": "{contact.email}"}}}, "is never written"),
        ({"contact": {"properties": {"hub_position": "1"}}}, "kept by the hub itself"),
        ({"contact": CONTACT | {"position": "hub_contact"}}, "two properties"),
        ({"contact": CONTACT | {"identity": "hs_object_id"}}, "is never written"),
        ({"contact": {"properties": {"a": "{contact.no_shows}"}}}, "did you mean contact.no_show_count"),
        ({"contact": {"properties": {"a": "{start}"}}}, "not available in this text"),
        ({"meetings": {}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HubSpotConfig.model_validate(MINIMAL | changes)


def test_the_adapter_is_a_sink_of_this_config() -> None:
    assert adapter.sink_config is HubSpotConfig
    assert adapter.source is None
