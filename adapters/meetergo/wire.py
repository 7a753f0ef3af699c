"""One request to meetergo: within the budget, under the right identity, repeated only where that is safe.

The API has no idempotency key: a booking made twice mails the guest twice. So reads are repeated, writes
only after a 429 or where the request never left, and a write without an answer is an OutcomeUnknownError.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt
from tenacity.retry import retry_base
from tenacity.wait import wait_random_exponential

from adapters.errors import OutcomeUnknownError, TransientError
from adapters.http import Answer, HttpClient, retry_after
from adapters.meetergo.budget import LONGEST_WAIT, Budget, PausedError, budget_of
from adapters.meetergo.config import ApiSettings, is_platform_key
from adapters.meetergo.failures import LIMITED, UPSTREAM, USER_HEADER, sorted_failure
from adapters.provider import Priority

TRIES = 3
_ANSWERS = range(400, 600)
_spread = wait_random_exponential(multiplier=0.5, max=5)

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked; `name` stands in errors, `allow` are statuses that are answers."""

    name: str
    method: Method
    path: str
    params: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    allow: Collection[int] = ()

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf and how urgently: the id of a host, for platform keys only, and the class."""

    user: str | None = None
    priority: Priority = Priority.VERIFICATION


@dataclass(frozen=True, slots=True)
class _Tried:
    """How one try went; `told` is how long nobody calls after a 429."""

    answer: Answer
    told: timedelta | None = None


class Wire:
    """The connection under one key."""

    def __init__(
        self,
        http: HttpClient,
        settings: ApiSettings,
        *,
        budget: Budget | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        key = settings.key.get_secret_value()
        self._http = http
        self._base = settings.base_url
        self._authorization = f"Bearer {key}"
        self._names_user = is_platform_key(key)
        self._fixed_user = None if settings.user_id == "auto" else settings.user_id
        self._sleep = sleep
        self.budget = budget or budget_of(key)

    async def send(self, call: Call, caller: Caller) -> Answer:
        """The answer, 2xx or allowed.

        Raises OutcomeUnknownError for a write that may have happened, TransientError if it did not,
        AuthError for the key and RefusalError for the request.
        """
        retrying = AsyncRetrying(
            retry=_MayRepeat(call),
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            sleep=self._sleep,
            retry_error_callback=_last,
        )
        try:
            tried: _Tried = await retrying(self._attempt, call, caller)
        except PausedError as error:
            raise TransientError(f"{call.name}: a 429 was answered", retry_after=error.left) from error
        answer = tried.answer
        if 200 <= answer.status < 300 or answer.status in call.allow:
            return answer
        raise sorted_failure(answer, call.name, writes=call.writes, told=tried.told)

    async def _attempt(self, call: Call, caller: Caller) -> _Tried:
        await self.budget.take(caller.priority)
        answer = await self._exchange(call, caller)
        if answer.status == LIMITED:
            wait = retry_after(answer.headers, now=self._http.clock())
            return _Tried(answer, self.budget.refused(wait))
        self.budget.accepted()
        if answer.status < 300 and not call.writes:
            # A cut document is a failure of this try, which the next one may make good.
            answer.json()
        return _Tried(answer)

    async def _exchange(self, call: Call, caller: Caller) -> Answer:
        try:
            async with asyncio.timeout(2 * self._http.timeout.total_seconds()):
                return await self._http.request(
                    call.method,
                    self._base + call.path,
                    headers=self._headers(caller),
                    params=dict(call.params),
                    json=call.body,
                    allow=_ANSWERS,
                )
        except TimeoutError as error:
            message = f"{call.name}: the answer did not end"
            raise (OutcomeUnknownError if call.writes else TransientError)(message) from error
        except TransientError as error:
            if call.writes and error.effect_unknown:
                raise OutcomeUnknownError(f"{call.name}: {error}") from error
            raise

    def _headers(self, caller: Caller) -> dict[str, str]:
        user = self._fixed_user or caller.user
        names = {USER_HEADER: user} if self._names_user and user else {}
        return {"Authorization": self._authorization, "Accept": "application/json", **names}


class _MayRepeat(retry_base):
    """Whether this outcome of the call may be followed by another try of it."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, state: RetryCallState) -> bool:
        if state.outcome is None:
            return False
        error = state.outcome.exception()
        if error is not None:
            return isinstance(error, TransientError) and not (self._call.writes and error.effect_unknown)
        tried: _Tried = state.outcome.result()
        if tried.told is not None:
            return tried.told <= LONGEST_WAIT
        return tried.answer.status in UPSTREAM and not self._call.writes


def _wait(state: RetryCallState) -> float:
    """After a 429 the budget lets everybody wait; a wait of its own would only add to it."""
    limited = state.outcome and not state.outcome.failed and state.outcome.result().told is not None
    return 0.0 if limited else _spread(state)


def _last(state: RetryCallState) -> Any:
    """What the last try came to, raised or returned."""
    return state.outcome.result() if state.outcome else None
