"""Hands every event to an address of yours."""

from adapters.api import AdapterContext, Reactor, Receipt
from adapters.errors import AuthError, PermanentError
from adapters.http import HttpClient, Sorting
from adapters.webhook.client import PublicTransport
from adapters.webhook.config import WebhookConfig, signing_key
from adapters.webhook.mapping import body_of, headers_of
from events import DELIVERED_BOOKING_EVENTS, Envelope

GONE = 410
_SORTING = Sorting(forbidden=PermanentError)


class WebhookSink(Reactor[WebhookConfig]):
    """Posts each event under an id that stays the same, so that the receiver can drop what it has seen."""

    name = "webhook"
    config_class = WebhookConfig
    handles = DELIVERED_BOOKING_EVENTS
    repeat = "safe"

    def __init__(self, config: WebhookConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        secrets = filter(None, (config.secret, config.previous_secret))
        self._keys = tuple(signing_key(secret) for secret in secrets)
        self._http = context.http
        if not config.allow_private:
            self._http = HttpClient(timeout=context.timeout, clock=context.clock, transport=PublicTransport())

    async def close(self) -> None:
        await self._http.aclose()

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        message_id = f"msg_{idempotency_key}"
        body = body_of(envelope)
        answer = await self._http.post(
            self.config.url,
            content=body,
            headers=headers_of(message_id, self.context.clock(), body, self._keys),
            allow={GONE},
            sorting=_SORTING,
        )
        if answer.status == GONE:
            # The specification: the receiver wants no more messages at this address.
            raise AuthError(f"{answer.host} answered 410: it wants no more events")
        return Receipt(external_id=message_id, position=envelope.position, detail="accepted")
