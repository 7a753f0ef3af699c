"""A webhook sink is refused with a reason that does not quote the secret."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.webhook.config import WebhookConfig, signing_key
from adapters.webhook.simulator import SECRET

GOOD: dict[str, Any] = {"url": "https://hook.example/a?b=c", "secret": SECRET}


def test_the_key_is_the_bytes_behind_the_secret() -> None:
    config = WebhookConfig.model_validate(GOOD)
    assert signing_key(config.secret) == b"made-up-secret-of-the-receiver"
    assert config.previous_secret is None
    assert not config.allow_private
    assert "hook.example" not in repr(config)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "bWFkZS11cC1zZWNyZXQtb2YtdGhlLXJlY2VpdmVy",
        "whsec_***",
        "whsec_" + "QUFB" * 40,
    ],
)
def test_a_secret_nobody_can_sign_with_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="whsec_") as raised:
        WebhookConfig.model_validate(GOOD | {"secret": secret})
    (problem,) = raised.value.errors(include_input=False)
    assert not secret.removeprefix("whsec_") or secret not in problem["msg"]


@pytest.mark.parametrize(
    "url",
    [
        "hook.example",
        "ftp://hook.example/",
        "https://",
        "https://me:pass@hook.example/",
        "https://h.example/#x",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate(GOOD | {"url": url})


def test_guests_data_leaves_unencrypted_to_the_own_network_only() -> None:
    plain = GOOD | {"url": "http://hook.example/"}
    with pytest.raises(ValidationError, match="https"):
        WebhookConfig.model_validate(plain)
    assert WebhookConfig.model_validate(plain | {"allow_private": "true"}).allow_private
