"""A load generator with as little cost of its own as Python allows: raw sockets, prepared requests.

Runs as a process of its own, so that the server under test does not share its event loop:
`python -m tests.bench.load HOST PORT PATH CONNECTIONS FILE [RATE]` posts each line of FILE once and
prints one JSON object. With RATE requests are sent on a fixed schedule (open loop) and the latency
counts from the moment a request was due.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop


@dataclass
class Figures:
    """What one run showed; latencies in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def summary(self) -> dict[str, object]:
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "per_second": len(ordered) / self.seconds,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
            "statuses": {str(status): count for status, count in self.statuses.items()},
        }


def requests(host: str, path: str, bodies: list[bytes]) -> list[bytes]:
    """The bytes of one POST per body."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
    return [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]


async def read_answer(reader: asyncio.StreamReader) -> int:
    """The status of one answer, its body read."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    start = lower.index(b"content-length:") + len(b"content-length:")
    length = int(lower[start : lower.index(b"\r\n", start)])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def run(host: str, port: int, prepared: list[bytes], connections: int, rate: float | None) -> Figures:
    """Send all requests over so many connections; each connection has one request under way."""
    figures = Figures()
    began = time.perf_counter()

    def schedule() -> Iterator[tuple[float, bytes]]:
        for number, request in enumerate(prepared):
            yield (began + number / rate if rate else 0.0), request

    waiting = schedule()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for due, request in waiting:
            now = time.perf_counter()
            if due > now:
                await asyncio.sleep(due - now)
            since = due or now
            writer.write(request)
            figures.statuses[await read_answer(reader)] += 1
            figures.latencies.append(time.perf_counter() - since)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(connections)))
    figures.seconds = time.perf_counter() - began
    return figures


def main(arguments: list[str]) -> None:
    host, port, path, connections, file, *rate = arguments
    bodies = [line for line in Path(file).read_bytes().split(b"\n") if line]
    figures = uvloop.run(
        run(host, int(port), requests(host, path, bodies), int(connections), float(rate[0]) if rate else None)
    )
    sys.stdout.write(json.dumps(figures.summary()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
