"""`bookinghub sources …`."""

from typing import Annotated, Any

import typer

from hub.cli import polls
from hub.cli.asking import opened, print_list, print_one, say
from hub.cli.commands import Call, command, new_app
from hub.cli.output import to_stdout, when
from hub.client import segment

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]

app = new_app("Where bookings come from.")


@command(app, "list", offline=True)
def list_sources(call: Call) -> None:
    """List the sources of the configuration."""
    print_list(
        call,
        "/sources",
        ("source", "type", "state", "last webhook", "last poll", "facts by webhook", "by poll", "reason"),
        row,
    )


@command(app, "show", offline=True)
def show_source(call: Call, name: Name) -> None:
    """Show one source with the whole address of its door, token included."""
    with opened(call) as client:
        source = client.get(f"/sources/{segment(name)}")
        print_one(call, source, client)
    told = source["webhooks"]
    if told is not None and not call.json:
        to_stdout(f"webhooks lost: {told['lost']} of {told['expected']}")


@command(app, "pause", acting=True)
def pause(
    call: Call,
    name: Name,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to others.")] = None,
) -> None:
    """Call a provider's API no more; webhooks are still taken."""
    body: dict[str, Any] = {"dry_run": call.dry_run} | ({"reason": reason} if reason else {})
    _act(call, name, "pause", body, done="is paused", would="would be paused")


@command(app, "resume", acting=True)
def resume(call: Call, name: Name) -> None:
    """Call a provider's API again, after a pause or after its credentials were repaired."""
    _act(call, name, "resume", {"dry_run": call.dry_run}, done="goes on", would="would go on")


polls.add_to(app)


def _act(call: Call, name: str, verb: str, body: dict[str, Any], *, done: str, would: str) -> None:
    with opened(call) as client:
        print_one(call, client.post(f"/sources/{segment(name)}/{verb}", body), client)
        say(call, f"{name} {would if call.dry_run else done}")


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
        source["reason"],
    ]
