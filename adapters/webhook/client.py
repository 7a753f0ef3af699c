"""Connections that reach public addresses only, whatever a name resolves to at the moment of the call."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from adapters.errors import AuthError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_UNICAST = IPv6Network("2000::/3")
"""All that was ever given out as global unicast (RFC 4291, IANA's registry of the address space)."""


class PublicTransport(httpx.AsyncBaseTransport):
    """Resolves the host itself and connects to the address it has checked.

    Checking a name and letting somebody else resolve it again would let its owner answer differently
    the second time. AuthError for an address that is not public: the sink pauses and keeps its rows.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None, resolve: Resolve | None = None) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._resolve = resolve or resolved

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise httpx.ConnectError("the host's name has no address", request=request) from error
        address = public_address(host, found)
        request.extensions = {**request.extensions, "sni_hostname": host}
        # The Host header was set from the name when the request was built and stays.
        request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def public_address(host: str, found: Sequence[str]) -> str:
    """The first address, if all of them are public; AuthError otherwise."""
    for text in found:
        if not is_public(ip_address(text.partition("%")[0])):
            raise AuthError(
                f"{host} is an address of a private network; set allow_private: true if that is meant"
            )
    if not found:
        raise AuthError(f"{host} has no address")
    return found[0]


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet, also behind the notations that embed IPv4."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    embedded = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()), _translated(address))
    found = [inner for inner in embedded if inner is not None]
    if not all(map(is_public, found)):
        return False
    # Python calls global whatever is not known as private, such as fec0::/10 and ::/96.
    return bool(found) or (address in _UNICAST and address.is_global)


def _translated(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address behind the well-known translation prefix 64:ff9b::/96 (RFC 6052)."""
    packed = address.packed
    return IPv4Address(packed[12:]) if packed[:12] == bytes.fromhex("0064ff9b") + bytes(8) else None
