"""`bookinghub operations …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import short, when
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
