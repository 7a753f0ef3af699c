"""Handing receipts to the ingest, each at least once, through a FastStream pull subscriber.

Nothing waits in the consumer: a receipt is acknowledged as soon as its rows are written.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.nats import JStream, NatsMessage, PullSub

from hub.errors import LogError
from hub.log.broker import LogConnection
from hub.log.inbox_log import InboxLog, StoredReceipt, read_receipt
from hub.log.subjects import stream_filter

Handler = Callable[[StoredReceipt], Awaitable[None]]

_BATCH = 100
_FETCH_SECONDS = 1.0
_CHECK_SECONDS = 2.0
_RETRY_SECONDS = 1
_START_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class InboxConsumer:
    """Calls `handle` for every receipt, up to 100 at once, and acknowledges those it returns from.

    A receipt whose handling failed comes again after a second, one whose acknowledgement was lost
    after five: `handle` must be able to see the same receipt twice. Order is not kept.
    """

    def __init__(self, connection: LogConnection, inbox: InboxLog, handle: Handler) -> None:
        self._connection = connection
        self._inbox = inbox
        self._handle = handle
        self._check_now = asyncio.Event()
        self._watchdog: asyncio.Task[None] | None = None
        self._subscriber = connection.broker.subscriber(
            stream_filter(inbox.prefix, "inbox"),
            durable=inbox.consumer,
            stream=JStream(inbox.stream, declare=False),
            pull_sub=PullSub(batch_size=_BATCH, timeout=_FETCH_SECONDS),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_undecoded,
        )
        self._subscriber(self._received)

    async def start(self) -> None:
        """Make the consumer and begin; LogError if the log did not let it, then it may be called again."""
        await self._inbox.ensure_consumer()
        async with self._connection.bounded(self._inbox.consumer, _START_SECONDS):
            await self._subscriber.start()
        self._connection.on_reconnect.add(self._check_now.set)
        self._watchdog = asyncio.create_task(self._watch(), name="inbox consumer watchdog")

    async def stop(self) -> None:
        """End after the receipts in hand; unacknowledged ones come again at the next start."""
        self._connection.on_reconnect.discard(self._check_now.set)
        if self._watchdog is not None:
            self._watchdog.cancel()
            await asyncio.wait({self._watchdog})
            self._watchdog = None
        with suppress(LogError, OSError):
            await self._subscriber.stop()

    async def _received(self, message: NatsMessage) -> None:
        sequence = message.raw_message.metadata.sequence.stream
        try:
            # FastStream would read the body as JSON; the receipt keeps the bytes as they came.
            receipt = read_receipt(message.headers, message.body, sequence)
        except LogError as error:
            _log.error("inbox_message_refused", sequence=sequence, error=str(error))
            await message.reject()
            return
        try:
            await self._handle(receipt)
        except Exception as error:  # noqa: BLE001 - whatever it is, the receipt must come again
            _log.warning("inbox_receipt_failed", receipt_id=receipt.receipt_id, error=repr(error))
            await message.nack(delay=_RETRY_SECONDS)
        else:
            await message.ack()

    async def _watch(self) -> None:
        """Make the consumer again if it is gone: FastStream itself says nothing and waits for ever."""
        reported = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._check_now.wait()
            self._check_now.clear()
            try:
                await self._inbox.ensure_consumer()
                reported = False
            except LogError as error:
                if not reported:
                    _log.warning("inbox_consumer_unavailable", error=str(error))
                    reported = True


async def _undecoded(message: StreamMessage[Any]) -> StreamMessage[Any]:
    return message
