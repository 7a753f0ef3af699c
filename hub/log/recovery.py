"""Brings back an embedded server that runs, answers, and stores nothing any more (see `hub.log.writes`).

Not before its disk takes writes again: until then it can at least be read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from hub.log.broker import LogConnection
from hub.log.embedded import EmbeddedServer

_LOOK_SECONDS = 0.5

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def kept_storing(server: EmbeddedServer, connection: LogConnection) -> AsyncIterator[None]:
    """Inside it the server is started anew whenever that helps against writes it leaves unanswered."""
    keeper = asyncio.create_task(_keep_storing(server, connection), name="nats-server writes")
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})


async def _keep_storing(server: EmbeddedServer, connection: LogConnection) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if not connection.writes.stalled:
            continue
        works = await asyncio.to_thread(server.files.take_a_trial_write)
        stalled = connection.writes.stalled
        if works and stalled:
            _log.warning("nats_server_stores_nothing", pid=server.pid, streams=list(stalled))
            connection.writes.forget()
            server.start_anew()
