"""Failures of HTTP arrive as what the hub does next, and say nothing they were told in confidence."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import MOST_BYTES, Answer, HttpClient, Sorting, retry_after

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
URL = "https://crm.example/contacts/ilse@kunde.example?token=s3cr3t-in-the-query"
BODY = "s3cr3t-in-the-answer"
HEADERS = {"Authorization": "Bearer s3cr3t-in-a-header"}


def client(respond: Callable[[httpx.Request], httpx.Response]) -> HttpClient:
    return HttpClient(clock=lambda: NOW, transport=httpx.MockTransport(respond))


async def failure(
    respond: Callable[[httpx.Request], httpx.Response], sorting: Sorting | None = None
) -> AdapterError:
    http = client(respond)
    with pytest.raises(AdapterError) as raised:
        await http.request("PATCH", URL, headers=HEADERS, json={"a": 1}, sorting=sorting or Sorting())
    await http.aclose()
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, TransientError) for status in (408, 425, 429, 500, 502, 503, 504)),
        (401, AuthError),
        (403, AuthError),
        *((status, PermanentError) for status in (301, 400, 404, 409, 410, 412, 413, 422, 451)),
    ],
)
async def test_a_status_is_sorted_by_what_to_do(status: int, kind: type[AdapterError]) -> None:
    error = await failure(lambda _: httpx.Response(status, headers={"Location": "https://elsewhere.example"}))
    assert type(error) is kind
    assert str(error) == f"PATCH to crm.example answered {status}"


async def test_a_status_that_is_an_answer_is_given_back() -> None:
    http = client(lambda _: httpx.Response(404, json={"category": "NOT_FOUND"}))
    answer = await http.get(URL, allow={404})
    assert (answer.status, answer.json()) == (404, {"category": "NOT_FOUND"})
    assert answer.headers["CONTENT-type"] == "application/json"


async def test_what_a_403_means_is_the_adapters_word() -> None:
    def meaning(answer: Answer) -> AdapterError | type[AdapterError]:
        return TransientError if answer.json()["reason"] == "rate" else PermanentError("not this one")

    sorting = Sorting(forbidden=meaning, reason=lambda answer: answer.json()["reason"])
    error = await failure(lambda _: httpx.Response(403, json={"reason": "rate"}), sorting)
    assert isinstance(error, TransientError)
    assert str(error) == "PATCH to crm.example answered 403 rate"
    error = await failure(lambda _: httpx.Response(403, json={"reason": "other"}), sorting)
    assert (type(error), str(error)) == (PermanentError, "not this one")
    error = await failure(lambda _: httpx.Response(403), Sorting(forbidden=PermanentError))
    assert type(error) is PermanentError


@pytest.mark.parametrize(
    "raised",
    [
        httpx.ConnectError(f"no route to {URL}"),
        httpx.ReadTimeout(URL),
        httpx.RemoteProtocolError("peer closed connection"),
        httpx.DecodingError("not gzip"),
    ],
)
async def test_a_broken_connection_passes_and_tells_no_address(raised: httpx.HTTPError) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        raise raised

    error = await failure(respond)
    assert type(error) is TransientError
    assert str(error) == f"PATCH to crm.example failed: {type(raised).__name__}"


async def test_an_answer_without_end_is_refused() -> None:
    error = await failure(lambda _: httpx.Response(200, content=b"x" * (MOST_BYTES + 1)))
    assert type(error) is PermanentError


async def test_a_cut_document_passes() -> None:
    answer = await client(lambda _: httpx.Response(200, content=b'{"id": "1')).get(URL)
    with pytest.raises(TransientError, match=r"^crm\.example answered 200 with no whole JSON document$"):
        answer.json()


async def test_an_address_nobody_can_call_is_refused() -> None:
    with pytest.raises(PermanentError):
        await HttpClient().get("https://exa mple\x00/")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 500])
async def test_nothing_confidential_is_logged_or_raised(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told = ""
    try:
        await client(lambda _: httpx.Response(status, text=BODY)).post(URL, headers=HEADERS)
    except AdapterError as error:
        told = "".join(traceback.format_exception(error))
    assert "s3cr3t" not in told + caplog.text
    assert "ilse" not in told + caplog.text


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, timedelta(seconds=7)),
        ({"retry-after": " 0 "}, timedelta(0)),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, timedelta(seconds=10**7)),
        ({"retry-after": "Sun, 01 Nov 99999999999999999999 12:02:00 GMT"}, None),
        ({"retry-after": "Sun, 01 Nov 2026 12:02:00 +99999999999999"}, None),
        ({"retry-after": "Sun, 01 Nov 2026 12:02:00 GMT"}, timedelta(minutes=2)),
        ({"retry-after": "Sun, 01 Nov 2026 11:00:00 GMT"}, timedelta(0)),
        (
            {"retry-after": "Mon, 02 Nov 2026 12:02:00 GMT", "date": "Mon, 02 Nov 2026 12:00:00 GMT"},
            timedelta(minutes=2),
        ),
    ],
)
def test_a_named_wait_is_read(headers: dict[str, str], wait: timedelta | None) -> None:
    assert retry_after(headers, now=NOW) == wait


async def test_it_is_closed_twice_and_opens_again() -> None:
    http = client(lambda _: httpx.Response(204))
    for _ in range(2):
        assert (await http.delete(URL)).status == 204
        await http.aclose()
        await http.aclose()


@pytest.mark.parametrize(
    ("error", "method", "unknown"),
    [
        (httpx.ReadTimeout("x"), "POST", True),
        (httpx.RemoteProtocolError("x"), "PATCH", True),
        (httpx.WriteError("x"), "DELETE", True),
        (httpx.ConnectError("x"), "POST", False),
        (httpx.ConnectTimeout("x"), "POST", False),
        (httpx.ReadTimeout("x"), "GET", False),
    ],
    ids=["no-answer", "cut", "cut-while-writing", "refused", "not-reached", "only-reading"],
)
async def test_only_what_was_sent_and_not_answered_may_have_had_an_effect(
    error: Exception, method: str, unknown: bool
) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransientError) as raised:
        await client(respond).request(method, URL)
    assert raised.value.effect_unknown is unknown


async def test_an_answer_leaves_no_doubt_unless_it_is_cut() -> None:
    assert not (await failure(lambda _: httpx.Response(503))).effect_unknown  # type: ignore[attr-defined]
    answer = await client(lambda _: httpx.Response(200, content=b'{"a": ')).post(URL)
    with pytest.raises(TransientError) as raised:
        answer.json()
    assert raised.value.effect_unknown


async def test_requests_are_counted() -> None:
    http = client(lambda _: httpx.Response(503))
    for _ in range(3):
        with pytest.raises(TransientError):
            await http.get(URL)
    assert http.sent == 3
