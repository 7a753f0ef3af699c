"""`bookinghub sources …`."""

from typing import Annotated, Any

import typer

from hub.cli import polls
from hub.cli.asking import opened, print_list, print_one
from hub.cli.commands import Call, command, new_app
from hub.cli.output import to_stdout, when
from hub.client import segment

app = new_app("Where bookings come from.")
polls.add_to(app)


@command(app, "list", offline=True)
def list_sources(call: Call) -> None:
    """List the sources of the configuration."""
    print_list(
        call,
        "/sources",
        ("source", "type", "state", "last webhook", "last poll", "facts by webhook", "by poll"),
        row,
    )


@command(app, "show", offline=True)
def show_source(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]
) -> None:
    """Show one source with the whole address of its door, token included."""
    with opened(call) as client:
        source = client.get(f"/sources/{segment(name)}")
        print_one(call, source, client)
    told = source["webhooks"]
    if told is not None and not call.json:
        to_stdout(f"webhooks lost: {told['lost']} of {told['expected']}")


def row(source: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        source["name"],
        source["type"],
        source["state"],
        when(source["last_webhook_at"], timezone),
        when(source["last_poll_at"], timezone),
        source["facts_by_webhook"],
        source["facts_by_poll"],
    ]
