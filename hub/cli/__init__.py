"""The command `bookinghub`: a client of the HTTP API. Parses, asks, prints; decides nothing itself."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from hub.cli.running import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
