"""Settings of a webhook sink."""

import base64
import binascii
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.api import SinkConfig
from adapters.config_types import TARGET

SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins, not one
SHORTEST_KEY, LONGEST_KEY = 24, 64
"""Bytes of a signing key, as the Standard Webhooks specification bounds them."""


def signing_key(secret: SecretStr) -> bytes:
    """The bytes behind `whsec_…`; ValueError without quoting the secret."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(SECRET_PREFIX) or not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ValueError(
            f"is not a signing secret; write {SECRET_PREFIX} and 24 to 64 random bytes in base64, "
            "as this prints: echo whsec_$(openssl rand -base64 32)"
        )
    return key


def _usable_key(secret: SecretStr) -> SecretStr:
    signing_key(secret)
    return secret


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an address; write https://host/path")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("takes neither a user nor a fragment")
    return value


SigningSecret = Annotated[SecretStr, AfterValidator(_usable_key)]


class WebhookConfig(SinkConfig):
    """Posts each event, signed; the receiver checks the signature and drops ids it has seen."""

    url: Annotated[str, AfterValidator(_address)] = Field(
        json_schema_extra=TARGET,
        repr=False,
        description="where events are posted; redirects are not followed",
    )
    secret: SigningSecret = Field(description="signing secret, `whsec_` and base64, shared with the receiver")
    previous_secret: SigningSecret | None = Field(
        None, description="older secret that is used beside the new one while the receiver changes over"
    )
    allow_private: bool = Field(
        False,
        description="true lets the address be one of your own network; else only public ones are called",
    )

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if not self.allow_private and not self.url.startswith("https:"):
            raise ValueError(
                "url must be https: events hold what guests wrote; http needs allow_private: true"
            )
        return self
