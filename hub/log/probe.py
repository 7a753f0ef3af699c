"""Asking a NATS server whether it is there and lets us in, without a client that keeps trying."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from hub.log.server_files import ServerAddress

_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Probe:
    """`ready`: answers with these credentials; `refused`: somebody else's server; `silent`: nothing yet."""

    outcome: Literal["ready", "refused", "silent"]
    version: str = ""


async def probe(address: ServerAddress, *, within: float = 2.0) -> Probe:
    """Log in once at `host:port` of the address; never raises for what the other side does."""
    host, _, port = address.url.rpartition("//")[2].rpartition(":")
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(host, int(port), limit=_LONGEST_LINE)
            try:
                return await _log_in(reader, writer, address)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, EOFError):
        return Probe("silent")
    except (ValueError, KeyError):
        return Probe("refused")


async def _log_in(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: ServerAddress
) -> Probe:
    info = await reader.readuntil(b"\n")
    if not info.startswith(b"INFO "):
        return Probe("refused")
    version = str(json.loads(info[5:])["version"])
    hello = {"user": address.user, "pass": address.password, "verbose": False, "lang": "bookinghub"}
    writer.write(b"CONNECT " + json.dumps(hello).encode() + b"\r\nPING\r\n")
    await writer.drain()
    answer = await reader.readuntil(b"\n")
    return Probe("ready" if answer.startswith(b"PONG") else "refused", version)
