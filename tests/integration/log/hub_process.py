"""Run by the tests as a process of its own: a hub that starts the embedded server and may be killed.

`python hub_process.py DATA_DIR [before_spawn|after_spawn]` prints one JSON line and waits; with a
second argument it kills itself at that step of the start instead.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

from hub.errors import HubError

# The server without the rest of the package: half a second instead of two for every process.
package = types.ModuleType("hub.log")
package.__path__ = [str(Path(__file__).parents[3] / "hub" / "log")]
sys.modules["hub.log"] = package

from hub.log.embedded import EmbeddedServer  # noqa: E402
from hub.log.locks import HubLock  # noqa: E402


class KilledServer(EmbeddedServer):
    """Kills its own process before or after the nats-server comes into being."""

    moment = ""

    def _spawn(self, lock_descriptor: int) -> "subprocess.Popen[bytes]":
        if self.moment == "before_spawn":
            os.kill(os.getpid(), signal.SIGKILL)
        child = super()._spawn(lock_descriptor)
        if self.moment == "after_spawn":
            say(pid=child.pid)
            os.kill(os.getpid(), signal.SIGKILL)
        return child


def say(**members: object) -> None:
    """One JSON line for the test to read."""
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


async def main(data_dir: Path, moment: str) -> None:
    lock = HubLock(data_dir)
    lock.acquire("http://127.0.0.1:8300")
    server = KilledServer(data_dir)
    server.moment = moment
    await server.start()
    say(pid=server.pid, url=server.address.url, adopted=server.adopted)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
    except HubError as error:
        say(error=str(error))
        sys.exit(2)
