"""Settings of a stripe_refund sink."""

import re
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
    model_validator,
)

from adapters.api import SinkConfig
from adapters.config_types import ApiAddress, Duration
from adapters.stripe_refund.money import currency_code, minor_units, parse_amount

_KEY = re.compile(r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9_]+")
_PERCENT = re.compile(r"(100|[0-9]{1,2})%")
_PROOF = re.compile(r"email|metadata\.[A-Za-z0-9_.-]{1,40}")


def _secret_key(key: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(key.get_secret_value()):
        raise ValueError(
            "is not a secret key of Stripe; one begins with rk_live_, sk_live_, rk_test_ or sk_test_"
        )
    return key


def _percent(value: object) -> int:
    if type(value) is int and 0 <= value <= 100:
        return value
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a share; write 100%, 50% or 0%")
    return int(found[1])


def _known_proof(value: str) -> str:
    if not _PROOF.fullmatch(value):
        raise ValueError(
            "is not known; write email, or metadata. and the name of a key, such as metadata.appointment"
        )
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,3})?$"}),
]
"""Money in whole units of the sink's currency, such as `49.90`."""

Share = Annotated[
    int,
    BeforeValidator(_percent),
    PlainSerializer(lambda share: f"{share}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(100|[0-9]{1,2})%$"}),
]


class Tier(BaseModel):
    """What goes back to who cancels at least this long before the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notice: Duration = Field(description="how long before the start a cancellation came at least")
    refund: Share = Field(description="share of what was paid that goes back then, such as 50%")


class StripeRefundConfig(SinkConfig):
    """Gives back what was paid for cancelled bookings, within limits; in doubt nothing."""

    base_url: ApiAddress = Field("https://api.stripe.com/v1", description="address of Stripe's API")
    key: Annotated[SecretStr, AfterValidator(_secret_key)] = Field(
        description="restricted key with write access to refunds and read access to charges, payment "
        "intents and checkout sessions, or a secret key"
    )
    currency: Annotated[str, BeforeValidator(currency_code)] = Field(
        description="currency of the payments and of the limits; a payment in another one is never refunded"
    )
    policy: tuple[Tier, ...] = Field(
        (Tier(notice=timedelta(), refund=100),),
        description="what goes back by the time before the start, longest notice first; later: nothing",
    )
    proof: Annotated[str, AfterValidator(_known_proof)] = Field(
        "email",
        description="how a payment shows that it belongs to a booking; email: it was made under the "
        "address of an attendee; metadata.NAME: it carries the booking's id under this key",
    )
    approve_above: Amount = Field(
        description="a refund by policy over this amount waits until a person approves it"
    )
    daily_limit: Amount = Field(
        description="refunds by policy that would bring those of a day over this amount, refunds on command "
        "included, wait until a person approves them"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(former.notice <= later.notice for former, later in pairwise(self.policy)):
            raise ValueError("policy has to begin with the longest notice")
        for name in ("approve_above", "daily_limit"):
            try:
                minor_units(getattr(self, name), self.currency)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return self

    @property
    def most_unasked(self) -> int:
        """The largest refund by policy, in the smallest unit."""
        return minor_units(self.approve_above, self.currency)

    @property
    def most_a_day(self) -> int:
        """What may go back on one day by policy, in the smallest unit."""
        return minor_units(self.daily_limit, self.currency)
