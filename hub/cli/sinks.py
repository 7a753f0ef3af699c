"""`bookinghub sinks …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, print_one, say, show
from hub.cli.commands import Call, command, new_app
from hub.client import segment

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]

app = new_app("Targets that are kept in step.")


@command(app, "list", offline=True)
def list_sinks(call: Call) -> None:
    """List the sinks of the configuration."""
    print_list(
        call, "/sinks", ("sink", "type", "state", "lag", "out of step", "parked", "dead", "reason"), row
    )


@command(app, "show", offline=True)
def show_sink(call: Call, name: Name) -> None:
    """Show one sink."""
    show(call, f"/sinks/{segment(name)}")


@command(app, "pause", acting=True)
def pause(
    call: Call,
    name: Name,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to others.")] = None,
) -> None:
    """Stop calling a target; everything for it waits until it is resumed."""
    body: dict[str, Any] = {"dry_run": call.dry_run} | ({"reason": reason} if reason else {})
    with opened(call) as client:
        print_one(call, client.post(f"/sinks/{segment(name)}/pause", body), client)
        say(call, _done(call, f"{name} is paused", f"{name} would be paused"))


@command(app, "resume", acting=True)
def resume(call: Call, name: Name) -> None:
    """Call a target again."""
    with opened(call) as client:
        print_one(call, client.post(f"/sinks/{segment(name)}/resume", {"dry_run": call.dry_run}), client)
        say(call, _done(call, f"{name} goes on", f"{name} would go on"))


def row(sink: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        sink["name"],
        sink["type"],
        sink["state"] if sink["enabled"] else "disabled",
        sink["lag_events"],
        sink["out_of_step"],
        sink["parked"],
        sink["dead"],
        sink["reason"],
    ]


def _done(call: Call, done: str, would: str) -> str:
    return would if call.dry_run else done
