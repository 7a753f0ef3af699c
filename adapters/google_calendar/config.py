"""Settings of a Google Calendar sink."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from adapters.api import SinkConfig
from adapters.config_types import ACCESS, TARGET, ConfigPath, base_address
from adapters.entry_texts import EntryTexts, OnCancel, OnNoShow

GOOGLE = "https://www.googleapis.com/calendar/v3/"


def _calendar_id(value: str) -> str:
    if not re.fullmatch(r"\S{1,254}", value):
        raise ValueError("is not a calendar id; write its mail address or primary")
    return value if value == "primary" else value.lower()


class Credentials(BaseModel):
    """How the sink proves who it is: exactly one of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_token: SecretStr | None = Field(None, description="an OAuth access token; it is never refreshed")
    service_account_file: ConfigPath | None = Field(None, description="key file of a service account")
    authorized_user_file: ConfigPath | None = Field(
        None, description="client and refresh token of a person, as gcloud writes it"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "needs exactly one of access_token, service_account_file and authorized_user_file"
                + (f"; {' and '.join(given)} are given" if given else "")
            )
        return self


class GoogleCalendarConfig(SinkConfig):
    """Keeps one entry per booking in a calendar, or one per host in each host's own calendar."""

    base_url: Annotated[str, AfterValidator(base_address)] = Field(GOOGLE, description="address of the API")
    credentials: Credentials = Field(json_schema_extra=ACCESS)
    calendar: Annotated[str, AfterValidator(_calendar_id)] | None = Field(
        None, description="id of the calendar; only with per: booking", json_schema_extra=TARGET
    )
    per: Literal["booking", "host"] = Field(
        "booking", description="one entry, or one in the calendar of each host, named by mail address"
    )
    event: EntryTexts = EntryTexts()
    on_cancel: OnCancel = Field("delete", description="what a cancellation does to the entry")
    on_no_show: OnNoShow = Field("mark", description="what a no-show does to the entry")

    @model_validator(mode="after")
    def _calendar_fits(self) -> Self:
        if self.per == "booking" and self.calendar is None:
            raise ValueError("calendar is missing; per: booking writes into one calendar")
        if self.per == "host" and self.calendar is not None:
            raise ValueError(
                "calendar does not go with per: host, which writes into each host's own calendar"
            )
        return self
