"""The short retries inside one attempt: a hiccup of the target is over before anybody has to wait.

Longer troubles end the attempt; the row then waits in the store, not a worker in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from adapters.errors import TransientError
from hub.delivery.errors import CutOffError

T = TypeVar("T")

SHORT_TRIES = 3
LONGEST_SHORT_WAIT = timedelta(seconds=3)
"""A target that asks for more than this ends the attempt."""

Sleep = Callable[[float], Awaitable[None]]

_spread = wait_random_exponential(multiplier=0.2, max=1.0)


async def call_with_short_retries(
    call: Callable[[], Awaitable[T]],
    *,
    timeout: timedelta,
    repeatable: bool = True,
    sleep: Sleep = asyncio.sleep,
) -> T:
    """Await the call, at most three times while it fails transiently; each try is bounded by `timeout`.

    Raises what the last try raised; CutOffError if it took too long, which is never tried again at
    once since the call may still be having its effect. Not `repeatable`: nor is any other that may have
    had it. If one of the tries may have had its effect, the error says so, whatever the last one met.
    """
    unknown = False

    async def tried() -> T:
        nonlocal unknown
        try:
            return await bounded(call, timeout)
        except TransientError as error:
            unknown = error.effect_unknown = unknown or error.effect_unknown
            raise

    retrying = AsyncRetrying(
        retry=retry_if_exception(partial(_may_pass_soon, repeatable=repeatable)),
        stop=stop_after_attempt(SHORT_TRIES),
        wait=_short_wait,
        sleep=sleep,
        reraise=True,
    )
    return await retrying(tried)


def longest_attempt(timeout: timedelta) -> timedelta:
    """No attempt at one part takes longer than this; a claim has to outlive it."""
    return timeout * SHORT_TRIES + LONGEST_SHORT_WAIT * (SHORT_TRIES - 1)


async def bounded(call: Callable[[], Awaitable[T]], timeout: timedelta) -> T:
    """Await the call, or raise CutOffError once the timeout is over."""
    scope = asyncio.timeout(timeout.total_seconds())
    try:
        async with scope:
            return await call()
    except TimeoutError as error:
        if scope.expired():
            raise CutOffError(f"no answer within {timeout.total_seconds():g} s") from error
        raise


def _may_pass_soon(error: BaseException, *, repeatable: bool) -> bool:
    if not isinstance(error, TransientError) or isinstance(error, CutOffError):
        return False
    if error.effect_unknown and not repeatable:
        return False
    return error.retry_after is None or error.retry_after <= LONGEST_SHORT_WAIT


def _short_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, TransientError) else None
    return max(_spread(state), told.total_seconds() if told else 0.0)
