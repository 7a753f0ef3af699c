"""`python -m hub.simulation PLAN`: the child process of a playground, started by the hub."""

import asyncio
import signal
import sys

from hub.errors import HubError
from hub.simulation.memory import Memory
from hub.simulation.stage import Plan, Stage


def main(text: str) -> int:
    """Serve until SIGTERM; 1 with a sentence if that is not possible."""
    plan = Plan.from_json(text)
    try:
        with Memory(plan.data_dir) as memory:
            asyncio.run(_run(plan, memory))
    except HubError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(plan: Plan, memory: Memory) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await Stage(plan, memory).run(ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
