"""Settings of a CalDAV sink."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.api import SinkConfig
from adapters.config_types import ACCESS, TARGET, base_address
from adapters.entry_texts import EntryTexts, OnCancel, OnNoShow

Address = Annotated[str, AfterValidator(base_address)]


def _mail_addresses(calendars: Mapping[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for mail, address in calendars.items():
        name = mail.strip().lower()
        if "@" not in name:
            raise ValueError(f'"{mail}" is not a mail address; calendars names each host by theirs')
        if name in known:
            raise ValueError(f'"{mail}" is there twice')
        known[name] = address
    return known


class CalDavConfig(SinkConfig):
    """Keeps one entry per booking in a CalDAV calendar, or one per host in each host's own calendar."""

    url: Address | None = Field(
        None,
        description="address of the calendar collection; only with per: booking",
        json_schema_extra=TARGET,
    )
    calendars: Annotated[dict[str, Address], AfterValidator(_mail_addresses)] = Field(
        default_factory=dict,
        description="with per: host the calendar of each host, by mail address; other hosts have no entry",
    )
    username: str | None = Field(
        None, description="account for Basic authentication", json_schema_extra=ACCESS
    )
    password: SecretStr | None = Field(None, description="its password, better one made for this hub only")
    token: SecretStr | None = Field(None, description="a bearer token instead of account and password")
    per: Literal["booking", "host"] = Field(
        "booking", description="one entry, or one in the calendar of each host"
    )
    event: EntryTexts = EntryTexts()
    on_cancel: OnCancel = Field("delete", description="what a cancellation does to the entry")
    on_no_show: OnNoShow = Field("mark", description="what a no-show does to the entry")

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        account = self.username is not None or self.password is not None
        if account == (self.token is not None) or (self.username is None) != (self.password is None):
            raise ValueError("needs either username and password, or token")
        if self.username is not None and ":" in self.username:
            raise ValueError("username cannot hold a colon, which Basic authentication reads as its end")
        return self

    @model_validator(mode="after")
    def _calendar_fits(self) -> Self:
        if self.per == "booking" and self.url is None:
            raise ValueError("url is missing; per: booking writes into one calendar")
        if self.per == "booking" and self.calendars:
            raise ValueError("calendars goes with per: host only")
        if self.per == "host" and self.url is not None:
            raise ValueError("url does not go with per: host; calendars names the calendar of each host")
        if self.per == "host" and not self.calendars:
            raise ValueError("calendars is missing; per: host needs the calendar of at least one host")
        return self

    @property
    def collections(self) -> tuple[str, ...]:
        """Every calendar that may be written to."""
        return tuple(dict.fromkeys((self.url,) if self.url else self.calendars.values()))
