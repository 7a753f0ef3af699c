"""Settings of a meetergo source."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, model_validator

from adapters.api import AdapterConfig, SourceConfig
from adapters.config_types import ApiAddress, empty_is_absent

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


Address = Annotated[ApiAddress, AfterValidator(_host_root)]
Key = Annotated[SecretStr, AfterValidator(_known_kind)]
User = Literal["auto"] | Annotated[str, StringConstraints(pattern="^[0-9A-Za-z-]{1,64}$")]


class ApiSettings(AdapterConfig):
    """How meetergo's API is called.

    A platform key acts for a user named in each request: with `auto` the host of the booking it is about.
    A personal token acts as its owner and must never name anybody.
    """

    base_url: Address = MEETERGO
    key: Key
    user_id: User = "auto"

    @model_validator(mode="after")
    def _tokens_name_nobody(self) -> Self:
        _check_user(self.user_id, self.key)
        return self


def _check_user(user_id: str, key: SecretStr | None) -> None:
    if user_id != "auto" and (key is None or not is_platform_key(key.get_secret_value())):
        raise ValueError("user_id goes with a platform key; a personal access token acts as its owner")


class MeetergoConfig(SourceConfig):
    """Without a key webhooks are all there is, and they are taken at their word."""

    base_url: Address = Field(MEETERGO, description="address of the API; the version is added")
    key: Annotated[Key | None, BeforeValidator(empty_is_absent)] = Field(
        None,
        description="platform API key (`ak_live:…`) or personal access token (`rgo-…`); absent: the API is "
        "not called",
    )
    user_id: User = Field("auto", description="whom a platform key acts for; auto: the host of each booking")

    @model_validator(mode="after")
    def _tokens_name_nobody(self) -> Self:
        _check_user(self.user_id, self.key)
        return self

    @property
    def api(self) -> ApiSettings | None:
        """How the API is called; None without a key."""
        if self.key is None:
            return None
        return ApiSettings(base_url=self.base_url, key=self.key, user_id=self.user_id)
