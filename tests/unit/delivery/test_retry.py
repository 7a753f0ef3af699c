"""The short retries inside one attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from adapters.errors import AuthError, PermanentError, TransientError
from hub.delivery.errors import CutOffError
from hub.delivery.retry import call_with_short_retries

TIMEOUT = timedelta(seconds=30)


class Call:
    """Fails as told, one error after the other, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class Pauses:
    """Stands in for sleeping and remembers how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def attempt(call: Callable[[], Awaitable[str]], pauses: Pauses) -> str:
    return await call_with_short_retries(call, timeout=TIMEOUT, sleep=pauses)


async def test_two_hiccups_pass_within_one_attempt() -> None:
    call, pauses = Call(TransientError("503"), TransientError("503")), Pauses()
    assert await attempt(call, pauses) == "done"
    assert call.tries == 3
    assert all(0 <= seconds <= 1 for seconds in pauses.seconds)


async def test_third_hiccup_ends_the_attempt_with_its_own_error() -> None:
    call = Call(*(TransientError(f"503 number {n}") for n in (1, 2, 3, 4)))
    with pytest.raises(TransientError, match="number 3"):
        await attempt(call, Pauses())


@pytest.mark.parametrize(
    "error",
    [PermanentError("400"), AuthError("401"), ValueError("bug"), TimeoutError("leaked by the adapter")],
    ids=["permanent", "auth", "bug", "leaked timeout"],
)
async def test_what_will_not_pass_soon_is_tried_once(error: Exception) -> None:
    call = Call(error)
    with pytest.raises(type(error)):
        await attempt(call, Pauses())
    assert call.tries == 1


async def test_a_short_told_wait_is_waited_for() -> None:
    call, pauses = Call(TransientError("429", retry_after=timedelta(seconds=2))), Pauses()
    assert await attempt(call, pauses) == "done"
    assert pauses.seconds == [2.0]


async def test_a_long_told_wait_ends_the_attempt() -> None:
    call = Call(TransientError("429", retry_after=timedelta(minutes=2)))
    with pytest.raises(TransientError) as caught:
        await attempt(call, Pauses())
    assert caught.value.retry_after == timedelta(minutes=2)
    assert call.tries == 1


async def test_a_call_that_does_not_answer_is_cut_off_and_not_tried_again_at_once() -> None:
    tries = 0

    async def silent() -> str:
        nonlocal tries
        tries += 1
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(CutOffError, match=r"no answer within 0\.01 s"):
        await call_with_short_retries(silent, timeout=timedelta(milliseconds=10), sleep=Pauses())
    assert tries == 1


async def test_cancellation_propagates() -> None:
    waiting = asyncio.create_task(attempt(asyncio.Event().wait, Pauses()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_may_have_had_its_effect_is_tried_once_if_it_must_not_be_repeated() -> None:
    lost, refused = TransientError("reset", effect_unknown=True), TransientError("503")
    call = Call(refused, lost)
    with pytest.raises(TransientError) as caught:
        await call_with_short_retries(call, timeout=TIMEOUT, repeatable=False, sleep=Pauses())
    assert caught.value is lost
    assert call.tries == 2
    assert await attempt(Call(lost), Pauses()) == "done"


async def test_what_an_earlier_try_may_have_done_is_not_forgotten_by_the_last() -> None:
    lost = TransientError("reset", effect_unknown=True)
    call = Call(lost, TransientError("503"), TransientError("503 again"))
    with pytest.raises(TransientError, match="503 again") as caught:
        await attempt(call, Pauses())
    assert caught.value.effect_unknown
    call = Call(*(TransientError("503") for _ in range(3)))
    with pytest.raises(TransientError) as caught:
        await attempt(call, Pauses())
    assert not caught.value.effect_unknown
