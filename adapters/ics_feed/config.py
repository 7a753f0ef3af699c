"""Settings of an iCalendar feed."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from adapters.api import SinkConfig
from adapters.config_types import AddressToken, Duration, empty_is_absent
from adapters.entry_texts import EntryTexts, OnCancel, OnNoShow

SHORTEST_TOKEN = 16


def _hard_to_guess(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"is shorter than {SHORTEST_TOKEN} characters, so it can be guessed")
    return token


FeedToken = Annotated[AddressToken, AfterValidator(_hard_to_guess)]


class IcsFeedConfig(SinkConfig):
    """Shows the bookings at a secret address that any calendar application can subscribe to."""

    token: FeedToken = Field(
        description="part of the feed's address, which keeps strangers out; 16 characters or more"
    )
    previous_token: Annotated[FeedToken | None, BeforeValidator(empty_is_absent)] = Field(
        None, description="token that is still accepted while subscribers change to the new address"
    )
    name: str = Field("Bookings", min_length=1, max_length=100, description="what applications call it")
    refresh: Duration = Field(
        timedelta(minutes=15),
        ge=timedelta(minutes=1),
        description="how often applications are asked to look",
    )
    past: Duration = Field(timedelta(days=30), description="how long a booking that has ended is still shown")
    event: EntryTexts = EntryTexts()
    on_cancel: OnCancel = Field("delete", description="what a cancellation does to the entry")
    on_no_show: OnNoShow = Field("mark", description="what a no-show does to the entry")
