"""`bookinghub issues …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import hint, when
from hub.client import segment

app = new_app("What needs a person.")


@command(app, "list", offline=True)
def list_issues(call: Call) -> None:
    """List what needs a person, critical things first."""
    print_list(call, "/issues", ("issue", "severity", "since", "meaning", "what to do"), row)


@command(app, "show", offline=True)
def show_issue(
    call: Call,
    id: Annotated[str, typer.Argument(metavar="ISSUE", help="Id, or its code if there is one only.")],
) -> None:
    """Show one issue."""
    show(call, f"/issues/{segment(id)}")


def row(issue: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        issue["issue_id"],
        issue["severity"],
        when(issue["since"], timezone),
        issue["meaning"],
        hint(issue["what_to_do"]),
    ]
