"""`bookinghub projections …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import print_list, show
from hub.cli.commands import Call, command, new_app
from hub.client import segment

app = new_app("Read models and how far they are.")


@command(app, "list", offline=True)
def list_projections(call: Call) -> None:
    """List the read models."""
    print_list(
        call, "/projections", ("projection", "position", "lag", "seconds", "generation", "version"), row
    )


@command(app, "show", offline=True)
def show_projection(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="Such as bookings.")]
) -> None:
    """Show one read model."""
    show(call, f"/projections/{segment(name)}")


def row(projection: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    names = ("name", "position", "lag_events", "lag_seconds", "generation", "version")
    return [projection[name] for name in names]
