"""What is repeated, what is not, and what a failure is called afterwards."""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapters.errors import AdapterError, AuthError, OutcomeUnknownError, RefusalError, TransientError
from adapters.http import HttpClient
from adapters.meetergo.budget import FIRST_PAUSE, Budget
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.wire import TRIES, USER_HEADER, Call, Caller, Wire
from adapters.provider import Priority
from tests.unit.adapters.meetergo.payloads import payload

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
PLATFORM_KEY = "ak_live:5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10:s3cr3t-of-the-company"
PERSONAL_TOKEN = "rgo-s3cr3t-of-a-person"
READ = Call("appointment", "GET", "/v4/appointment/a1")
WRITE = Call("cancel", "POST", "/v4/appointment/a1/cancel", body={"reason": "s3cr3t-of-a-guest"})

Step = httpx.Response | httpx.HTTPError


class Open(Budget):
    """Lets everybody through and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Priority] = []
        self.told: list[timedelta | None] = []

    async def take(self, priority: Priority) -> None:
        self.taken.append(priority)

    def refused(self, wait: timedelta | None) -> timedelta:
        self.told.append(wait)
        return FIRST_PAUSE if wait is None else wait


class Scripted:
    """A provider that answers one step after the other, the last one for ever."""

    def __init__(self, *steps: Step, key: str = PERSONAL_TOKEN, user_id: str = "auto") -> None:
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.budget = Open()
        http = HttpClient(clock=lambda: NOW, transport=httpx.MockTransport(self._answer))
        settings = ApiSettings.model_validate({"key": key, "user_id": user_id})
        self.wire = Wire(http, settings, budget=self.budget, sleep=self._sleep)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        step = self._steps[min(len(self.requests), len(self._steps) - 1)]
        self.requests.append(request)
        if isinstance(step, httpx.HTTPError):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def failure(self, call: Call) -> AdapterError:
        with pytest.raises(AdapterError) as raised:
            await self.wire.send(call, Caller())
        return raised.value


def ok(**members: Any) -> httpx.Response:
    return httpx.Response(200, json={"id": "a1"} | members)


def status(code: int, **headers: str) -> httpx.Response:
    return httpx.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()})


TIMEOUT = httpx.ReadTimeout("no answer")
UNSENT = httpx.ConnectError("nobody there")
CUT = httpx.Response(200, content=b'{"id": "a1", "att')


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([TIMEOUT], id="timeout"),
        pytest.param([UNSENT, TIMEOUT], id="unreachable, then a timeout"),
        pytest.param([httpx.RemoteProtocolError("hung up")], id="hung up"),
        pytest.param([CUT], id="cut document"),
        *(pytest.param([status(code)], id=str(code)) for code in (429, 502, 503, 504)),
        pytest.param([status(503), CUT], id="503, then cut"),
    ],
)
async def test_a_read_is_repeated(steps: Sequence[Step]) -> None:
    provider = Scripted(*steps, ok())
    assert (await provider.wire.send(READ, Caller())).json() == {"id": "a1"}
    assert len(provider.requests) == len(provider.budget.taken) == len(steps) + 1


@pytest.mark.parametrize(
    ("step", "tries"),
    [
        pytest.param(TIMEOUT, TRIES, id="timeout"),
        pytest.param(CUT, TRIES, id="cut document"),
        pytest.param(status(503), TRIES, id="503"),
        pytest.param(status(500), 1, id="500 is no hiccup"),
        pytest.param(status(408), 1, id="408"),
    ],
)
async def test_a_read_that_keeps_failing_is_given_up(step: Step, tries: int) -> None:
    provider = Scripted(step)
    error = await provider.failure(READ)
    assert type(error) is TransientError
    assert len(provider.requests) == tries


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(TIMEOUT, id="timeout"),
        pytest.param(httpx.WriteError("half of it"), id="while sending"),
        pytest.param(httpx.RemoteProtocolError("hung up"), id="hung up"),
        *(pytest.param(status(code), id=str(code)) for code in (408, 500, 502, 503, 504)),
    ],
)
async def test_a_write_that_may_have_happened_is_never_repeated(step: Step) -> None:
    provider = Scripted(step, ok())
    error = await provider.failure(WRITE)
    assert type(error) is OutcomeUnknownError
    assert error.effect_unknown
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(UNSENT, id="no connection"),
        pytest.param(httpx.ConnectTimeout("nobody there"), id="no connection in time"),
        pytest.param(status(429), id="429"),
        pytest.param(status(429, retry_after="7"), id="429 with a time"),
    ],
)
async def test_a_write_that_cannot_have_happened_is_repeated(step: Step) -> None:
    provider = Scripted(step, ok())
    assert (await provider.wire.send(WRITE, Caller())).status == 200
    assert len(provider.requests) == 2


async def test_a_write_that_never_left_says_so() -> None:
    provider = Scripted(UNSENT)
    error = await provider.failure(WRITE)
    assert isinstance(error, TransientError)
    assert not error.effect_unknown
    assert len(provider.requests) == TRIES


async def test_a_cut_answer_to_a_write_is_an_answer() -> None:
    """It was accepted; only what it says is lost."""
    provider = Scripted(CUT)
    assert (await provider.wire.send(WRITE, Caller())).status == 200
    assert len(provider.requests) == 1


@pytest.mark.parametrize(("headers", "told"), [({}, None), ({"retry_after": "7"}, timedelta(seconds=7))])
async def test_after_a_429_the_whole_budget_waits_and_nobody_else(
    headers: dict[str, str], told: timedelta | None
) -> None:
    provider = Scripted(status(429, **headers), ok())
    await provider.wire.send(READ, Caller())
    assert provider.budget.told == [told]
    assert provider.slept == [0.0]


async def test_a_429_that_does_not_end_names_the_wait() -> None:
    provider = Scripted(status(429))
    error = await provider.failure(WRITE)
    assert isinstance(error, TransientError)
    assert (error.retry_after, error.effect_unknown, len(provider.requests)) == (FIRST_PAUSE, False, TRIES)


async def test_a_long_wait_is_told_at_once() -> None:
    provider = Scripted(status(429, retry_after="3600"), ok())
    error = await provider.failure(READ)
    assert isinstance(error, TransientError)
    assert (error.retry_after, len(provider.requests)) == (timedelta(hours=1), 1)


async def test_who_comes_during_a_long_pause_is_told_at_once_and_nothing_is_sent() -> None:
    provider = Scripted(ok())
    budget = Budget()
    budget.refused(timedelta(minutes=5))
    provider.wire.budget = budget
    async with asyncio.timeout(5):
        with pytest.raises(TransientError) as raised:
            await provider.wire.send(WRITE, Caller(priority=Priority.COMMAND))
    told = raised.value.retry_after
    assert told is not None
    assert timedelta(minutes=4) < told <= timedelta(minutes=5)
    assert (raised.value.effect_unknown, provider.requests) == (False, [])


async def test_every_try_takes_a_token_of_its_class() -> None:
    provider = Scripted(status(503), ok())
    await provider.wire.send(READ, Caller(priority=Priority.BACKFILL))
    assert provider.budget.taken == [Priority.BACKFILL] * 2


@pytest.mark.parametrize(
    ("key", "user_id", "user", "sent"),
    [
        pytest.param(PLATFORM_KEY, "auto", "host-1", "host-1", id="the booking's host"),
        pytest.param(PLATFORM_KEY, "u-9", "host-1", "u-9", id="the configured user"),
        pytest.param(PLATFORM_KEY, "auto", None, None, id="nobody known"),
        pytest.param(PERSONAL_TOKEN, "auto", "host-1", None, id="a person's token names nobody"),
    ],
)
async def test_whom_a_request_is_made_for(key: str, user_id: str, user: str | None, sent: str | None) -> None:
    provider = Scripted(ok(), key=key, user_id=user_id)
    await provider.wire.send(READ, Caller(user))
    (request,) = provider.requests
    assert request.headers["authorization"] == f"Bearer {key}"
    assert request.headers.get(USER_HEADER) == sent


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("error_400_slot_occupied", "slot-taken", "slot-taken"),
        ("error_400_message_array", "provider-refused", "about page, pageSize"),
        ("error_400_validation", "provider-refused", "about start"),
        ("error_400_missing_user_header", "needs-user", "needs-user"),
        ("error_400_availability_scope", "provider-refused", "400"),
        ("error_400_group_cancel_without_scope", "provider-refused", "400"),
        ("error_403_pat_impersonation", "forbidden", "403"),
        ("error_404_appointment", "not-found", "404"),
        ("error_406_webhook_limit", "limit-reached", "406"),
    ],
)
async def test_refusals_have_a_code_people_can_be_told(name: str, code: str, told: str) -> None:
    body = payload(f"{name}.json")
    error = await Scripted(httpx.Response(body["statusCode"], json=body)).failure(WRITE)
    assert isinstance(error, RefusalError)
    assert error.code == code
    assert str(error).startswith("cancel: api.meetergo.com answered ")
    assert str(error).endswith(told)


async def test_a_limit_of_the_plan_is_a_limit() -> None:
    body = {"statusCode": 403, "code": "PLAN_LIMIT_REACHED", "feature": "webhooks", "message": "upgrade"}
    error = await Scripted(httpx.Response(403, json=body)).failure(WRITE)
    assert isinstance(error, RefusalError)
    assert error.code == "limit-reached"


async def test_an_expired_key_is_no_fault_of_the_request() -> None:
    body = payload("error_401_expired_key.json")
    provider = Scripted(httpx.Response(401, json=body))
    assert isinstance(await provider.failure(READ), AuthError)
    assert len(provider.requests) == 1


QUOTING: list[Callable[[], httpx.Response]] = [
    lambda: httpx.Response(
        400, json={"message": "reason s3cr3t-of-a-guest is too long", "errorCode": "s3cr3t"}
    ),
    lambda: httpx.Response(
        400, json={"message": ["s3cr3t-of-a-guest is no mail address", {"start": "s3cr3t"}, 7]}
    ),
    lambda: httpx.Response(
        400, json={"errors": [{"field": "notes.s3cr3t", "message": "s3cr3t"}, "s3cr3t", 4]}
    ),
    lambda: httpx.Response(403, json={"message": {"s3cr3t": 1}, "code": ["s3cr3t"]}),
    lambda: httpx.Response(422, text="s3cr3t"),
    lambda: httpx.Response(400, json=["s3cr3t"]),
    lambda: httpx.Response(401, json={"message": "s3cr3t"}),
    lambda: httpx.Response(500, text="<html>s3cr3t</html>"),
    lambda: httpx.Response(302, headers={"location": "https://s3cr3t.example"}),
]


@pytest.mark.parametrize("answer", QUOTING, ids=range(len(QUOTING)))
@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
async def test_nothing_the_provider_quotes_comes_into_an_error(
    answer: Callable[[], Step], call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    error = await Scripted(answer(), key=PLATFORM_KEY).failure(call)
    assert "s3cr3t" not in "".join(traceback.format_exception(error)) + caplog.text
