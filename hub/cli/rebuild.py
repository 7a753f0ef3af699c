"""`rebuild`: the projections again from the first event."""

from typing import Annotated, Any

import typer

from hub.cli.asking import follow, opened, say
from hub.cli.commands import Call, command
from hub.cli.output import counted, print_json, to_stderr
from hub.cli.running import DONE, FAILED, NO


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
        ended = follow(call, client, begun, of="events")
    if call.json:
        print_json(ended)
    else:
        to_stderr(_sentence(ended, verify=verify))
    return _code(ended)


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
