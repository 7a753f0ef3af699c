"""The few requests to Stripe that a refund needs, over the hub's HTTP client.

Stripe's errors quote what was sent, so only their codes are read. A refund whose answer does not say what
became of it may have happened; nothing here makes it a second time.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from pydantic import SecretStr

from adapters.api import AdapterContext
from adapters.errors import PermanentError, TransientError
from adapters.http import Answer, Sorting, retry_after
from adapters.stripe_refund.answers import (
    CHARGE_ID,
    INTENT_ID,
    SESSION_ID,
    Charge,
    Intent,
    Refund,
    RefundPage,
    Refusal,
    Session,
    read,
)

VERSION = "2024-06-20"
"""The version of Stripe's API whose members are read; a later one may call them otherwise."""

MOST_REFUNDS = 1000
"""More refunds of one payment than anybody makes: in doubt nothing is given back."""

_PAGE = 100
_CODE = re.compile("[a-z_]{1,60}")
_REFUSED = frozenset((400, 402, 404))
_BUSY = frozenset((409,))
_UNKNOWN = range(500, 600)


class RefundRefusedError(PermanentError):
    """Stripe did not give back, and says so; `reason` is its word for why."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class StripeApi:
    """One account, by its key."""

    def __init__(self, context: AdapterContext, *, base_url: str, key: SecretStr) -> None:
        self._context = context
        self._base = base_url
        self._key = key

    async def prove(self) -> None:
        """Ask for something that needs the key; AuthError if it is refused."""
        await self._get("refunds", {"limit": "1"})

    async def charge(self, payment_id: str) -> Charge:
        """The charge behind a payment's id; PermanentError if nothing was paid by it."""
        if CHARGE_ID.fullmatch(payment_id):
            return read(Charge, await self._get(f"charges/{payment_id}"))
        if SESSION_ID.fullmatch(payment_id):
            session = read(Session, await self._get(f"checkout/sessions/{payment_id}"))
            if session.payment_intent is None:
                raise PermanentError("the checkout session led to no payment")
            charge = await self._charge_of_intent(session.payment_intent)
            return charge.model_copy(update={"metadata": {**session.metadata, **charge.metadata}})
        return await self._charge_of_intent(payment_id)

    async def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        """All refunds of a charge, newest first."""
        found: list[Refund] = []
        query = {"charge": charge_id, "limit": str(_PAGE)}
        while True:
            page = read(RefundPage, await self._get("refunds", query))
            found.extend(page.data)
            if not page.has_more:
                return tuple(found)
            if not page.data or len(found) >= MOST_REFUNDS:
                raise PermanentError("Stripe does not show all refunds of the payment")
            query["starting_after"] = page.data[-1].id

    async def refund(self, charge_id: str, amount: int, *, key: str, metadata: Mapping[str, str]) -> Refund:
        """Give back; the same key and amount again are the same refund for 24 hours.

        RefundRefusedError: nothing went back by this call. TransientError with `effect_unknown`: look at the
        refunds before calling again.
        """
        form = {
            "charge": charge_id,
            "amount": str(amount),
            "reason": "requested_by_customer",
            **{f"metadata[{name}]": value for name, value in metadata.items()},
        }
        answer = await self._context.http.post(
            f"{self._base}/refunds",
            content=urlencode(form).encode(),
            headers={
                **self._headers(),
                "idempotency-key": key,
                "content-type": "application/x-www-form-urlencoded",
            },
            allow={*_REFUSED, *_BUSY, *_UNKNOWN},
            sorting=_SORTING,
        )
        if answer.status in _REFUSED:
            reason = _reason(answer) or "no reason given"
            raise RefundRefusedError(f"Stripe refused the refund: {answer.status} {reason}", reason=reason)
        if answer.status in _BUSY or answer.status in _UNKNOWN:
            # Stripe stores a 500 under the key and repeats it, although the refund may be there.
            raise TransientError(
                f"POST to {answer.host} answered {answer.status}",
                retry_after=retry_after(answer.headers, now=self._context.clock()),
                effect_unknown=True,
            )
        try:
            return read(Refund, answer.json())
        except PermanentError as error:
            raise TransientError(str(error), effect_unknown=True) from error

    async def _charge_of_intent(self, intent_id: str) -> Charge:
        if not INTENT_ID.fullmatch(intent_id):
            raise PermanentError("the payment's id is none of Stripe's")
        query = {"expand[]": "latest_charge"}
        charge = read(Intent, await self._get(f"payment_intents/{intent_id}", query)).charged()
        if charge is None:
            raise PermanentError("the payment was never charged")
        return charge

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> object:
        answer = await self._context.http.get(
            f"{self._base}/{path}", params=query, headers=self._headers(), sorting=_SORTING
        )
        return answer.json()

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._key.get_secret_value()}", "stripe-version": VERSION}


def _reason(answer: Answer) -> str | None:
    """Stripe's word for a refusal, if it is one."""
    try:
        word = Refusal.model_validate_json(answer.content).reason
    except ValueError:
        return None
    return word if _CODE.fullmatch(word) else None


_SORTING = Sorting(reason=_reason)
