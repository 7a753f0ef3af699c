"""Servers to be measured: `python -m tests.bench.doors bare|door FOLDER`; prints its port when it answers.

`bare` reads the body and commits it with the same group commit and the same fsync as the hub, and
does nothing else. `door` is the hub's own webhook route (token, masking, classification, digest,
receipt) without the rest of the hub in its process.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from adapters.registry import load_adapter
from hub.clock import SystemClock
from hub.ingest.digests import KnownDigests
from hub.ingest.webhooks import Door, WebhookEndpoint
from hub.log import EmbeddedServer, InboxLog, NewReceipt, Privacy, connect, open_streams
from hub.serving import WebServer
from hub.settings import ListenAddress
from hub.store.database import Database
from hub.store.migrate import migrate
from hub.telemetry import Metrics

TOKEN = "a-webhook-token-of-the-bench"
Message = MutableMapping[str, Any]
NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Bare:
    """The floor: bytes in, durable, 200 out."""

    def __init__(self, inbox: InboxLog) -> None:
        self._inbox = inbox

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        receipt = NewReceipt(
            receipt_id="r_bare",
            source="meetergo",
            received_at=NOW,
            kind="booking_created",
            status="accepted",
            reason=None,
            provider_id="b",
            digest="d",
            body=body,
        )
        await self._inbox.store(receipt)
        answer = b'{"receipt": "r_bare", "status": "accepted"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def serve(kind: str, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        nats = EmbeddedServer(folder)
        stack.push_async_callback(nats.stop)
        connection = await connect(await nats.start())
        stack.push_async_callback(connection.close)
        await open_streams(connection, prefix="hub", installation_id="bench", events_known=False)
        await Privacy(connection, "hub").load()
        inbox = InboxLog(connection, "hub")
        stack.push_async_callback(inbox.close)
        app: Any = Bare(inbox)
        if kind == "door":
            database = Database.open(f"sqlite:///{folder / 'hub.db'}")
            stack.callback(database.close)
            await asyncio.to_thread(migrate, database)
            adapter = load_adapter("meetergo")
            assert adapter.source is not None
            assert adapter.source_config is not None
            source = adapter.source(adapter.source_config(), instance="meetergo")
            known = KnownDigests(database)
            await known.load(now=datetime.now(UTC))
            app = WebhookEndpoint(
                [Door(source, tokens=(TOKEN,))],
                log=inbox,
                known=known,
                clock=SystemClock(),
                metrics=Metrics(version="bench", sources=["meetergo"]),
            )
        server = WebServer(ListenAddress("127.0.0.1", 0), key="bench")
        stack.push_async_callback(server.stop)
        await server.start(app)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        sys.stdout.write(server.url.rpartition(":")[2] + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
