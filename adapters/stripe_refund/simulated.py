"""An account at a simulated Stripe: charges, their refunds, and the answers it remembers by key.

What a refund may be follows Stripe's documentation; the README says what is a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.simulation import RefusedError

STARTED = 1_790_000_000
"""When the first object was made, in seconds since 1970; each one comes a second later."""


@dataclass
class Account:
    """Everything by its id.

    `idempotent` off: keys are ignored and more may go back than was paid, as at localstripe. `next_status` is
    what the next refund comes to; `fails_after` lets the next refund be made and answered 500.
    """

    idempotent: bool = True
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    next_status: str = "succeeded"
    fails_after: bool = False
    _made: int = 0

    def pay(
        self, name: str, *, amount: int, currency: str = "eur", email: str | None = None, **members: Any
    ) -> str:
        """A payment of a guest, to be found as `ch_…`, `pi_…` and `cs_…`; returns the intent's id."""
        charge, intent, session = f"ch_{name}", f"pi_{name}", f"cs_test_{name}"
        metadata = members.pop("metadata", {})
        self.charges[charge] = {
            "id": charge,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "billing_details": {"email": email},
            "captured": True,
            "created": self._moment(),
            "currency": currency,
            "disputed": False,
            "metadata": {},
            "paid": True,
            "payment_intent": intent,
            "receipt_email": None,
            "refunded": False,
            "status": "succeeded",
        } | members
        self.intents[intent] = {
            "id": intent,
            "object": "payment_intent",
            "amount": amount,
            "currency": currency,
            "latest_charge": charge,
            "metadata": metadata,
            "receipt_email": None,
            "status": "succeeded",
        }
        self.sessions[session] = {
            "id": session,
            "object": "checkout.session",
            "metadata": metadata,
            "payment_intent": intent,
        }
        return intent

    def refund(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Give back, or refuse as Stripe does."""
        charge = self._charge(asked)
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = _amount(asked.get("amount"), left)
        if self.idempotent:
            _refuse_more(charge, amount, left)
        status, self.next_status = self.next_status, "succeeded"
        refund = {
            "id": f"re_{len(self.refunds) + 1:04}",
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": self._moment(),
            "currency": charge["currency"],
            "metadata": _metadata(asked),
            "payment_intent": charge["payment_intent"],
            "reason": asked.get("reason"),
            "status": status,
        }
        self.refunds[refund["id"]] = refund
        if status not in ("failed", "canceled"):
            charge["amount_refunded"] += amount
            charge["refunded"] = charge["amount_refunded"] >= charge["amount_captured"]
        return refund

    def listed(self, charge_id: str | None, *, limit: int, after: str | None) -> dict[str, Any]:
        """A page of refunds, newest first."""
        every = [r for r in reversed(self.refunds.values()) if charge_id in (None, r["charge"])]
        if after is not None:
            ids = [refund["id"] for refund in every]
            if after not in ids:
                raise missing("refund")
            every = every[ids.index(after) + 1 :]
        page = every[:limit]
        return {"object": "list", "data": page, "has_more": len(every) > limit, "url": "/v1/refunds"}

    def _charge(self, asked: Mapping[str, str]) -> dict[str, Any]:
        charge_id = asked.get("charge")
        if charge_id is None:
            intent = self.intents.get(asked.get("payment_intent", ""))
            charge_id = intent["latest_charge"] if intent else None
        charge = self.charges.get(charge_id or "")
        if charge is None:
            raise missing("charge")
        return charge

    def _moment(self) -> int:
        self._made += 1
        return STARTED + self._made


def missing(kind: str) -> RefusedError:
    """There is no such object."""
    return RefusedError(404, "resource_missing", f"No such {kind}")


def _amount(text: str | None, left: int) -> int:
    if text is None:
        return left
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise RefusedError(400, "parameter_invalid_integer", "Invalid positive integer")
    return int(text)


def _refuse_more(charge: Mapping[str, Any], amount: int, left: int) -> None:
    if charge["refunded"]:
        raise RefusedError(
            400, "charge_already_refunded", f"Charge {charge['id']} has already been refunded."
        )
    if charge["disputed"]:
        raise RefusedError(400, "charge_disputed", f"Charge {charge['id']} has been charged back.")
    if amount > left:
        raise RefusedError(
            400, "amount_too_large", "Refund amount is greater than unrefunded amount on charge"
        )


def _metadata(asked: Mapping[str, str]) -> dict[str, str]:
    prefix = "metadata["
    return {
        name.removeprefix(prefix).removesuffix("]"): value
        for name, value in asked.items()
        if name.startswith(prefix) and name.endswith("]")
    }
