"""`bookinghub tokens …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, opened, print_list, print_one, say
from hub.cli.commands import Call, command, new_app
from hub.cli.output import print_json, short, to_stdout, when
from hub.client import segment

app = new_app("Who may use the API.")


@command(app, "create", acting=True)
def create(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    scope: Annotated[
        str, typer.Option("--scope", metavar="read|operate|admin", help="What it may do.")
    ] = "read",
) -> None:
    """Make a token; it is shown this once."""
    if call.dry_run:
        say(call, f"would make a token {name} of scope {scope}")
        return
    with opened(call) as client:
        made = client.post("/tokens", {"name": name, "scope": scope})
    if call.json:
        print_json(made)
        return
    to_stdout(made["token"])
    say(call, f"{name}, scope {scope}; it is not shown again")


@command(app, "list")
def list_tokens(call: Call) -> None:
    """List all tokens, revoked ones too."""
    print_list(call, "/tokens", ("token", "name", "scope", "created", "last used", "revoked"), row)


@command(app, "revoke", acting=True)
def revoke(
    call: Call, token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or a prefix of six.")]
) -> None:
    """End a token for good."""
    with opened(call) as client:
        shown = client.post(f"/tokens/{segment(token)}/revoke", {"dry_run": True})
        if not call.dry_run:
            if not confirm(call, f"Revoke {shown['name']} (scope {shown['scope']}) for good?"):
                return
            shown = client.post(f"/tokens/{segment(shown['token_id'])}/revoke")
        print_one(call, shown, client)


def row(token: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        short(token["token_id"]),
        token["name"],
        token["scope"],
        when(token["created_at"], timezone),
        when(token["last_used_at"], timezone),
        when(token["revoked_at"], timezone),
    ]
