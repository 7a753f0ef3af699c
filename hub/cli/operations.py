"""`bookinghub operations …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import follow, opened, print_list, print_one, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import short, when
from hub.cli.running import DONE, FAILED, PARTLY
from hub.client import segment

SELECTORS = ("since", "until", "type", "state")

app = new_app("Long work inside the hub.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_operations(call: Call) -> None:
    """List operations, the last begun first."""
    print_list(call, "/operations", ("operation", "kind", "state", "done", "total", "begun", "ended"), row)


@command(app, "show", offline=True)
def show_operation(
    call: Call, id: Annotated[str, typer.Argument(metavar="ID", help="Id of the operation.")]
) -> None:
    """Show one operation."""
    show(call, f"/operations/{segment(id)}")


@command(app, "watch")
def watch_operation(
    call: Call, id: Annotated[str, typer.Argument(metavar="ID", help="Id of the operation.")]
) -> int:
    """Wait for the end of an operation; its state is the exit code."""
    with opened(call) as client:
        ended = follow(call, client, client.get(f"/operations/{segment(id)}"), of="parts")
        print_one(call, ended, client)
    return exit_code(ended)


def exit_code(operation: dict[str, Any]) -> int:
    """What an operation that has ended means to a script."""
    return {"done": DONE, "partly": PARTLY}.get(operation["state"], FAILED)


def row(operation: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        short(operation["operation_id"]),
        operation["kind"],
        operation["state"],
        operation["done"],
        operation["total"],
        when(operation["started_at"], timezone),
        when(operation["finished_at"], timezone),
    ]
