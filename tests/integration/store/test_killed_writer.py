"""A hub killed in the middle of writing has kept everything it was told is written."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlmodel import select

from hub.store.database import Database
from hub.store.tables import LeaseRow

ROOT = Path(__file__).parents[3]

WRITER = """
import asyncio, sys
from hub.store.database import Database
from hub.store.statements import insert_new
from tests.integration.store.rows import lease

async def write(database, worker):
    number = 0
    while True:
        name = f"{worker}-{number}"
        await database.write(lambda session: insert_new(session, [lease(name), lease(name + "-twin")]))
        print(name, flush=True)
        number += 1

async def main():
    database = Database.open(sys.argv[1])
    await asyncio.gather(*(write(database, worker) for worker in range(8)))

asyncio.run(main())
"""


def write_until_killed(url, acknowledged):
    """Names a process was told are written, until it was killed after so many."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    )
    with writer:
        names = [writer.stdout.readline().strip() for _ in range(acknowledged)]
        writer.send_signal(signal.SIGKILL)
        names += writer.stdout.read().split()
    assert writer.returncode == -signal.SIGKILL
    return names


def test_what_was_acknowledged_survives_kill_and_nothing_is_half_written(store_url):
    # The last line may be cut off by the kill: then it names no work that was acknowledged in full.
    names = write_until_killed(store_url, 100)[:-1]
    with closing(Database.open(store_url)) as database:
        stored = set(database.read_now(lambda session: session.exec(select(LeaseRow.name)).all()))
    assert set(names) <= stored
    assert {name for name in stored if not name.endswith("-twin")} == {
        name.removesuffix("-twin") for name in stored if name.endswith("-twin")
    }
