"""`python -m hub.demo`: plays the scenes, compares everything, exit 0 only if all is as it should be."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.client import ClientError
from hub.demo.scenes import SCENES
from hub.demo.verdict import Check, verdict
from hub.demo.world import DemoError, World

WIDTH = 30


def main() -> int:
    """Play; 1 if a scene went wrong or anything was lost, doubled or left out of step."""
    began = time.monotonic()
    with _world() as world:
        try:
            world.start()
            _tell("the hub is ready", f"{world.url}, everything in {world.folder}")
            for name, scene in SCENES:
                _tell(name, scene(world))
            world.settle()
            checks = verdict(world)
        except (DemoError, ClientError) as error:
            sys.stdout.write(f"\n{error}\nlog: {world.keep()}\n")
            return 1
        passed = _told(checks, time.monotonic() - began)
        if not passed:
            sys.stdout.write(f"log: {world.keep()}\n")
    return 0 if passed else 1


@contextmanager
def _world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="bookinghub-demo-") as folder:
        world = World(Path(folder))
        try:
            yield world
        finally:
            world.close()


def _tell(name: str, text: str) -> None:
    sys.stdout.write(f"{name:<{WIDTH}} {text}\n")
    sys.stdout.flush()


def _told(checks: list[Check], seconds: float) -> bool:
    """The closing table, and whether all of it is right."""
    sys.stdout.write("\n")
    for check in checks:
        wrong = f"WRONG: {', '.join(check.wrong[:5])}" if check.wrong else "ok"
        _tell(check.what, f"{check.found:<12} {wrong}")
    passed = not any(check.wrong for check in checks)
    closing = "nothing lost, nothing doubled, everything in step" if passed else "not everything is right"
    sys.stdout.write(f"\n{closing} ({seconds:.0f} s)\n")
    return passed


if __name__ == "__main__":
    sys.exit(main())
