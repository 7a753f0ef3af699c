"""Waiting for a condition with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]], *, within: float = 60.0) -> None:
    """Return once the condition holds; TimeoutError naming it if that takes too long."""
    try:
        async with asyncio.timeout(within):
            while True:
                answer = holds()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(
            f"{getattr(holds, '__qualname__', holds)} does not hold after {within} s"
        ) from None
