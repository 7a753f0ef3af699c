"""Rebuilds a store whose log never lets it finish: run as a process that the test kills."""

import asyncio
import sys

from hub.clock import SystemClock
from hub.projections.rebuild import Progress, Rebuilder
from hub.store.database import Database
from tests.contract.projections.kit import MemoryLog, many

MOST = 300
"""After so many of its events the log gives no more."""


class SlowLog(MemoryLog):
    """Gives ten events at a time, and does not answer after the first half."""

    async def read(self, after: int, limit: int) -> list[object]:  # type: ignore[override]
        await asyncio.sleep(0.01 if after < MOST else 3_600)
        return list(await super().read(after, min(limit, 10)))


def say(progress: Progress) -> None:
    sys.stdout.write(f"{progress.done}\n")
    sys.stdout.flush()


async def rebuild(url: str) -> None:
    log = SlowLog()
    log.append(many(300, per_booking=2))
    database = Database.open(url)
    await Rebuilder(log, database, clock=SystemClock()).rebuild(progress=say)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(rebuild(sys.argv[1]))
