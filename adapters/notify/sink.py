"""Sends one message per event."""

from adapters.api import AdapterContext, Reactor, Receipt
from adapters.errors import PermanentError, TransientError
from adapters.letters import LetterWriter
from adapters.notify.client import Messenger, letter_address
from adapters.notify.config import NotifyConfig
from adapters.notify.mapping import message_of
from events import DELIVERED_BOOKING_EVENTS, Envelope

REMEMBERED = 1000
"""Messages under way of which is remembered who has got them."""


class NotifySink(Reactor[NotifyConfig], LetterWriter):
    """One message per event to every address.

    No service drops repetitions, so a call whose outcome nobody knows is not made again by itself. Where
    one address fails, a later attempt leaves out those that have the message, as long as the hub runs.
    """

    name = "notify"
    config_class = NotifyConfig
    handles = DELIVERED_BOOKING_EVENTS
    repeat = "unsafe"

    def __init__(self, config: NotifyConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._messengers = tuple(Messenger(address.get_secret_value()) for address in config.to)
        self._told: dict[str, set[int]] = {}

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        message = message_of(envelope, self.config, self.context.timezone)
        told = self._told.setdefault(idempotency_key, set())
        failed: TransientError | None = None
        for number, messenger in enumerate(self._messengers):
            if number in told:
                continue
            try:
                await messenger.send(title=message.title, body=message.body)
            except TransientError as error:
                failed = failed or error
            else:
                told.add(number)
        if failed is not None:
            self._forget_oldest()
            raise failed
        self._told.pop(idempotency_key, None)
        return Receipt(external_id=idempotency_key, position=envelope.position, detail="sent")

    def can_write(self) -> bool:
        return self._mail_address("") is not None

    async def write(self, address: str, *, title: str, body: str) -> None:
        found = self._mail_address(address)
        if found is None:
            raise PermanentError("none of its addresses is a mail account (mailto://…, mailtos://…)")
        await Messenger(found).send(title=title, body=body)

    def _mail_address(self, to: str) -> str | None:
        """The first of the addresses that is a mail account, writing to this one person."""
        written = (letter_address(one.get_secret_value(), to) for one in self.config.to)
        return next((address for address in written if address is not None), None)

    def _forget_oldest(self) -> None:
        while len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
