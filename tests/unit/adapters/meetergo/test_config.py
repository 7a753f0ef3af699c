"""How the API is reached: which keys there are, and what goes with which."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.http import HttpClient
from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import ApiSettings, MeetergoConfig, is_platform_key

PLATFORM_KEY = "ak_live:5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10:s3cr3t"
PERSONAL_TOKEN = "rgo-s3cr3t"


def settings(**members: Any) -> ApiSettings:
    return ApiSettings.model_validate({"key": PLATFORM_KEY} | members)


def test_a_key_is_enough() -> None:
    made = settings()
    assert (made.base_url, made.user_id) == ("https://api.meetergo.com", "auto")
    assert is_platform_key(made.key.get_secret_value())
    assert not is_platform_key(settings(key=PERSONAL_TOKEN).key.get_secret_value())
    assert settings(user_id="0c9e51d8-6a7f-4b28-b1de-93f2a7c0d615").user_id.startswith("0c9e")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.meetergo.com/", "https://api.meetergo.com"),
        ("https://api.meetergo.com/v4", "https://api.meetergo.com"),
        ("https://api.meetergo.com/v4/", "https://api.meetergo.com"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("https://staging.example/api/v4", "https://staging.example/api"),
    ],
)
def test_the_address_is_that_of_the_host(given: str, used: str) -> None:
    assert settings(base_url=given).base_url == used


@pytest.mark.parametrize(
    ("members", "about"),
    [
        pytest.param({"key": ""}, "key", id="empty"),
        pytest.param({"key": "s3cr3t"}, "key", id="neither kind"),
        pytest.param({"key": "ak_live:s3cr3t"}, "key", id="half a key"),
        pytest.param({"key": "rgo-s3cr3t\nx"}, "key", id="more than one line"),
        pytest.param({"key": "Bearer rgo-s3cr3t"}, "key", id="with its scheme"),
        pytest.param({"base_url": "http://api.meetergo.com"}, "base_url", id="in the clear"),
        pytest.param({"base_url": "api.meetergo.com"}, "base_url", id="no scheme"),
        pytest.param({"user_id": "mara@studio.example"}, "user_id", id="a mail address"),
        pytest.param({"key": PERSONAL_TOKEN, "user_id": "u-1"}, "user_id", id="a token that names somebody"),
        pytest.param({"ky": "x"}, "ky", id="unknown"),
    ],
)
def test_what_cannot_work_is_refused_without_quoting_a_key(members: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**members)
    told = [f"{'.'.join(map(str, problem['loc']))} {problem['msg']}" for problem in raised.value.errors()]
    assert any(about in text for text in told)
    assert "s3cr3t" not in " ".join(told)


def test_a_key_shows_nowhere() -> None:
    assert "s3cr3t" not in repr(settings()) + settings().model_dump_json()


def test_a_source_without_a_key_has_no_api() -> None:
    assert source().provider(HttpClient()) is None
    assert source(key="").provider(HttpClient()) is None


@pytest.mark.parametrize("key", [PLATFORM_KEY, PERSONAL_TOKEN], ids=["platform key", "personal token"])
def test_a_source_with_a_key_has_the_api_of_its_settings(key: str) -> None:
    config = MeetergoConfig.model_validate({"base_url": "https://staging.example/v4", "key": key})
    assert config.api is not None
    assert config.api.base_url == "https://staging.example"
    assert source(key=key).provider(HttpClient()) is not None
    assert "s3cr3t" not in repr(config) + config.model_dump_json()


@pytest.mark.parametrize("members", [{}, {"key": PERSONAL_TOKEN}], ids=["no key", "a token"])
def test_a_user_goes_with_a_platform_key(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="user_id goes with a platform key"):
        MeetergoConfig.model_validate({"user_id": "u-1"} | members)


def source(**members: Any) -> MeetergoSource:
    return MeetergoSource(MeetergoConfig.model_validate(members), instance="meetergo")
