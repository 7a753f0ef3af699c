"""`rebuild`: the projections again from the first event."""

import sys
from typing import Annotated, Any

import typer

from hub.cli.asking import opened, say
from hub.cli.commands import Call, command
from hub.cli.output import counted, print_json, to_stderr
from hub.cli.running import DONE, FAILED, NO
from hub.client import HubClient, segment

POLL_SECONDS = 0.2


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "rebuild", offline=True, acting=True)(rebuild)


def rebuild(
    call: Call,
    projections: Annotated[
        list[str] | None, typer.Argument(help="They are rebuilt together, whichever are named.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare row by row, switch nothing.")] = False,
) -> int:
    """Replay the event history into the projections; they serve meanwhile."""
    with opened(call) as client:
        if call.dry_run:
            events = client.get("/status")["log"]["events"]
            say(call, f"would read {counted(events or 0, 'event', 'events')} into a new generation")
            return DONE
        body: dict[str, Any] = {"kind": "rebuild", "verify": verify}
        begun = client.post("/operations", body | ({"projections": projections} if projections else {}))
        ended = _follow(call, client, begun)
    if call.json:
        print_json(ended)
    else:
        to_stderr(_sentence(ended, verify=verify))
    return _code(ended)


def _follow(call: Call, client: HubClient, operation: dict[str, Any]) -> dict[str, Any]:
    """Look until it has ended; progress is for terminals only."""
    live = sys.stderr.isatty() and not call.json
    while operation["state"] == "running":
        client.pause(POLL_SECONDS)
        operation = client.get(f"/operations/{segment(operation['operation_id'])}")
        if live and operation["total"]:
            share = 100 * operation["done"] // operation["total"]
            rate = operation["rate_per_second"] or 0
            sys.stderr.write(f"\r{share} % of {operation['total']} events, {rate:g}/s ")
            sys.stderr.flush()
    if live:
        sys.stderr.write("\r\033[K")
    return operation


def _differences(operation: dict[str, Any]) -> list[Any]:
    found = operation["detail"].get("differences") or []
    return found if isinstance(found, list) else [found]


def _sentence(operation: dict[str, Any], *, verify: bool) -> str:
    if operation["state"] not in ("done", "partly"):
        return f"the rebuild {operation['state']}: {operation['detail'].get('error', 'no reason given')}"
    events = counted(operation["total"] or operation["done"], "event", "events")
    found = _differences(operation)
    if found:
        tables = sorted({str(one.get("table")) for one in found if isinstance(one, dict)})
        return f"{counted(len(found), 'row differs', 'rows differ')} after {events}, in {', '.join(tables)}"
    return f"{events}: {'every row is the same' if verify else 'rebuilt'}"


def _code(operation: dict[str, Any]) -> int:
    if _differences(operation):
        return NO
    return DONE if operation["state"] == "done" else FAILED
