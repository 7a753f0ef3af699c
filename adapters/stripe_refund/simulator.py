"""A stand-in for the part of Stripe that gives money back, with switches for what goes wrong there.

Plain ASGI: `uvicorn --factory adapters.stripe_refund.simulator:create_app`. Answers below `/v1`; beside it
the routes of `adapters.simulation`, and:

    POST /_payments   {"name": "1002", "amount": 4900, "currency": "eur", "email": "…", "metadata": {}}
    POST /_keys       the answers kept by key are forgotten, as they are after 24 hours
    POST /_switches   {"idempotent": false, "next_status": "pending", "fails_after": true}
    GET  /_refunds    every refund with all its members
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from adapters.errors import AuthError
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply
from adapters.stripe_refund.simulated import Account, missing
from adapters.testing_samples import GUEST_DATA

KEY = "rk_test_made_up_of_the_stand_in"
PAYMENT = "1001"
"""The payment of the contract kits' sample booking."""

_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    402: "card_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    409: "idempotency_error",
    422: "invalid_request_error",
    429: "invalid_request_error",
}
_SWITCHES = ("idempotent", "next_status", "fails_after")
_MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer kept by its key, with what was asked for."""

    asked: tuple[tuple[str, str], ...]
    reply: Reply


class Stripe(Simulation):
    """The ASGI application; `keys` are the accepted secret keys, None accepts any."""

    base = "/v1"

    def __init__(self, account: Account, *, keys: Collection[str] | None = None) -> None:
        super().__init__()
        self.account = account
        self._keys = keys
        self._kept: dict[str, Kept] = {}

    def call_of(self, request: Request) -> str:
        match (request.method, request.path):
            case ("GET", ("charges", _)):
                return "charge"
            case ("GET", ("payment_intents", _)):
                return "intent"
            case ("GET", ("checkout", "sessions", _)):
                return "session"
            case ("GET", ("refunds",)):
                return "refunds"
            case ("POST", ("refunds",)):
                return "refund"
        raise RefusedError(404, "", "Unrecognized request URL")

    def turned_away(self, request: Request) -> RefusedError | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and key and (self._keys is None or key in self._keys):
            return None
        return RefusedError(401, "api_key_invalid", "Invalid API Key provided")

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        kind = (
            refusal.reason
            if refusal.reason == "idempotency_error"
            else _TYPES.get(refusal.status, "api_error")
        )
        error = {"type": kind, "message": refusal.message}
        if refusal.reason and refusal.reason != kind:
            error["code"] = refusal.reason
        return Reply(refusal.status, json.dumps({"error": error}).encode(), headers=headers)

    def objects(self) -> Mapping[str, Any]:
        """The refunds that give something back."""
        return {
            name: {"charge": refund["charge"], "amount": refund["amount"], "currency": refund["currency"]}
            for name, refund in self.account.refunds.items()
            if refund["status"] not in ("failed", "canceled")
        }

    def control(self, request: Request) -> Reply | None:
        match (request.method, request.path):
            case ("POST", ("_payments",)):
                return json_reply({"payment": self.account.pay(**request.json())})
            case ("POST", ("_keys",)):
                self._kept.clear()
                return json_reply({})
            case ("POST", ("_switches",)):
                for name, value in request.json().items():
                    if name not in _SWITCHES:
                        raise RefusedError(400, "parameter_unknown", f"no switch {name}")
                    setattr(self.account, name, value)
                return json_reply({name: getattr(self.account, name) for name in _SWITCHES})
            case ("GET", ("_refunds",)):
                return json_reply(self.account.refunds)
        return None

    async def perform(self, request: Request, call: str) -> Reply:
        if call == "refund":
            return self._refund(request)
        if call == "refunds":
            query = {name: values[-1] for name, values in request.query.items()}
            limit = min(int(query.get("limit", "10")), _MOST_LISTED)
            after = query.get("starting_after")
            return json_reply(self.account.listed(query.get("charge"), limit=limit, after=after))
        return json_reply(self._object(call, request))

    def _object(self, call: str, request: Request) -> dict[str, Any]:
        kept = {"charge": self.account.charges, "intent": self.account.intents}.get(
            call, self.account.sessions
        )
        found = kept.get(request.path[-1])
        if found is None:
            raise missing(call)
        if call == "intent" and "latest_charge" in request.query.get("expand[]", ()):
            return found | {"latest_charge": self.account.charges[found["latest_charge"]]}
        return found

    def _refund(self, request: Request) -> Reply:
        """Once per key, as long as the key is remembered; errors of Stripe's own are kept as well."""
        asked = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        key = request.headers.get("idempotency-key", "")
        if not key or not self.account.idempotent:
            return self._made(asked)
        kept = self._kept.get(key)
        same = tuple(sorted(asked.items()))
        if kept is None:
            # A refusal of what was asked is raised, and not kept.
            self._kept[key] = Kept(same, self._made(asked))
            return self._kept[key].reply
        if kept.asked != same:
            raise RefusedError(400, "idempotency_error", "Keys can only be used with the same parameters.")
        return Reply(kept.reply.status, kept.reply.body, headers=(("idempotent-replayed", "true"),))

    def _made(self, asked: Mapping[str, str]) -> Reply:
        refund = self.account.refund(asked)
        fails, self.account.fails_after = self.account.fails_after, False
        if fails:
            return self.refused(RefusedError(500, "", "An unknown error occurred"))
        return json_reply(refund)


def create_app() -> Stripe:
    """An account in which the sample booking is paid."""
    account = Account()
    account.pay(PAYMENT, amount=4900, email=GUEST_DATA[1])
    return Stripe(account, keys=(KEY,))


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for an account at this address."""
    return {
        "base_url": f"{url}/v1",
        "key": KEY,
        "currency": "eur",
        "approve_above": "100",
        "daily_limit": "1000",
    }


simulator = SimulatorType(
    name="stripe_refund",
    summary="an account at Stripe with payments and refunds, and one that remembers no keys",
    create_app=create_app,
    config=config,
    secrets=(KEY,),
    forbidden={"403": AuthError},
)
