"""`bookinghub sources …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import when
from hub.client import segment

app = new_app("Where bookings come from.")


@command(app, "list", offline=True)
def list_sources(call: Call) -> None:
    """List the sources of the configuration."""
    print_list(
        call, "/sources", ("source", "type", "state", "last webhook", "facts by webhook", "by poll"), row
    )


@command(app, "show", offline=True)
def show_source(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]
) -> None:
    """Show one source with the whole address of its door, token included."""
    show(call, f"/sources/{segment(name)}")


def row(source: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        source["name"],
        source["type"],
        source["state"],
        when(source["last_webhook_at"], timezone),
        source["facts_by_webhook"],
        source["facts_by_poll"],
    ]
