"""Only public addresses are called, and the one that was checked is the one that is called."""

from collections.abc import Sequence
from ipaddress import ip_address

import httpx
import pytest

from adapters.errors import AuthError, TransientError
from adapters.http import HttpClient
from adapters.webhook.client import PublicTransport, is_public

PRIVATE = (
    *("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1"),
    *("100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1"),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:7f00:1::"),
    *("fec0::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "5f00::1"),
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_of_a_private_network_is_known(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_known(text: str) -> None:
    assert is_public(ip_address(text))


class World:
    """Names that resolve as the test wants, and whoever was called."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.called: list[tuple[str, str, object]] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        answer = self.answers.pop(0)
        if not answer:
            raise OSError("no such name")
        return answer

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.called.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(204)

    def client(self) -> HttpClient:
        return HttpClient(transport=PublicTransport(httpx.MockTransport(self.respond), resolve=self.resolve))


async def test_the_checked_address_is_called_under_the_hosts_name() -> None:
    world = World(["93.184.216.34"])
    await world.client().post("https://hook.example:8443/a?b=c")
    assert world.called == [("93.184.216.34", "hook.example:8443", "hook.example")]


@pytest.mark.parametrize(
    "found", [["10.0.0.7"], ["93.184.216.34", "::1"], ["::ffff:10.0.0.7"], ["fe80::1%eth0"]]
)
async def test_a_private_address_is_never_called(found: Sequence[str]) -> None:
    world = World(found)
    with pytest.raises(AuthError, match="allow_private"):
        await world.client().post("https://hook.example/")
    assert world.called == []


async def test_a_name_that_changes_its_mind_is_checked_at_each_call() -> None:
    world = World(["93.184.216.34"], ["127.0.0.1"])
    client = world.client()
    await client.post("http://hook.example/")
    with pytest.raises(AuthError):
        await client.post("http://hook.example/")
    assert len(world.called) == 1


async def test_a_name_that_cannot_be_resolved_passes() -> None:
    with pytest.raises(TransientError):
        await World([]).client().post("https://hook.example/")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://[::1]:9/", "http://2130706433/", "http://0x7f.1/"]
)
async def test_other_spellings_of_this_machine_are_refused(url: str) -> None:
    with pytest.raises(AuthError, match="private"):
        await HttpClient(transport=PublicTransport()).post(url)
