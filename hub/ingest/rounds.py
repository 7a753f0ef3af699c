"""Looking for marks again and again: whenever there may be some, and at least once a second."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog

from hub.errors import StoreError

_IDLE_SECONDS = 1.0
_OUTAGE_SECONDS = 1.0

_log = structlog.get_logger(__name__)


async def keep_looking(
    look: Callable[[], Awaitable[None]],
    woken: asyncio.Event,
    begun: Callable[[], Iterable["asyncio.Task[Any]"]],
) -> None:
    """Call `look` until cancelled; then end the tasks it has begun. A store that is away is waited for."""
    try:
        while True:
            woken.clear()
            try:
                await look()
            except StoreError as error:
                _log.error("marks_unreadable", error=str(error))
                await asyncio.sleep(_OUTAGE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_SECONDS):
                    await woken.wait()
    finally:
        tasks = set(begun())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
