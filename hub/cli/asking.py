"""Opening a client for a call, and what commands do with its answers again and again."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hub.cli.address import config_files, find_address
from hub.cli.commands import Call
from hub.cli.output import print_json, print_members, print_table, to_stderr
from hub.cli.running import usage
from hub.client import PATIENCE_SECONDS, HttpTransport, HubClient, segment
from hub.program import pasteable

Row = Sequence[Any]
POLL_SECONDS = 0.2


@contextmanager
def opened(call: Call, *, patience: float = PATIENCE_SECONDS) -> Iterator[HubClient]:
    """A client of the running hub or, with `--offline`, of its data directory."""
    if not call.offline:
        address = find_address(call.config, call.url)
        yield HubClient(HttpTransport(address.url), token=address.token, patience=patience)
        return
    if call.url is not None:
        raise usage("--offline reads the data directory here; leave --url out")
    from hub.bootstrap import offline
    from hub.in_process import InProcess

    with InProcess(offline(config_files(call.config))) as transport:
        yield HubClient(transport)


def print_list(
    call: Call,
    path: str,
    header: Sequence[str],
    row: Callable[[dict[str, Any], str], Row],
    *,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """A list: one object per line with `--json`, else a table; says how to read on if it was cut."""
    with opened(call, patience=patience) as client:
        items = client.items(path, call.selectors, limit=call.limit, cursor=call.cursor)
        following = _print_lines(items) if call.json else None
        if not call.json:
            rows: list[Row] = []
            following = _collect(items, lambda item: rows.append(row(item, client.timezone)))
            print_table(header, rows)
        if client.read_as:
            to_stderr(f"times read as {client.read_as}")
    if following is None:
        return
    if call.json:
        print_json({"next": following})
    else:
        to_stderr(f"there are more; add --all, or --cursor {following}")


def print_one(call: Call, shown: Mapping[str, Any], client: HubClient) -> None:
    """One object: a line of JSON, or its members."""
    if call.json:
        print_json(shown)
    else:
        print_members(shown, timezone=client.timezone)


def show(call: Call, path: str, query: Sequence[tuple[str, str]] = ()) -> None:
    """Fetch one object and print it."""
    with opened(call) as client:
        print_one(call, client.get(path, query), client)


def confirm(call: Call, question: str) -> bool:
    """Ask, unless `--yes` said so; without a terminal the flag is needed."""
    if call.yes:
        return True
    if not sys.stdin.isatty():
        raise usage(f"{question} There is no terminal to ask on; add --yes")
    to_stderr(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    to_stderr("nothing was done")
    return False


def type_in(call: Call, question: str, flag: str, example: str) -> str:
    """What a person types at the terminal; without one the flag is needed, whatever else was said."""
    if not sys.stdin.isatty():
        raise usage(f"{question} There is no terminal to ask on; add {flag} {example}")
    to_stderr(question)
    return sys.stdin.readline().strip()


def follow(call: Call, client: HubClient, operation: dict[str, Any], *, of: str) -> dict[str, Any]:
    """Look until an operation has ended; progress is for terminals only."""
    live = sys.stderr.isatty() and not call.json
    while operation["state"] == "running":
        client.pause(POLL_SECONDS)
        operation = client.get(f"/operations/{segment(operation['operation_id'])}")
        if live and operation["total"]:
            share = 100 * operation["done"] // operation["total"]
            rate = operation["rate_per_second"] or 0
            sys.stderr.write(f"\r{share} % of {operation['total']} {of}, {rate:g}/s ")
            sys.stderr.flush()
    if live:
        sys.stderr.write("\r\033[K")
    return operation


def say(call: Call, text: str, *, next: str | None = None) -> None:
    """A sentence about what was done, for people only."""
    if not call.json:
        to_stderr(f"{text}  {pasteable(next)}" if next else text)


def _print_lines(items: Iterator[dict[str, Any]]) -> str | None:
    return _collect(items, print_json)


def _collect(items: Iterator[dict[str, Any]], take: Callable[[dict[str, Any]], None]) -> str | None:
    """Take every item; returns the cursor the generator ends with."""
    while True:
        try:
            take(next(items))
        except StopIteration as end:
            value: str | None = end.value
            return value
