"""`python -m hub.simulation PLAN SOCKETS`: the child process of a playground, started by the hub.

SOCKETS are the inherited descriptors that listen on the ports of the plan, as JSON by port.
"""

import asyncio
import json
import signal
import socket
import sys

from hub.errors import HubError
from hub.simulation.memory import Memory
from hub.simulation.stage import Plan, Stage


def main(plan_text: str, descriptors_text: str) -> int:
    """Serve until SIGTERM; 1 with a sentence if that is not possible."""
    plan = Plan.from_json(plan_text)
    descriptors: dict[str, int] = json.loads(descriptors_text)
    sockets = {int(port): socket.socket(fileno=number) for port, number in descriptors.items()}
    try:
        with Memory(plan.data_dir) as memory:
            asyncio.run(_run(plan, memory, sockets))
    except HubError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(plan: Plan, memory: Memory, sockets: dict[int, socket.socket]) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await Stage(plan, memory, sockets=sockets).run(ended)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
