"""What Stripe's objects say, as far as a refund depends on it; pure.

Read tolerantly: members nobody needs are ignored, those that older versions of the API lack have a value that
refuses more rather than less.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from adapters.errors import PermanentError

CHARGE_ID = re.compile("(?:ch|py)_[A-Za-z0-9_]{1,200}")
INTENT_ID = re.compile("pi_[A-Za-z0-9_]{1,200}")
SESSION_ID = re.compile("cs_[A-Za-z0-9_]{1,200}")
"""What the ids of payments look like; they become part of an address."""

_SETTLED = "succeeded"
_VOID = frozenset(("failed", "canceled"))


def is_payment_id(text: str) -> bool:
    """Whether Stripe gives such ids to payments."""
    return any(pattern.fullmatch(text) for pattern in (CHARGE_ID, INTENT_ID, SESSION_ID))


def _nothing(value: object) -> object:
    return {} if value is None else value


Metadata = Annotated[Mapping[str, str], BeforeValidator(_nothing)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str


class _BillingDetails(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    email: str | None = None


class Charge(_Answer):
    """A payment that was tried; `dispute` and `disputed` depend on the version of the API."""

    amount: int
    amount_captured: int | None = None
    amount_refunded: int
    currency: str
    status: str
    captured: bool
    refunded: bool
    disputed: bool = False
    dispute: str | None = None
    receipt_email: str | None = None
    billing_details: _BillingDetails | None = None
    metadata: Metadata = {}

    @property
    def paid(self) -> int:
        """What was taken; 0 if nothing was."""
        if self.status != _SETTLED or not self.captured:
            return 0
        return self.amount if self.amount_captured is None else self.amount_captured

    @property
    def left(self) -> int:
        """What can still go back."""
        return 0 if self.refunded else max(0, self.paid - self.amount_refunded)

    @property
    def is_disputed(self) -> bool:
        """Whether the payer's bank wants it back, which would pay it back twice."""
        return self.disputed or self.dispute is not None

    @property
    def emails(self) -> frozenset[str]:
        """The addresses it was made under, in lower case."""
        billing = self.billing_details.email if self.billing_details else None
        return frozenset(mail.strip().lower() for mail in (self.receipt_email, billing) if mail)


class Intent(_Answer):
    """What leads to a charge."""

    latest_charge: Charge | None = None
    receipt_email: str | None = None
    metadata: Metadata = {}

    def charged(self) -> Charge | None:
        """The charge with what the intent says beside it; the charge's own word prevails."""
        if self.latest_charge is None:
            return None
        known = self.latest_charge
        return known.model_copy(
            update={
                "metadata": {**self.metadata, **known.metadata},
                "receipt_email": known.receipt_email or self.receipt_email,
            }
        )


class Session(_Answer):
    """A visit of Stripe's checkout page."""

    payment_intent: str | None = None
    metadata: Metadata = {}


class Refund(_Answer):
    """Money that goes back, did, or could not."""

    amount: int
    currency: str
    charge: str | None = None
    status: str | None = None
    created: int
    metadata: Metadata = {}

    @property
    def is_void(self) -> bool:
        """Whether it came to nothing."""
        return self.status in _VOID

    @property
    def is_done(self) -> bool:
        """Whether Stripe says that the money went back; until then it may still come to nothing."""
        return self.status == _SETTLED

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)


class RefundPage(BaseModel):
    """Some refunds of a charge, newest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: tuple[Refund, ...]
    has_more: bool


class _Problem(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str = ""
    code: str | None = None


class Refusal(BaseModel):
    """Why Stripe refused; its message is not read, since it quotes what was sent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    error: _Problem = _Problem()

    @property
    def reason(self) -> str:
        """A word that may be shown."""
        return self.error.code or self.error.type or "no reason given"


AnswerT = TypeVar("AnswerT", bound=BaseModel)


def read(kind: type[AnswerT], document: Any) -> AnswerT:
    """The object; PermanentError if it lacks what a refund depends on."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        told = f"{kind.__name__.lower()} without a usable {', '.join(names)}"
        raise PermanentError(f"Stripe answered a {told}") from None
