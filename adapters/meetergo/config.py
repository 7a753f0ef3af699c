"""Settings of a meetergo source."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from adapters.api import AdapterConfig, SourceConfig
from adapters.config_types import ApiAddress

MEETERGO = "https://api.meetergo.com"

_PLATFORM_KEY = re.compile(r"ak_live:[0-9A-Za-z-]{1,64}:[!-~]{1,200}")
_PERSONAL_TOKEN = re.compile(r"rgo-[!-~]{1,200}")


def is_platform_key(key: str) -> bool:
    """Whether the key acts for any user of the company, who is named in each request."""
    return key.startswith("ak_live:")


def _known_kind(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not (_PLATFORM_KEY.fullmatch(text) or _PERSONAL_TOKEN.fullmatch(text)):
        raise ValueError(
            "is neither a platform API key (ak_live:…:…) nor a personal access token (rgo-…) of meetergo"
        )
    return key


def _host_root(address: str) -> str:
    """Webhooks live beside `/v4`, not below it, so an address that includes it is cut."""
    return address.removesuffix("/v4")


class ApiSettings(AdapterConfig):
    """How meetergo's API is called.

    A platform key acts for a user named in each request: with `auto` the host of the booking it is about.
    A personal token acts as its owner and must never name anybody.
    """

    base_url: Annotated[ApiAddress, AfterValidator(_host_root)] = Field(
        MEETERGO, description="address of the API; the version is added"
    )
    key: Annotated[SecretStr, AfterValidator(_known_kind)] = Field(
        description="platform API key (`ak_live:…`) or personal access token (`rgo-…`)"
    )
    user_id: Literal["auto"] | Annotated[str, StringConstraints(pattern="^[0-9A-Za-z-]{1,64}$")] = Field(
        "auto", description="whom a platform key acts for; auto: the host of each booking"
    )

    @model_validator(mode="after")
    def _tokens_name_nobody(self) -> Self:
        if self.user_id != "auto" and not is_platform_key(self.key.get_secret_value()):
            raise ValueError("user_id goes with a platform key; a personal access token acts as its owner")
        return self


class MeetergoConfig(SourceConfig):
    """Nothing to set: webhooks are taken at their word (`verify: trust`), so no API is called."""

    not_yet: ClassVar[Mapping[str, str]] = {
        "base_url": "bookings are not fetched from the meetergo API",
        "key": "bookings are not fetched from the meetergo API",
        "user_id": "bookings are not fetched from the meetergo API",
    }
